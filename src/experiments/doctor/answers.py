"""A task on each executor that says what it sees there."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import platform
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_SECONDS_TO_ANSWER = 5


@dataclass(frozen=True)
class Answer:
    """What Python on an executor says of itself.

    Attributes:
        host: name of its machine.
        parent: process that started it, one for each executor.
        python: its version.
        packages: name to version, None where it is not there.
        time: seconds since 1970 by its clock.
        memory: bytes of its machine.
        unreached: why it does not reach the next task, or empty.
        gpus: that Spark gave the task.
    """

    host: str
    parent: int
    python: str
    packages: dict[str, str | None]
    time: float
    memory: int
    unreached: str
    gpus: list[str]


def ask_each(session: SparkSession, slots: int) -> list[Answer]:
    """Answers of as many tasks as run at a time, which have all executors between them.

    Raises:
        Exception: PySpark's own, where no Python starts there, or one of another version.
    """
    from pyspark import cloudpickle

    # What a task does travels whole: executors may have nothing of ours.
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    # At the same time, so that each executor has one; not where executors come with the work.
    is_at_once = session.conf.get("spark.dynamicAllocation.enabled", "false") != "true"
    tasks = session.sparkContext.parallelize(range(slots), slots)
    answer = functools.partial(_answer, is_at_once)
    asked = tasks.barrier().mapPartitions(answer) if is_at_once else tasks.mapPartitions(answer)
    return [Answer(**said) for said in asked.collect()]


def _answer(is_at_once: bool, _: Iterator[int]) -> Iterator[dict[str, Any]]:
    from pyspark import TaskContext

    task = TaskContext.get()
    assert task is not None
    given = task.resources().get("gpu")
    names = ("numpy", "pandas", "pyarrow", "tensorflow", "horovod", "xgboost")
    packages = {name: version_of(name, f"{name}-cpu") for name in names}
    yield {
        "host": socket.gethostname(),
        "parent": os.getppid(),
        "python": platform.python_version(),
        "packages": packages,
        "time": time.time(),
        "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "unreached": _unreached() if is_at_once else "",
        "gpus": list(given.addresses) if given is not None else [],
    }


def version_of(*names: str) -> str | None:
    """Of the first package that is installed."""
    for name in names:
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None


def _unreached() -> str:
    """Why the next task, which listens at any port, is not reached; empty where it is."""
    from pyspark import BarrierTaskContext

    task = BarrierTaskContext.get()
    addresses = [each.address.rpartition(":")[0].strip("[]") for each in task.getTaskInfos()]
    own, following = task.partitionId(), (task.partitionId() + 1) % len(addresses)
    try:
        server = socket.create_server((addresses[own], 0))
    except OSError as error:  # as of an address that other machines know it by
        task.allGather("0")
        task.barrier()
        return f"{addresses[own]}: {error}"
    said = ""
    with server:
        port = int(task.allGather(str(server.getsockname()[1]))[following])
        try:
            socket.create_connection((addresses[following], port), _SECONDS_TO_ANSWER).close()
        except OSError as error:
            said = f"{addresses[following]}: {error}"
        task.barrier()
    return said
