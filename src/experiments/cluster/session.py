"""From a cluster's config to the one SparkSession of this process."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import re
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import IO, TYPE_CHECKING, Any

from experiments.cluster import existing
from experiments.cluster.addresses import unreachable
from experiments.cluster.defaults import LOOPBACK, WORKERS_PYTHON, defaults, start_up_options
from experiments.cluster.executors import check_shared_folder, wait_for_executors
from experiments.cluster.gateway import launch
from experiments.cluster.java import Java, class_archive_options, find_java
from experiments.cluster.jobs import share_jobs
from experiments.cluster.yarn import watched
from experiments.config.schema import ClusterConfig
from experiments.config.values import spark_conf
from experiments.errors import ConfigError, ExperimentError, readable_cause

if TYPE_CHECKING:
    from pyspark import SparkConf
    from pyspark.sql import SparkSession


SECONDS_TO_END = 5
_PYTHON = "PYSPARK_PYTHON"
# What it was before sessions of this process set it.
_python_before: list[str | None] = []


class StartingSession:
    """The SparkSession of this process on its way, beside other work: a JVM at once, Spark in it when allowed.

    A JVM takes a second and harms nobody, so it starts while the config is still being checked. Spark itself takes
    seconds and a cluster's resources: it starts with `allow`, while MLflow is imported and the run is opened.
    A session that somebody else has started in this process is taken as it is, and so is what spark-submit gives.

    Args:
        is_tried: whether its executors have come, and have written to the shared folder, once it has started.

    Attributes:
        is_taken: whether it was there already.
        warnings: what of the config it does not have; complete once it has started.

    Raises:
        ConfigError: no usable Java, or no cluster at the address.
    """

    def __init__(self, cluster: ClusterConfig, is_tried: bool = True) -> None:
        self.cluster, self._is_tried = cluster, is_tried
        self._allowed = threading.Event()
        self._abandoned = False
        self._waiting = ""
        self.warnings: list[str] = []
        self._session: Future[SparkSession] = Future()
        self._thread: threading.Thread | None = None
        running = existing.running_session()
        self.is_taken = running is not None
        start = functools.partial(self._take, running) if running is not None else self._starter()
        share_jobs(self.is_taken)
        # A daemon, so that a cluster that keeps us waiting does not keep an interrupted process alive.
        self._thread = threading.Thread(target=start, name="spark-start", daemon=True)
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

    def _starter(self) -> Callable[[], None]:
        """What starts a session, as far as can be seen without a JVM."""
        if existing.is_submitted():
            if problems := existing.check_submitted(self.cluster):
                raise ConfigError(problems)
            return functools.partial(self._start, None)
        problems = [] if self.cluster.master != existing.EXISTING else existing.no_session()
        if problems := problems or unreachable(self.cluster.master, spark_conf(self.cluster)):
            raise ConfigError(problems)
        java = find_java()
        os.environ["JAVA_HOME"] = str(java.home)
        return functools.partial(self._start, java)

    def _take(self, session: SparkSession) -> None:
        """A session that is there, which is nobody's to end."""
        self._allowed.wait()
        if self._abandoned:
            return
        try:
            if lost := existing.not_heeded(session, self.cluster):
                self.warnings.append(
                    f"the Spark session that is there, on '{session.sparkContext.master}', is used as it is, without "
                    f"the config's {', '.join(lost)}; set that where the session is started, and write "
                    "cluster=existing here"
                )
            self._make_ready(session)
            self._session.set_result(session)
        except Exception as error:  # PySpark's, Py4J's and our own
            self._session.set_exception(error)

    def _start(self, java: Java | None) -> None:
        """A JVM, and a session in it unless that is abandoned. What the JVM prints is shown only if the start fails.

        Args:
            java: None where spark-submit has started it.
        """
        from pyspark import SparkContext
        from pyspark.sql import SparkSession

        _restore_environment()
        conf = _conf(self.cluster, java)
        _set_environment(self.cluster.master, conf)
        _say_errors_once()
        gateway = session = None
        with tempfile.TemporaryFile("w+", errors="replace") as printed:
            try:
                gateway = launch(conf, printed)
                if java is None:
                    conf = existing.submitted_conf(gateway, conf)
                self._allowed.wait()
                if self._abandoned:
                    _end(gateway)
                    return
                on_yarn = self.cluster.master == "yarn" and java is not None  # else the application is there
                with watched(gateway, conf, self.cluster, self._wait) if on_yarn else contextlib.nullcontext():
                    context = SparkContext(conf=conf, gateway=gateway)
                session = SparkSession(context)
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
        if self._is_tried and not session.sparkContext.master.startswith("local"):
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
        # Of one that is there already each run says for itself what it would have otherwise.
        if _current is None or not _current.is_alive() or (_current.is_taken and cluster != _current.cluster):
            _current = StartingSession(cluster)
        elif cluster.master == existing.EXISTING:
            return _current
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


def _set_environment(master: str, conf: SparkConf) -> None:
    """Variables where Spark looks at these and not at settings."""
    if conf.contains(WORKERS_PYTHON):
        _python_before.append(os.environ.get(_PYTHON))
        os.environ[_PYTHON] = conf.get(WORKERS_PYTHON)
    # Masters, workers and pages of a `local-cluster` are open to every network otherwise. Another session of this
    # process may be of a cluster.
    for name in ("SPARK_LOCAL_IP", "SPARK_LOCAL_HOSTNAME"):
        if master.startswith("local"):
            os.environ.setdefault(name, LOOPBACK)
        elif os.environ.get(name) == LOOPBACK:
            del os.environ[name]


def _restore_environment() -> None:
    """Take back what the session before had its workers' Python be."""
    while _python_before:
        if (before := _python_before.pop()) is None:
            os.environ.pop(_PYTHON, None)
        else:
            os.environ[_PYTHON] = before


def _say_errors_once() -> None:
    """PySpark writes what it raises to standard error as well, as a page of JSON before our sentence."""
    from pyspark.logger import PySparkLogger

    for name in ("DataFrameQueryContextLogger", "SQLQueryContextLogger"):
        PySparkLogger.getLogger(name).setLevel(logging.CRITICAL + 1)


def _conf(cluster: ClusterConfig, java: Java | None) -> SparkConf:
    from pyspark import SparkConf

    settings = {**defaults(cluster.master), **({} if existing.is_handed_over() else spark_conf(cluster))}
    if java is None:  # its options, name and master are those that spark-submit was told
        return SparkConf(loadDefaults=False).setAll(list(settings.items()))
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


def _end(gateway: Any) -> None:
    """End a JVM that no session came of, at once, so that it archives no classes, and let another be started."""
    from pyspark import SparkContext

    if gateway is not None and not existing.is_submitted():
        gateway.shutdown()
        gateway.proc.kill()
    if SparkContext._gateway is gateway:
        SparkContext._gateway = SparkContext._jvm = None


def _why(error: Exception, printed: IO[str]) -> str:
    """The lines that the JVM printed about an error, else the error's own message."""
    printed.seek(0)
    told = [line.strip() for line in printed if re.search(r"error|exception|could not", line, re.IGNORECASE)]
    return " ".join(told[:4]) or readable_cause(error)
