"""From a cluster's config to the one SparkSession of this process."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import tempfile
import threading
from concurrent.futures import Future
from typing import IO, TYPE_CHECKING, Any

from experiments.cluster.addresses import unreachable
from experiments.cluster.defaults import LOOPBACK, WORKERS_PYTHON, defaults, start_up_options
from experiments.cluster.executors import check_shared_folder, wait_for_executors
from experiments.cluster.gateway import launch
from experiments.cluster.java import Java, class_archive_options, find_java
from experiments.config.schema import ClusterConfig
from experiments.config.values import spark_conf
from experiments.errors import ConfigError, ExperimentError, readable_cause

if TYPE_CHECKING:
    from pyspark import SparkConf
    from pyspark.sql import SparkSession


SECONDS_TO_END = 5
# For the trials of a sweep to know that they were stopped.
SECONDS_TO_STOP = 1.0


class StartingSession:
    """The SparkSession of this process on its way, beside other work: a JVM at once, Spark in it when allowed.

    A JVM takes a second and harms nobody, so it starts while the config is still being checked. Spark itself takes
    seconds and a cluster's resources: it starts with `allow`, while MLflow is imported and the run is opened.
    A session that somebody else has started in this process is taken as it is.

    Args:
        is_tried: whether its executors have come, and have written to the shared folder, once it has started.

    Raises:
        ConfigError: no usable Java, or no cluster at the address.
    """

    def __init__(self, cluster: ClusterConfig, is_tried: bool = True) -> None:
        self.cluster, self._is_tried = cluster, is_tried
        self._allowed = threading.Event()
        self._abandoned = False
        self._waiting = ""
        self._session: Future[SparkSession] = Future()
        self._thread: threading.Thread | None = None
        running = _running_session()
        if running is not None:
            self._session.set_result(running)
            return
        if problems := unreachable(cluster.master, spark_conf(cluster)):
            raise ConfigError(problems)
        java = find_java()
        os.environ["JAVA_HOME"] = str(java.home)
        # A daemon, so that a cluster that keeps us waiting does not keep an interrupted process alive.
        self._thread = threading.Thread(target=self._start, args=(java,), name="spark-start", daemon=True)
        self._thread.start()

    def allow(self) -> None:
        """Let Spark start."""
        self._allowed.set()

    def abandon(self) -> None:
        """End the JVM unless Spark may start in it; wait for that, or it would archive what little it has loaded."""
        self._abandoned = not self._allowed.is_set()
        self._allowed.set()
        if self._abandoned and self._thread is not None:
            self._thread.join(SECONDS_TO_END)

    def result(self) -> SparkSession:
        """The session, once it has started.

        Raises:
            ExperimentError: the cluster does not start, with what the JVM said, or does not suit the config.
        """
        self.allow()
        return self._session.result()

    def is_alive(self) -> bool:
        """Whether a session can still come of it."""
        if self._abandoned:
            return False
        if not self._session.done():
            return True
        return self._session.exception() is None and self._session.result().sparkContext._jsc is not None

    def _start(self, java: Java) -> None:
        """A JVM, and a session in it unless that is abandoned. What the JVM prints is shown only if the start fails."""
        from pyspark import SparkContext
        from pyspark.sql import SparkSession

        conf = _conf(self.cluster, java)
        # PySpark's context looks at the variable and not at the setting.
        if conf.contains(WORKERS_PYTHON):
            os.environ["PYSPARK_PYTHON"] = conf.get(WORKERS_PYTHON)
        # Masters, workers and pages of a `local-cluster` look at nothing else, and are open to every network otherwise.
        # Another session of this process may be of a cluster.
        for name in ("SPARK_LOCAL_IP", "SPARK_LOCAL_HOSTNAME"):
            if self.cluster.master.startswith("local"):
                os.environ.setdefault(name, LOOPBACK)
            elif os.environ.get(name) == LOOPBACK:
                del os.environ[name]
        _say_errors_once()
        gateway = session = None
        with tempfile.TemporaryFile("w+", errors="replace") as printed:
            try:
                gateway = launch(conf, printed)
                self._allowed.wait()
                if self._abandoned:
                    _end(gateway)
                    return
                session = SparkSession(SparkContext(conf=conf, gateway=gateway))
                self._make_ready(session)
                self._session.set_result(session)
            except Exception as error:  # PySpark, Py4J and the operating system each have their own
                why = error
                if not isinstance(error, ExperimentError):
                    why = ExperimentError(f"Spark must start on '{self.cluster.master}', but: {_why(error, printed)}")
                    why.__cause__ = error
                if session is not None:
                    with contextlib.suppress(Exception):
                        session.stop()  # or the next run would take it for somebody else's
                _end(gateway)
                self._session.set_exception(why)

    def _make_ready(self, session: SparkSession) -> None:
        if self._is_tried and not self.cluster.master.startswith("local"):
            wait_for_executors(session, self.cluster, self._wait)
            check_shared_folder(session, self.cluster)
        if self._is_tried:
            _warm_up(session)

    def _wait(self, what: str) -> None:
        self._waiting = what

    def waiting(self) -> str:
        """What is waited for, as a line says it."""
        return self._waiting


# The session of this process, or the one on its way.
_current: StartingSession | None = None
_choosing = threading.Lock()


def starting_session(cluster: ClusterConfig) -> StartingSession:
    """The session of this process, which a first call sets on its way and later ones join.

    Raises:
        ConfigError: no usable Java, or the first call had other settings.
    """
    global _current
    with _choosing:
        if _current is None or not _current.is_alive():
            _current = StartingSession(cluster)
        elif unlike := _unlike(_current.cluster, cluster):
            raise ConfigError(
                [
                    "cluster must be the same for all runs of one process, which share one Spark session, got another "
                    f"{', '.join(unlike)}; run them one command each"
                ]
            )
        return _current


def start_session(cluster: ClusterConfig) -> SparkSession:
    """The SparkSession of this process: the running one, or one that starts now. Runs on the driver."""
    return starting_session(cluster).result()


def name_jobs(session: SparkSession, group: str, description: str) -> None:
    """Give Spark's jobs of this thread, and of those that inherit from it, a group and a scheduler pool of their own.

    Pools share the cores evenly, so that a short trial does not wait for a long one.
    """
    session.sparkContext.setJobGroup(group, description, interruptOnCancel=True)
    session.sparkContext.setLocalProperty("spark.scheduler.pool", group)


def active_tasks(session: SparkSession) -> str:
    """Done and all tasks of the stages that Spark is at, as a line says them; empty where it is at none."""
    tracker = session.sparkContext.statusTracker()
    stages = [tracker.getStageInfo(stage) for stage in tracker.getActiveStageIds()]
    known = [stage for stage in stages if stage is not None]
    if not known:
        return ""
    done, tasks = sum(stage.numCompletedTasks for stage in known), sum(stage.numTasks for stage in known)
    return f" · Spark stage {max(stage.stageId for stage in known)}: {done} of {tasks} tasks"


def _say_errors_once() -> None:
    """PySpark writes what it raises to standard error as well, as a page of JSON before our sentence."""
    from pyspark.logger import PySparkLogger

    for name in ("DataFrameQueryContextLogger", "SQLQueryContextLogger"):
        PySparkLogger.getLogger(name).setLevel(logging.CRITICAL + 1)


def _running_session() -> SparkSession | None:
    """A session that was not started here."""
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    # PySpark has no public way to ask without starting a context.
    context = SparkContext._active_spark_context
    return None if context is None or context._jsc is None else SparkSession.active()


def _conf(cluster: ClusterConfig, java: Java) -> SparkConf:
    from pyspark import SparkConf

    settings = {**defaults(cluster.master), **spark_conf(cluster)}
    own = settings.get("spark.driver.extraJavaOptions", "")
    # The user's come last, since of two options Java takes the later one.
    options = [*class_archive_options(java), *start_up_options(cluster.master, own), own]
    settings["spark.driver.extraJavaOptions"] = " ".join(filter(None, options))
    conf = SparkConf(loadDefaults=False).setMaster(cluster.master).setAppName("experiments")
    return conf.setAll(list(settings.items()))


def _unlike(first: ClusterConfig, other: ClusterConfig) -> list[str]:
    """The settings that differ, however they are spelt, by their keys: their values may be secrets."""
    one, two = (
        {"master": config.master, "shared_folder": config.shared_folder, **spark_conf(config)}
        for config in (first, other)
    )
    return sorted(key for key in {*one, *two} if one.get(key) != two.get(key))


def _warm_up(session: SparkSession) -> None:
    """Have Java load what every job needs, while Python still imports what a run needs."""
    rows = session.range(0, 2, 1, 1).selectExpr("id", "xxhash64(id) AS hash").persist()
    rows.groupBy("id").agg({"hash": "sum"}).collect()
    rows.unpersist()


def end_jobs_soon() -> threading.Timer:
    """Have Spark end what it is at in a second, and what begins after that, by another thread, as this one's connection
    to Java is in use.

    For signals: rows that are collected as Arrow are waited for even then. What is returned can be cancelled.
    """
    later = _Repeated(SECONDS_TO_STOP, end_jobs)
    later.daemon = True
    later.start()
    return later


class _Repeated(threading.Timer):
    """Again and again, until it is cancelled."""

    def run(self) -> None:
        while not self.finished.wait(self.interval):
            self.function()


def end_jobs() -> None:
    """Have Spark end what it is at, if it is there."""
    from pyspark import SparkContext

    context = SparkContext._active_spark_context
    if context is not None:
        with contextlib.suppress(Exception):  # a session that is ending has nothing left to cancel
            context.cancelAllJobs()


def _end(gateway: Any) -> None:
    """End a JVM that no session came of, at once, so that it archives no classes, and let another be started."""
    from pyspark import SparkContext

    if gateway is not None:
        gateway.shutdown()
        gateway.proc.kill()
    if SparkContext._gateway is gateway:
        SparkContext._gateway = SparkContext._jvm = None


def _why(error: Exception, printed: IO[str]) -> str:
    """The lines that the JVM printed about an error, else the error's own message."""
    printed.seek(0)
    told = [line.strip() for line in printed if re.search(r"error|exception|could not", line, re.IGNORECASE)]
    return " ".join(told[:4]) or readable_cause(error)
