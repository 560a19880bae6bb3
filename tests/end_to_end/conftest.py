"""Commands as a user runs them: whole processes, real stores, a real server."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

PROGRAMS = Path(sys.executable).parent


def heed_interrupts():
    """A shell has its background jobs ignore Ctrl-C, and they pass that on; a command of ours must not."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory):
    """A store with its tables, which MLflow takes seconds to make."""
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def store(tmp_path, empty_store):
    folder = tmp_path / "store"
    folder.mkdir()
    return f"sqlite:///{shutil.copy(empty_store, folder)}"


@pytest.fixture
def environment(store):
    """The variables of a command; a test may change them."""
    return {**os.environ, "MLFLOW_TRACKING_URI": store, "PATH": f"{PROGRAMS}:{os.environ['PATH']}"}


@pytest.fixture
def start(tmp_path, environment):
    """A function that starts a program of this environment in a folder of its own; it ends with the test."""
    started = []

    def popen(*words):
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            words, cwd=tmp_path, env=environment, stdout=pipe, stderr=pipe, text=True, preexec_fn=heed_interrupts
        )
        started.append(process)
        return process

    yield popen
    for process in started:
        process.kill()


@pytest.fixture
def command(start):
    """A function that runs a program to its end."""

    def run(*words, timeout=300):
        process = start(*words)
        printed, errors = process.communicate(timeout=timeout)
        return subprocess.CompletedProcess(words, process.returncode, printed, errors)

    return run


@pytest.fixture
def wait_for():
    """A function that waits for a condition to hold, and returns what made it so."""

    def wait(condition, seconds=60):
        end = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < end, "it did not happen"
            time.sleep(0.2)
        return found

    return wait


@pytest.fixture
def runs():
    """A function that lists an experiment's runs, the newest first."""

    def search(uri, experiment):
        client = MlflowClient(uri)
        return client.search_runs([client.get_experiment_by_name(experiment).experiment_id])

    return search


@pytest.fixture
def server(tmp_path, empty_store):
    """A function that starts `mlflow server` on loopback over its own sqlite and artifacts: its URI, its process."""
    started = []
    shutil.copy(empty_store, tmp_path / "server.db")

    def serve():
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        words = [
            *(str(PROGRAMS / "mlflow"), "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
            *("--backend-store-uri", f"sqlite:///{tmp_path / 'server.db'}"),
            *("--artifacts-destination", str(tmp_path / "served")),
        ]
        quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        with open(tmp_path / "server.log", "w") as log:
            process = subprocess.Popen(
                words, env={**os.environ, **quiet}, stdout=log, stderr=log, start_new_session=True
            )
        started.append(process)
        uri = f"http://127.0.0.1:{port}"
        for _ in range(240):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{uri}/health", timeout=1).close()
                return uri, process
            time.sleep(0.25)
        raise AssertionError((tmp_path / "server.log").read_text())

    yield serve
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        process.wait()
