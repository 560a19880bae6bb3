"""A task on each executor that says what it sees there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyspark.sql import SparkSession


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
    """

    host: str
    parent: int
    python: str
    packages: dict[str, str | None]
    time: float
    memory: int
    unreached: str


def ask_each(session: SparkSession, slots: int) -> list[Answer]:
    """Answers of as many tasks as run at a time, which have all executors between them.

    Raises:
        Exception: PySpark's own, where no Python starts there, or one of another version.
    """
    context = session.sparkContext
    tasks = context.parallelize(range(slots), slots)
    # At the same time, so that each executor has one; not where executors come with the work.
    is_dynamic = session.conf.get("spark.dynamicAllocation.enabled", "false") == "true"
    asked = tasks.mapPartitions(_question(False)) if is_dynamic else tasks.barrier().mapPartitions(_question(True))
    return [Answer(**said) for said in asked.collect()]


def _question(is_barrier: bool) -> Any:
    """What a task does. Within another function, so that it travels whole: executors may have nothing of ours."""

    def answer(_: Iterator[int]) -> Iterator[dict[str, Any]]:
        import importlib.metadata
        import os
        import platform
        import socket
        import time

        def version_of(*names: str) -> str | None:
            for name in names:
                try:
                    return importlib.metadata.version(name)
                except importlib.metadata.PackageNotFoundError:
                    continue
            return None

        def unreached() -> str:
            """Listen, and call the next one."""
            from pyspark import BarrierTaskContext

            task = BarrierTaskContext.get()
            addresses = [each.address.rpartition(":")[0].strip("[]") for each in task.getTaskInfos()]
            own, following = task.partitionId(), (task.partitionId() + 1) % len(addresses)
            said = ""
            with socket.create_server((addresses[own], 0)) as server:
                ports = task.allGather(str(server.getsockname()[1]))
                try:
                    socket.create_connection((addresses[following], int(ports[following])), 5).close()
                except OSError as error:
                    said = f"{addresses[following]}: {error}"
                task.barrier()
            return said

        packages = {name: version_of(name) for name in ("numpy", "pandas", "pyarrow", "horovod")}
        yield {
            "host": socket.gethostname(),
            "parent": os.getppid(),
            "python": platform.python_version(),
            "packages": {**packages, "tensorflow": version_of("tensorflow", "tensorflow-cpu")},
            "time": time.time(),
            "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            "unreached": unreached() if is_barrier else "",
        }

    return answer
