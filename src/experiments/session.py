"""From a cluster's config to the one SparkSession of this process."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import IO, TYPE_CHECKING, Any

from experiments.config import ClusterConfig, spark_conf
from experiments.errors import ConfigError, ExperimentError, readable_cause
from experiments.java import Java, class_archive_options, find_java

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# What the running session was started with, to tell a second config in one process.
_started: ClusterConfig | None = None


class StartingSession:
    """The SparkSession of this process on its way, beside other work: a JVM at once, Spark in it when allowed.

    A JVM takes a second and harms nobody, so it starts while the config is still being checked. Spark itself takes
    seconds and a cluster's resources: it starts with `allow`, while MLflow is imported and the run is opened.

    Raises:
        ConfigError: no usable Java, or another session runs in this process with other settings.
    """

    def __init__(self, cluster: ClusterConfig) -> None:
        self._cluster = cluster
        self._allowed = threading.Event()
        self._abandoned = False
        running = _running_session(cluster)
        if running is not None:
            self._session: Future[Any] = Future()
            self._session.set_result(running)
            return
        java = find_java()
        os.environ["JAVA_HOME"] = str(java.home)
        pool = ThreadPoolExecutor(1, "spark-start")
        self._session = pool.submit(_start, cluster, java, self)
        pool.shutdown(wait=False)

    def allow(self) -> None:
        """Let Spark start."""
        self._allowed.set()

    def abandon(self) -> None:
        """End the JVM unless Spark may start in it."""
        self._abandoned = not self._allowed.is_set()
        self._allowed.set()

    def may_go_on(self) -> bool:
        """Wait for `allow` or `abandon`."""
        self._allowed.wait()
        return not self._abandoned

    def result(self) -> SparkSession:
        """The session, once it has started.

        Raises:
            ExperimentError: the cluster does not start, with what the JVM said.
        """
        self.allow()
        session: SparkSession = self._session.result()
        return session


def start_session(cluster: ClusterConfig) -> SparkSession:
    """The SparkSession of this process: the running one, or one that starts now. Runs on the driver."""
    return StartingSession(cluster).result()


def _running_session(cluster: ClusterConfig) -> SparkSession | None:
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    # PySpark has no public way to ask without starting a context.
    context = SparkContext._active_spark_context
    if context is None or context._jsc is None:
        return None
    if _started is not None and cluster != _started:
        raise ConfigError(
            [
                "cluster must be the same for all runs of one process, which share one Spark session, got "
                f"{spark_conf(cluster)} on '{cluster.master}' after {spark_conf(_started)} on '{_started.master}'; "
                "run them one command each"
            ]
        )
    return SparkSession.active()


def _start(cluster: ClusterConfig, java: Java, starting: StartingSession) -> SparkSession | None:
    """A JVM, and a session in it unless that is abandoned. What the JVM prints is shown only when the start fails."""
    from pyspark import SparkConf, SparkContext
    from pyspark.java_gateway import launch_gateway
    from pyspark.sql import SparkSession

    global _started
    conf = SparkConf(loadDefaults=False).setMaster(cluster.master).setAppName("experiments")
    settings = {**_defaults(cluster.master), **spark_conf(cluster)}
    own = settings.get("spark.driver.extraJavaOptions", "")
    options = [own, *class_archive_options(java), *start_up_options(cluster.master, own)]
    settings["spark.driver.extraJavaOptions"] = " ".join(filter(None, options))
    conf.setAll(list(settings.items()))
    with tempfile.TemporaryFile("w+", errors="replace") as printed:
        try:
            gateway = launch_gateway(conf, popen_kwargs={"stdout": printed, "stderr": printed})
            if not starting.may_go_on():
                _end(gateway)
                return None
            session = SparkSession(SparkContext(conf=conf, gateway=gateway))
            _check_shared_folder(session, cluster)
            _warm_up(session)
        except ExperimentError:
            raise
        except Exception as error:  # PySpark, Py4J and the operating system each have their own
            raise ExperimentError(f"Spark must start on '{cluster.master}', but: {_why(error, printed)}") from error
    _started = cluster
    return session


def _check_shared_folder(session: SparkSession, cluster: ClusterConfig) -> None:
    """Executors on other machines write a model's parts where the driver must find them."""
    files = str(session.sparkContext._jsc.hadoopConfiguration().get("fs.defaultFS"))
    if not cluster.master.startswith("local") and files.startswith("file:") and cluster.shared_folder is None:
        raise ExperimentError(
            f"cluster.shared_folder must be a folder that the driver and all executors of '{cluster.master}' see, got "
            "none; set it, or point cluster.conf.spark.hadoop.fs.defaultFS at HDFS or S3"
        )


def _warm_up(session: SparkSession) -> None:
    """Have Java load what every job needs, while Python still imports what a run needs."""
    rows = session.range(0, 2, 1, 1).selectExpr("id", "xxhash64(id) AS hash").persist()
    rows.groupBy("id").agg({"hash": "sum"}).collect()
    rows.unpersist()


def _end(gateway: Any) -> None:
    """The JVM ends when its standard input does."""
    gateway.shutdown()
    gateway.proc.stdin.close()


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


def start_up_options(master: str, own: str) -> list[str]:
    """JVM options for a process of seconds to minutes, beside the user's own.

    Java's optimising compiler competes with Python for the cores of a small machine while both start; ten times its
    usual thresholds keep it for code that stays hot. With two cores, so do the threads of a parallel collector.
    """
    options = [
        "-XX:Tier4InvocationThreshold=50000",
        "-XX:Tier4MinInvocationThreshold=6000",
        "-XX:Tier4CompileThreshold=150000",
        "-XX:Tier4BackEdgeThreshold=400000",
    ]
    cores = local_cores(master)
    if cores is not None and "-XX:+Use" not in own:
        options.append("-XX:+UseSerialGC" if cores <= 2 else "-XX:+UseParallelGC")
    return options


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
