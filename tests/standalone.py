"""Spark's own cluster on loopback: real processes of a master and of workers."""

import contextlib
import os
import socket
import subprocess
import time
from pathlib import Path

from serving import PROGRAMS

_DEPLOY = "org.apache.spark.deploy"


class Standalone:
    """A master and its workers.

    Attributes:
        address: of the master, as a command wants it.
        workers: their processes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"spark://127.0.0.1:{port}"
        self.workers: list[subprocess.Popen[bytes]] = []
        own = ["--host", "127.0.0.1", "--port", str(port), "--webui-port", "0"]
        self._master = self._start("master", f"{_DEPLOY}.master.Master", *own)
        self._wait_for("master", "Starting Spark master")

    def add_worker(self, cores: int, memory: str) -> None:
        """Another machine, as it were."""
        name = f"worker{len(self.workers)}"
        has = ["--cores", str(cores), "--memory", memory, "--work-dir", str(self._folder / name)]
        own = ["--host", "127.0.0.1", "--webui-port", "0", *has]
        self.workers.append(self._start(name, f"{_DEPLOY}.worker.Worker", *own, self.address))
        self._wait_for(name, "Successfully registered with master")

    def stop(self) -> None:
        for process in [*self.workers, self._master]:
            process.terminate()
        for process in [*self.workers, self._master]:
            process.wait(30)

    def _start(self, name: str, *words: str) -> subprocess.Popen[bytes]:
        here = {"SPARK_LOCAL_IP": "127.0.0.1", "SPARK_LOCAL_HOSTNAME": "127.0.0.1"}
        environment = {**os.environ, **here, "PATH": f"{PROGRAMS}:{os.environ['PATH']}"}
        with (self._folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen([str(PROGRAMS / "spark-class"), *words], env=environment, stdout=log, stderr=log)

    def _wait_for(self, name: str, said: str) -> None:
        log, end = self._folder / f"{name}.log", time.monotonic() + 60
        while said not in (told := log.read_text(errors="replace")):
            assert time.monotonic() < end, told
            time.sleep(0.1)


@contextlib.contextmanager
def standalone(folder: Path):
    """A cluster of two workers with a core each."""
    cluster = Standalone(folder)
    try:
        for _ in range(2):
            cluster.add_worker(1, "1g")
        yield cluster
    finally:
        cluster.stop()
