"""HDFS on loopback: real processes of a name node and of a data node, of one jar beside those that PySpark has."""

import contextlib
import os
import socket
import subprocess
import time
import urllib.request
from pathlib import Path
from xml.sax.saxutils import escape

import pyspark

_JAR = "hadoop-client-minicluster-3.5.0.jar"
_SOURCE = f"https://repo1.maven.org/maven2/org/apache/hadoop/hadoop-client-minicluster/3.5.0/{_JAR}"
_NODES = "org.apache.hadoop.hdfs.server"


class Hdfs:
    """A name node and one data node.

    Attributes:
        uri: of the root folder.
        configuration: a folder with `core-site.xml`, as `HADOOP_CONF_DIR` has it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self.configuration = folder, folder / "conf"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.uri = f"hdfs://127.0.0.1:{free.getsockname()[1]}"
        self._configure("core-site.xml", {"fs.defaultFS": self.uri})
        data_node = {f"dfs.datanode.{what}": "127.0.0.1:0" for what in ("address", "http.address", "ipc.address")}
        folders = {"dfs.namenode.name.dir": f"file://{folder}/name", "dfs.datanode.data.dir": f"file://{folder}/data"}
        own = {"dfs.namenode.http-address": "127.0.0.1:0", "dfs.replication": "1"}
        self._configure("hdfs-site.xml", {**data_node, **folders, **own})
        self._start("format", "namenode.NameNode", "-format", "-nonInteractive").wait(120)
        self._nodes = [self._start("name", "namenode.NameNode"), self._start("data", "datanode.DataNode")]
        self._wait_for("name", "registerDatanode")

    def command(self, *words: str) -> str:
        """What `hdfs dfs WORDS` says."""
        return subprocess.run(
            [*self._java(), "org.apache.hadoop.fs.FsShell", *words], check=True, capture_output=True, text=True
        ).stdout

    def stop(self) -> None:
        for node in self._nodes:
            node.kill()
        for node in self._nodes:
            node.wait(30)

    def _configure(self, name: str, settings: dict[str, str]) -> None:
        self.configuration.mkdir(exist_ok=True)
        each = "".join(f"<property><name>{n}</name><value>{escape(v)}</value></property>" for n, v in settings.items())
        (self.configuration / name).write_text(f"<configuration>{each}</configuration>")

    def _java(self) -> list[str]:
        jars = f"{self.configuration}:{_jar()}:{Path(pyspark.__file__).parent / 'jars'}/*"
        log = self.configuration / "log4j2.properties"
        log.write_text(
            "rootLogger.level=INFO\nrootLogger.appenderRef.a.ref=c\nappender.c.type=Console\nappender.c.name=c\n"
            "appender.c.target=SYSTEM_ERR\nappender.c.layout.type=PatternLayout\n"
            "appender.c.layout.pattern=%c{1}: %m%n\n"
        )
        return ["java", "-Xmx256m", "-cp", jars, f"-Dhadoop.home.dir={self._folder}"]

    def _start(self, name: str, main: str, *words: str) -> "subprocess.Popen[bytes]":
        with (self._folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen([*self._java(), f"{_NODES}.{main}", *words], stdout=log, stderr=log)

    def _wait_for(self, name: str, said: str) -> None:
        log, end = self._folder / f"{name}.log", time.monotonic() + 120
        while said not in (told := log.read_text(errors="replace")):
            assert time.monotonic() < end, told
            time.sleep(0.1)


def _jar() -> Path:
    """Fetched once, and kept where other caches are."""
    kept = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "experiments-tests" / _JAR
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        part = kept.with_suffix(f".{os.getpid()}")
        urllib.request.urlretrieve(_SOURCE, part)
        part.rename(kept)
    return kept


@contextlib.contextmanager
def hdfs(folder: Path):
    """A file system of its own, gone at the end."""
    nodes = Hdfs(folder)
    try:
        yield nodes
    finally:
        nodes.stop()
