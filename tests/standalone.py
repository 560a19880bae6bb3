"""Spark's own cluster: real processes of a master and of workers, on loopback or on machines of their own."""

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from machines import Machines
from serving import PROGRAMS

_DEPLOY = "org.apache.spark.deploy"


class Standalone:
    """A master and its workers.

    Attributes:
        address: of the master, as a command wants it.
        workers: their processes.
    """

    def __init__(self, folder: Path, machines: Machines | None = None, seconds_to_be_lost: int = 60) -> None:
        """Start the master.

        Args:
            seconds_to_be_lost: how long it waits for a worker that says nothing.
        """
        self._folder, self._machines, self._seconds_to_be_lost = folder, machines, seconds_to_be_lost
        host = "127.0.0.1" if machines is None else "head"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"spark://{host}:{port}"
        self.workers: list[subprocess.Popen[bytes]] = []
        own = ["--host", host, "--port", str(port), "--webui-port", "0"]
        self._master = self._start("master", host, f"{_DEPLOY}.master.Master", *own)
        self._wait_for("master", "Starting Spark master")

    def add_worker(self, cores: int, memory: str, host: str = "127.0.0.1") -> None:
        """Another machine, as it were, or one of the machines."""
        name = f"worker{len(self.workers)}"
        has = ["--cores", str(cores), "--memory", memory]
        has += ["--work-dir", str(self._folder / name) if self._machines is None else "/tmp/work"]
        own = ["--host", host, "--webui-port", "0", *has]
        self.workers.append(self._start(name, host, f"{_DEPLOY}.worker.Worker", *own, self.address))
        self._wait_for(name, "Successfully registered with master")

    def stop(self) -> None:
        for process in [*self.workers, self._master]:
            process.terminate()
        for process in [*self.workers, self._master]:
            process.wait(30)

    def _start(self, name: str, host: str, *words: str) -> subprocess.Popen[bytes]:
        here = {"SPARK_LOCAL_IP": host, "SPARK_LOCAL_HOSTNAME": host}
        here["SPARK_DAEMON_JAVA_OPTS"] = f"-Dspark.worker.timeout={self._seconds_to_be_lost}"
        environment = {**os.environ, **here, "PATH": f"{PROGRAMS}:{os.environ['PATH']}"}
        there = [] if self._machines is None else self._machines.on(host)
        with (self._folder / f"{name}.log").open("wb") as log:
            words = (*there, str(PROGRAMS / "spark-class"), *words)
            return subprocess.Popen(words, env=environment, stdout=log, stderr=log)

    def _wait_for(self, name: str, said: str) -> None:
        log, end = self._folder / f"{name}.log", time.monotonic() + 180
        while said not in (told := log.read_text(errors="replace")):
            assert time.monotonic() < end, told
            time.sleep(0.1)


@contextlib.contextmanager
def standalone(
    folder: Path,
    machines: Machines | None = None,
    workers: Sequence[str] = ("one", "two"),
    seconds_to_be_lost: int = 60,
):
    """A cluster of workers with a core each: two on loopback, or on those machines."""
    cluster = Standalone(folder, machines, seconds_to_be_lost)
    try:
        for host in ("127.0.0.1", "127.0.0.1") if machines is None else workers:
            cluster.add_worker(1, "1g", host)
        yield cluster
    finally:
        cluster.stop()
