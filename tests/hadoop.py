"""HDFS and YARN on loopback: real processes of their nodes, of a few jars beside those that PySpark has."""

import contextlib
import os
import socket
import subprocess
import time
import urllib.request
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import pandas as pd
import pyspark

_MAVEN = "https://repo1.maven.org/maven2"
# The last three are the resource manager's.
_JARS = [
    "org/apache/hadoop/hadoop-client-minicluster/3.5.0/hadoop-client-minicluster-3.5.0.jar",
    "org/bouncycastle/bcprov-jdk18on/1.82/bcprov-jdk18on-1.82.jar",
    "org/bouncycastle/bcpkix-jdk18on/1.82/bcpkix-jdk18on-1.82.jar",
    "org/bouncycastle/bcutil-jdk18on/1.82/bcutil-jdk18on-1.82.jar",
]
_HDFS, _YARN = "org.apache.hadoop.hdfs.server", "org.apache.hadoop.yarn.server"


class Hadoop:
    """Nodes of Hadoop's.

    Attributes:
        configuration: a folder with their settings, as `HADOOP_CONF_DIR` has it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self.configuration = folder, folder / "conf"
        self.configuration.mkdir(exist_ok=True)
        self._nodes: list[subprocess.Popen[bytes]] = []

    def stop(self) -> None:
        for node in self._nodes:
            node.kill()
        for node in self._nodes:
            node.wait(30)

    def _configure(self, name: str, settings: dict[str, str]) -> None:
        each = "".join(f"<property><name>{n}</name><value>{escape(v)}</value></property>" for n, v in settings.items())
        (self.configuration / name).write_text(f"<configuration>{each}</configuration>")

    def _java(self) -> list[str]:
        jars = ":".join(
            [str(self.configuration), *map(str, fetched(_JARS)), f"{Path(pyspark.__file__).parent / 'jars'}/*"]
        )
        log = self.configuration / "log4j2.properties"
        log.write_text(
            "rootLogger.level=INFO\nrootLogger.appenderRef.a.ref=c\nappender.c.type=Console\nappender.c.name=c\n"
            "appender.c.target=SYSTEM_ERR\nappender.c.layout.type=PatternLayout\n"
            "appender.c.layout.pattern=%c{1}: %m%n\n"
        )
        return ["java", "-Xmx256m", "-cp", jars, f"-Dhadoop.home.dir={self._folder}"]

    def _start(self, name: str, main: str, *words: str) -> "subprocess.Popen[bytes]":
        with (self._folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen([*self._java(), main, *words], stdout=log, stderr=log)

    def _wait_for(self, name: str, said: str) -> None:
        log, end = self._folder / f"{name}.log", time.monotonic() + 300
        while said not in (told := log.read_text(errors="replace")):
            assert self._nodes[-1].poll() is None, told
            assert time.monotonic() < end, told
            time.sleep(0.1)


class Hdfs(Hadoop):
    """A name node and one data node.

    Attributes:
        uri: of the root folder.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.uri = f"hdfs://127.0.0.1:{free_port()}"
        self._configure("core-site.xml", {"fs.defaultFS": self.uri})
        data_node = {f"dfs.datanode.{what}": "127.0.0.1:0" for what in ("address", "http.address", "ipc.address")}
        folders = {"dfs.namenode.name.dir": f"file://{folder}/name", "dfs.datanode.data.dir": f"file://{folder}/data"}
        own = {"dfs.namenode.http-address": "127.0.0.1:0", "dfs.replication": "1"}
        self._configure("hdfs-site.xml", {**data_node, **folders, **own})

    def start(self) -> None:
        self._start("format", f"{_HDFS}.namenode.NameNode", "-format", "-nonInteractive").wait(120)
        self._nodes.append(self._start("name", f"{_HDFS}.namenode.NameNode"))
        self._nodes.append(self._start("data", f"{_HDFS}.datanode.DataNode"))
        self._wait_for("name", "registerDatanode")

    def command(self, *words: str) -> str:
        """What `hdfs dfs WORDS` says."""
        return subprocess.run(
            [*self._java(), "org.apache.hadoop.fs.FsShell", *words], check=True, capture_output=True, text=True
        ).stdout


class Yarn(Hdfs):
    """A resource manager and one node manager with eight GiB and three cores, on a file system of their own."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        manager, node = "yarn.resourcemanager", "yarn.nodemanager"
        addresses = ("address", "scheduler.address", "resource-tracker.address", "admin.address", "webapp.address")
        room = {f"{node}.resource.memory-mb": "8192", f"{node}.resource.cpu-vcores": "3"}
        self._configure(
            "yarn-site.xml",
            {f"{manager}.hostname": "127.0.0.1"}
            | {f"{manager}.{name}": f"127.0.0.1:{free_port()}" for name in addresses}
            | {f"{node}.{name}": "127.0.0.1:0" for name in ("address", "localizer.address", "webapp.address")}
            | {f"{node}.{name}-dirs": str(folder / name) for name in ("local", "log")}
            | {**room, f"{node}.vmem-check-enabled": "false", "yarn.scheduler.minimum-allocation-mb": "256"},
        )
        queues = "yarn.scheduler.capacity"
        # Of the queue `small` not even a master gets a container.
        shares = {"default.capacity": "90", "small.capacity": "10", "small.maximum-capacity": "10"}
        self._configure(
            "capacity-scheduler.xml",
            {f"{queues}.root.queues": "default,small", f"{queues}.maximum-am-resource-percent": "0.6"}
            | {f"{queues}.root.{name}": share for name, share in shares.items()},
        )

    def start(self) -> None:
        super().start()
        self._nodes.append(self._start("manager", f"{_YARN}.resourcemanager.ResourceManager"))
        self._wait_for("manager", "Transitioned to active state")
        self._nodes.append(self._start("node", f"{_YARN}.nodemanager.NodeManager"))
        self._wait_for("node", "Registered with ResourceManager")


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def fetched(paths: list[str]) -> list[Path]:
    """Jars by their paths in Maven's repository, fetched once and kept where other caches are."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "experiments-tests"
    cache.mkdir(parents=True, exist_ok=True)
    for path in paths:
        kept = cache / Path(path).name
        if not kept.exists():
            part = kept.with_suffix(f".{os.getpid()}")
            urllib.request.urlretrieve(f"{_MAVEN}/{path}", part)
            part.rename(kept)
    return [cache / Path(path).name for path in paths]


@contextlib.contextmanager
def hdfs(folder: Path):
    """A file system of its own, gone at the end."""
    yield from _until_the_end(Hdfs(folder))


@contextlib.contextmanager
def yarn(folder: Path):
    """A cluster of its own, gone at the end."""
    yield from _until_the_end(Yarn(folder))


def _until_the_end(nodes):
    try:
        nodes.start()
        yield nodes
    finally:
        nodes.stop()


def put_houses(files, folder):
    """Prices of 400 houses as `/houses.csv`, three times their sizes; the file is written to a folder of here first."""
    random = np.random.default_rng(3)
    size = random.normal(80, 20, 400)
    rows = pd.DataFrame({"size": size, "price": 3 * size + random.normal(0, 1, 400)})
    rows.to_csv(folder / "houses.csv", index=False)
    files.command("-put", str(folder / "houses.csv"), "/houses.csv")
