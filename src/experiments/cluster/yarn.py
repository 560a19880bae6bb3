"""Where YARN is, and what it says of an application until that runs: Spark itself waits without a word or an end."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from experiments.config.schema import ClusterConfig
from experiments.errors import ExperimentError

if TYPE_CHECKING:
    from pyspark import SparkConf

SITE = "yarn-site.xml"
FOLDERS = ("HADOOP_CONF_DIR", "YARN_CONF_DIR")
_MANAGER = "yarn.resourcemanager"
_TAGS = "spark.yarn.tags"
_SECONDS_BETWEEN, _SECONDS_TO_END = 0.5, 5


def site() -> Path | None:
    """The file with YARN's settings; None where the environment names no folder that has it."""
    files = [Path(os.environ[name]) / SITE for name in FOLDERS if os.environ.get(name)]
    return next((file for file in files if file.is_file()), None)


def managers(file: Path) -> list[str]:
    """Addresses of the resource managers; none where the file says them in a way that only Hadoop understands."""
    try:
        found = ElementTree.parse(file).iter("property")
        settings = {each.findtext("name", "").strip(): each.findtext("value", "").strip() for each in found}
    except ElementTree.ParseError:
        return []
    names = [name.strip() for name in settings.get(f"{_MANAGER}.ha.rm-ids", "").split(",") if name.strip()]
    addresses = []
    for ending in [f".{name}" for name in names] or [""]:
        host = settings.get(f"{_MANAGER}.hostname{ending}", "")
        addresses.append(settings.get(f"{_MANAGER}.address{ending}") or (f"{host}:8032" if host else ""))
    return addresses if all(address and "$" not in address for address in addresses) else []


@contextlib.contextmanager
def watched(gateway: Any, conf: SparkConf, cluster: ClusterConfig, tell: Callable[[str], None]) -> Iterator[None]:
    """Within it Spark starts on YARN: what YARN says of the application is told, and its waiting has an end.

    Args:
        gateway: to the JVM in which Spark will be.
        conf: gets a tag by which the application is found.
        tell: is told in which state it is, as a line says it.

    Raises:
        ExperimentError: YARN gave it no container for its master within `cluster.seconds_to_start`.
    """
    tag = f"experiments-{uuid.uuid4().hex}"
    conf.set(_TAGS, ",".join(filter(None, [conf.get(_TAGS, ""), tag])))
    application = _Application(gateway, tag, cluster.seconds_to_start, tell)
    application.start()
    try:
        yield
    except Exception as error:
        if application.is_ended:
            raise ExperimentError(
                f"cluster.seconds_to_start must be enough for YARN to begin, got {cluster.seconds_to_start:g} and an "
                f"application that was {application.said}; ask for less (cluster.memory, "
                "cluster.conf.spark.yarn.am.memory), choose another queue (cluster.conf.spark.yarn.queue), or wait "
                "longer"
            ) from error
        raise
    finally:
        application.has_begun.set()
        application.join(_SECONDS_TO_END)  # it may wait for an answer of YARN's
        tell("")


class _Application(threading.Thread):
    """Asks YARN for the application with a tag until it has begun.

    Attributes:
        has_begun: nobody needs to ask any more.
        said: what YARN said of it last.
        is_ended: it waited too long and was killed.
    """

    def __init__(self, gateway: Any, tag: str, seconds: float, tell: Callable[[str], None]) -> None:
        super().__init__(name="yarn-watch", daemon=True)
        self._gateway, self._tag, self._seconds, self._tell = gateway, tag, seconds, tell
        self.has_begun = threading.Event()
        self.said, self.is_ended = "", False

    def run(self) -> None:
        manager: Any = None
        end = None
        while not self.has_begun.wait(_SECONDS_BETWEEN):
            # Asking is a courtesy: what is wrong with YARN itself, Spark says.
            with contextlib.suppress(Exception):
                manager = manager or self._manager()
                report = self._report(manager)
                if report is None:
                    continue  # Spark still packs what it sends
                end = end or time.monotonic() + self._seconds
                self._listen(report)
                if time.monotonic() > end and not self.has_begun.is_set():
                    self.is_ended = True
                    manager.killApplication(report.getApplicationId())
                    break
        with contextlib.suppress(Exception):
            manager.stop()

    def _manager(self) -> Any:
        hadoop = self._gateway.jvm.org.apache.hadoop.yarn
        manager = hadoop.client.api.YarnClient.createYarnClient()
        manager.init(hadoop.conf.YarnConfiguration())
        manager.start()
        return manager

    def _report(self, manager: Any) -> Any:
        jvm = self._gateway.jvm
        asked = jvm.org.apache.hadoop.yarn.api.protocolrecords.GetApplicationsRequest.newInstance()
        tags = jvm.java.util.HashSet()
        tags.add(self._tag)
        asked.setApplicationTags(tags)
        found = manager.getApplications(asked)
        return found[0] if len(found) else None

    def _listen(self, report: Any) -> None:
        state, queue = report.getYarnApplicationState().toString(), report.getQueue()
        if state == "RUNNING":
            self.has_begun.set()
            return
        why = " ".join(str(report.getDiagnostics() or "").split())
        self.said = f"{state} in the queue {queue}" + (f" ({why})" if why else "")
        self._tell(f" · {state} in YARN's queue {queue}")
