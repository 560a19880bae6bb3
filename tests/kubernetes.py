"""Kubernetes on loopback: its API, and a kubelet that runs the containers of executors' pods as processes."""

import contextlib
import json
import os
import subprocess
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pyspark

from hadoop import fetched, free_port

_SPARK = Path(pyspark.__file__).parent
_JARS = [
    "io/fabric8/kubernetes-server-mock/7.6.1/kubernetes-server-mock-7.6.1.jar",
    "io/fabric8/mockwebserver/7.6.1/mockwebserver-7.6.1.jar",
    "io/fabric8/zjsonpatch/7.6.1/zjsonpatch-7.6.1.jar",
    "io/vertx/vertx-web/4.5.26/vertx-web-4.5.26.jar",
    "io/vertx/vertx-bridge-common/4.5.26/vertx-bridge-common-4.5.26.jar",
]
_PODS = "/api/v1/namespaces/default/pods"
_BACKEND = "org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend"


class Kubernetes:
    """An API and a kubelet.

    Attributes:
        address: of the API.
        pods: that it was asked for, as it had them, by name.
        refuses: why no container starts (reason, message); None where they do.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self.pods = folder, {}
        self.refuses: tuple[str, str] | None = None
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        port = free_port()
        self.address = f"http://127.0.0.1:{port}"
        self._port, self._ended = port, threading.Event()
        self._api: subprocess.Popen[bytes] | None = None
        self._kubelet = threading.Thread(target=self._play, daemon=True)

    def start(self) -> None:
        jars = ":".join([*map(str, fetched(_JARS)), f"{_SPARK / 'jars'}/*"])
        source = Path(__file__).with_name("KubernetesApi.java")
        log = self._folder / "api.log"
        with log.open("wb") as file:
            self._api = subprocess.Popen(["java", "-cp", jars, str(source), str(self._port)], stdout=file, stderr=file)
        end = time.monotonic() + 120
        while "listens at" not in (told := log.read_text(errors="replace")):
            assert self._api.poll() is None, told
            assert time.monotonic() < end, told
            time.sleep(0.1)
        self._kubelet.start()

    def stop(self) -> None:
        self._ended.set()
        if self._kubelet.is_alive():
            self._kubelet.join()
        for process in filter(None, [*self._running.values(), self._api]):
            process.kill()
            process.wait(30)

    def left(self) -> list[str]:
        """Names of the pods that there are."""
        return [pod["metadata"]["name"] for pod in self._call("GET", _PODS).get("items", [])]

    def _play(self) -> None:
        while not self._ended.wait(0.5):
            asked = {pod["metadata"]["name"]: pod for pod in self._call("GET", _PODS).get("items", [])}
            for name, pod in asked.items():
                self.pods.setdefault(name, pod)
                if name not in self._running:
                    with contextlib.suppress(urllib.error.HTTPError):  # it was taken back, or changed, meanwhile
                        self._begin(name, pod)
            for name in self._running.keys() - asked.keys():
                self._running.pop(name).kill()

    def _begin(self, name: str, pod: dict) -> None:
        (container,) = pod["spec"]["containers"]
        state, phase = {"running": {}}, "Running"
        if self.refuses is not None:
            state, phase = {"waiting": dict(zip(("reason", "message"), self.refuses, strict=True))}, "Pending"
        else:
            self._running[name] = self._started(name, container)
        one = {"name": container["name"], "ready": phase == "Running", "state": state}
        pod["status"] = {"phase": phase, "podIP": "127.0.0.1", "containerStatuses": [one]}
        self._call("PUT", f"{_PODS}/{name}", pod)

    def _started(self, name: str, container: dict) -> "subprocess.Popen[bytes]":
        """What the image's entry point does."""
        local = {"SPARK_EXECUTOR_POD_IP": "127.0.0.1", "SPARK_EXECUTOR_POD_NAME": name}
        own = {each["name"]: local.get(each["name"], each.get("value", "")) for each in container["env"]}
        numbered = sorted((key for key in own if key.startswith("SPARK_JAVA_OPT_")), key=lambda key: int(key[15:]))
        told = {
            "--driver-url": own["SPARK_DRIVER_URL"], "--executor-id": own["SPARK_EXECUTOR_ID"],
            "--cores": own["SPARK_EXECUTOR_CORES"], "--app-id": own["SPARK_APPLICATION_ID"],
            "--resourceProfileId": own["SPARK_RESOURCE_PROFILE_ID"], "--hostname": "127.0.0.1", "--podName": name,
        }  # fmt: skip
        words = ["java", *(own[key] for key in numbered), f"-Xmx{own['SPARK_EXECUTOR_MEMORY']}"]
        words += ["-cp", f"{_SPARK / 'jars'}/*", _BACKEND, *(word for pair in told.items() for word in pair)]
        folder = self._folder / name
        folder.mkdir()
        here = {"SPARK_LOCAL_DIRS": str(folder), "SPARK_HOME": str(_SPARK)}
        with (folder / "log").open("wb") as log:
            return subprocess.Popen(words, env={**os.environ, **own, **here}, stdout=log, stderr=log, cwd=folder)

    def _call(self, method: str, path: str, body: dict | None = None) -> dict:
        data = None if body is None else json.dumps(body).encode()
        kind = {"Content-Type": "application/json"}
        asked = urllib.request.Request(self.address + path, data, kind, method=method)
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return json.load(answer)


@contextlib.contextmanager
def kubernetes(folder: Path):
    """A cluster of its own, gone at the end."""
    cluster = Kubernetes(folder)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
