"""A Spark session that others have started: a notebook's, Databricks', or what spark-submit gives its program."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from experiments.config.schema import ClusterConfig
from experiments.config.values import SHORT, spark_conf
from experiments.errors import ExperimentError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

EXISTING = "existing"
_MASTER = "spark.master"


def running_session() -> SparkSession | None:
    """A session of this process that was not started here."""
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    # PySpark has no public way to ask without starting a context.
    context = SparkContext._active_spark_context
    return None if context is None or context._jsc is None else SparkSession.active()


def is_submitted() -> bool:
    """Whether spark-submit has started this process beside a JVM, in which the session is to be."""
    return "PYSPARK_GATEWAY_PORT" in os.environ


def check_existing(cluster: ClusterConfig) -> list[str]:
    """A sentence for each setting that a session which is there already would not heed."""
    unset = [*SHORT, "environment", "packages", "conf"]
    return [
        f"cluster.{key} must be unset on a session that is there already, got {getattr(cluster, key)}; set it where "
        "that is started, as by spark-submit --conf"
        for key in unset
        if getattr(cluster, key)
    ]


def is_missing() -> list[str]:
    """The sentence for a process without a session."""
    return [
        "cluster=existing must find a Spark session in its process, got none; start one there first "
        "(SparkSession.builder.getOrCreate()), run by spark-submit, or choose cluster=local"
    ]


def not_heeded(session: SparkSession, cluster: ClusterConfig) -> list[str]:
    """Keys of the config's settings that a running session does not have."""
    if cluster.master == EXISTING:
        return []
    has = dict(session.sparkContext.getConf().getAll())
    short = {long: key for key, long in SHORT.items()}
    asked = {_MASTER: cluster.master, **spark_conf(cluster)}
    lost = [key for key, value in asked.items() if has.get(key) != value]
    return ["cluster.master" if key == _MASTER else f"cluster.{short.get(key, f'conf.{key}')}" for key in lost]


def check_submitted(gateway: Any, cluster: ClusterConfig) -> None:
    """What spark-submit was told must not be overruled by a config without a word.

    Raises:
        ExperimentError: they name different clusters.
    """
    told = gateway.jvm.java.lang.System.getProperty(_MASTER)
    if cluster.master not in (EXISTING, told):
        raise ExperimentError(
            f"cluster.master must be what spark-submit was told, '{told}', got '{cluster.master}'; write "
            "cluster=existing"
        )
