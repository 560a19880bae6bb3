"""From a cluster's config to the one SparkSession of this process."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from typing import IO, TYPE_CHECKING

from experiments.config import ClusterConfig, spark_conf
from experiments.errors import ExperimentError, readable_cause
from experiments.java import find_java

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def start_session(cluster: ClusterConfig) -> SparkSession:
    """The SparkSession of this process, started with the cluster's settings, or the one that runs already.

    Runs on the driver. What the JVM prints goes to a file and is shown only when the start fails.

    Raises:
        ConfigError: no usable Java.
        ExperimentError: the cluster does not start, with what the JVM said.
    """
    from pyspark import SparkConf, SparkContext
    from pyspark.java_gateway import launch_gateway
    from pyspark.sql import SparkSession

    running = SparkSession.getActiveSession()
    if running is not None:
        return running
    os.environ["JAVA_HOME"] = str(find_java().home)
    conf = SparkConf(loadDefaults=False).setMaster(cluster.master).setAppName("experiments")
    conf.setAll(list({**_defaults(cluster.master), **spark_conf(cluster)}.items()))
    with tempfile.TemporaryFile("w+", errors="replace") as printed:
        try:
            gateway = launch_gateway(conf, popen_kwargs={"stdout": printed, "stderr": printed})
            return SparkSession(SparkContext(conf=conf, gateway=gateway))
        except Exception as error:  # PySpark, Py4J and the operating system each have their own
            raise ExperimentError(f"Spark must start on '{cluster.master}', but: {_why(error, printed)}") from error


def _defaults(master: str) -> dict[str, str]:
    """Settings that suit us unless the config says otherwise."""
    conf = {"spark.ui.showConsoleProgress": "false", "spark.sql.execution.arrow.pyspark.enabled": "true"}
    cores = local_cores(master)
    if cores:
        conf |= {
            # No name lookups, and no port that other machines can reach.
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            # Spark's default of 200 is for a cluster.
            "spark.sql.shuffle.partitions": str(cores),
            # Workers otherwise run whatever `python3` is, without this environment's packages.
            "spark.pyspark.python": sys.executable,
        }
    return conf


def local_cores(master: str) -> int | None:
    """Cores of a local master, None for a cluster."""
    match = re.fullmatch(r"local(?:\[(\*|\d+)(?:,\d+)?\])?", master)
    if match is None:
        return None
    written = match.group(1) or "1"
    return (os.cpu_count() or 1) if written == "*" else int(written)


def _why(error: Exception, printed: IO[str]) -> str:
    """The lines that the JVM printed about an error, else the error's own message."""
    printed.seek(0)
    told = [line.strip() for line in printed if re.search(r"error|exception|could not", line, re.IGNORECASE)]
    return " ".join(told[:4]) or readable_cause(error)
