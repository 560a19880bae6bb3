"""Spark's and Java's settings that suit us unless a config says otherwise."""

from __future__ import annotations

import os
import re
import sys

from experiments.cluster.addresses import local_cores

LOOPBACK = "127.0.0.1"
WORKERS_PYTHON = "spark.pyspark.python"


def defaults(master: str) -> dict[str, str]:
    """Settings that suit us unless the config says otherwise."""
    conf = {
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.scheduler.mode": "FAIR",
    }
    cores = local_cores(master)
    if cores:
        conf |= {
            # No name lookups, and no port that other machines can reach.
            "spark.driver.host": LOOPBACK,
            "spark.driver.bindAddress": LOOPBACK,
            # Spark's default of 200 is for a cluster.
            "spark.sql.shuffle.partitions": str(cores),
            # Workers otherwise run whatever `python3` is, without this environment's packages.
            WORKERS_PYTHON: os.environ.get("PYSPARK_PYTHON", sys.executable),
        }
    return conf


def start_up_options(master: str, own: str) -> list[str]:
    """JVM options for a process of seconds to minutes, beside the user's own.

    Java's optimising compiler competes with Python for the cores of a small machine while both start; ten times its
    usual thresholds keep it for code that stays hot. Spark's classes fill more than 128 MiB, and each step in which the
    room for them grows costs a full collection. So does what a forest's fit throws away when it outlives a young
    generation of 1/200 of the machine, which is Java's first guess; but the old one must hold what Spark keeps, three
    fifths of all, or it is collected without end.
    """
    options = [
        "-XX:Tier4InvocationThreshold=50000",
        "-XX:Tier4MinInvocationThreshold=6000",
        "-XX:Tier4CompileThreshold=150000",
        "-XX:Tier4BackEdgeThreshold=400000",
        "-XX:MetaspaceSize=256m",
    ]
    if local_cores(master) is not None and not re.search(r"-XX:\+Use\w+GC\b", own):
        options += ["-XX:+UseParallelGC", "-XX:InitialRAMPercentage=18.75", "-XX:NewRatio=2"]
    return options
