"""What must be there before work begins on a cluster: its executors, and a place that they and the driver see."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING

from experiments.cluster.checks import default_files, no_shared_folder
from experiments.cluster.kubernetes import SCHEME, said_of_pods
from experiments.config.schema import ClusterConfig
from experiments.errors import ExperimentError, readable_cause

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SECONDS_TO_ASK = 2.0


def wait_for_executors(session: SparkSession, cluster: ClusterConfig, tell: Callable[[str], None]) -> None:
    """Until those that were asked for are there, or one where nothing says how many.

    Args:
        tell: is told how many have come, as a line says it.

    Raises:
        ExperimentError: they do not come in time.
    """
    if session.conf.get("spark.dynamicAllocation.enabled", "false") == "true":
        return  # they come when there is work
    said = {"spark.executor.instances", "spark.executor.cores", "spark.cores.max"} & cluster.conf.keys()
    wanted, seconds = (1 if said else cluster.executors or 1), cluster.seconds_to_start
    status, end, asked, why = session.sparkContext._jsc.sc(), time.monotonic() + seconds, 0.0, ""
    while (came := status.getExecutorMemoryStatus().size() - 1) < wanted:  # the driver is one of them
        if session.sparkContext.master.startswith(SCHEME) and time.monotonic() > asked:
            why, asked = said_of_pods(session), time.monotonic() + SECONDS_TO_ASK
        tell(f" · {came} of {wanted} executors{f' ({why})' if why else ''}")
        if time.monotonic() > end:
            raise ExperimentError(
                f"cluster.seconds_to_start must be enough for {wanted} executor{'s' if wanted > 1 else ''} to come, "
                f"got {seconds:g} and {came} that came; {_why_none_came(cluster.master, why)}: ask for less, or wait "
                "longer"
            )
        time.sleep(0.1)
    tell("")


def _why_none_came(master: str, why: str) -> str:
    """What the cluster says, else what is mostly so."""
    if why:
        return f"'{master}' says {why}"
    return (
        f"'{master}' has other work, or no machine that has cluster.cores and cluster.memory to spare, as its page says"
    )


def check_shared_folder(session: SparkSession, cluster: ClusterConfig) -> None:
    """Have executors write where models will pass, and look whether it arrives: they may have disks of their own.

    Raises:
        ExperimentError: there is no such place, or what was written is not there.
    """
    context = session.sparkContext
    settings, paths = context._jsc.hadoopConfiguration(), context._jvm.org.apache.hadoop.fs
    if cluster.shared_folder is None:
        if str(settings.get("fs.defaultFS")).startswith("file:"):
            raise ExperimentError(no_shared_folder(cluster.master))
        return
    place = paths.Path(f"{cluster.shared_folder}/.probe-{uuid.uuid4().hex}")
    files = place.getFileSystem(settings)
    why = "where nothing arrived of what executors wrote"
    try:
        session.range(0, 2, 1, 2).selectExpr("string(id)").write.text(place.toString())
        arrived = len(files.globStatus(paths.Path(place, "part-*")))
    except Exception as error:  # PySpark's and Py4J's own kinds
        arrived, why = 0, readable_cause(error)
    finally:
        files.delete(place, True)
    if arrived < 2:
        raise ExperimentError(
            "cluster.shared_folder must be a folder that the driver and all executors see, got "
            f"'{cluster.shared_folder}': {why}; NFS or the like makes one, or point {default_files(cluster.master)} "
            "at HDFS or S3"
        )
