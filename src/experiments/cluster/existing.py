"""A Spark session that others have started: a notebook's, Databricks', or what spark-submit gives its program."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from experiments.config.schema import ClusterConfig
from experiments.config.values import SHORT, spark_conf

if TYPE_CHECKING:
    from pyspark import SparkConf
    from pyspark.sql import SparkSession

EXISTING = "existing"
# In the environment of a driver that `experiments submit` brought to its cluster, with the config's settings.
HANDED_OVER = "EXPERIMENTS_HANDED_OVER"
_MASTER = "spark.master"


def running_session() -> SparkSession | None:
    """A session of this process that was not started here."""
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    # PySpark has no public way to ask without starting a context.
    context = SparkContext._active_spark_context
    if context is None or context._jsc is None:
        return None
    return SparkSession.getActiveSession() or SparkSession(context)


def is_submitted() -> bool:
    """Whether spark-submit has started this process beside a JVM, in which the session is to be."""
    return "PYSPARK_GATEWAY_PORT" in os.environ


def is_handed_over() -> bool:
    """Whether what started this process was told the settings of the config that runs here."""
    return HANDED_OVER in os.environ


def check_existing(cluster: ClusterConfig) -> list[str]:
    """A sentence for each setting that a session which is there already would not heed."""
    unset = [*SHORT, "environment", "packages", "conf"]
    return [
        f"cluster.{key} must be unset on a session that is there already, got {getattr(cluster, key)}; set it where "
        "that is started, as by spark-submit --conf"
        for key in unset
        if getattr(cluster, key)
    ]


def no_session() -> list[str]:
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


def check_submitted(cluster: ClusterConfig) -> list[str]:
    """The sentence for a config that says of another session than spark-submit's what would not be heeded."""
    if cluster.master == EXISTING or is_handed_over():
        return []
    return [
        f"cluster.master must be existing in a process that spark-submit has started, got '{cluster.master}'; write "
        "cluster=existing, and settings behind spark-submit --conf; `experiments submit` brings a driver to YARN"
    ]


def submitted_conf(gateway: Any, ours: SparkConf) -> SparkConf:
    """The settings that spark-submit was told, and of ours those of which it was told nothing."""
    from pyspark import SparkConf

    conf = SparkConf(loadDefaults=True, _jvm=gateway.jvm)
    for key, value in ours.getAll():
        conf.setIfMissing(key, value)
    return conf
