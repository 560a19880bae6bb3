"""Commands as a user types them, over real stores and a real server: in processes, or in this one's Spark session."""

import contextlib
import logging
import os
import signal
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner
from mlflow.tracking import MlflowClient

from machines import machines, why_there_are_none
from serving import PROGRAMS, serving

_HEEDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def heed_interrupts():
    """A shell has its background jobs ignore Ctrl-C, and they pass that on; a command of ours must not."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def store(tmp_path, new_store):
    return new_store(tmp_path / "store")


@pytest.fixture
def environment(store):
    """The variables of a command; a test may change them."""
    return {**os.environ, "MLFLOW_TRACKING_URI": store, "PATH": f"{PROGRAMS}:{os.environ['PATH']}"}


class Command(subprocess.Popen):
    """A process whose output can be read while it runs."""

    def __init__(self, words, folder, **options):
        self._printed, self._said = folder / "printed", folder / "said"
        with self._printed.open("w") as printed, self._said.open("w") as errors:
            super().__init__(words, stdout=printed, stderr=errors, **options)

    @property
    def printed(self):
        return self._printed.read_text()

    @property
    def said(self):
        return self._said.read_text()


@pytest.fixture
def start(tmp_path, tmp_path_factory, environment):
    """A function that starts a program of this environment in a folder of its own; it ends with the test."""
    started = []

    def popen(*words):
        folder = tmp_path_factory.mktemp("command")
        started.append(Command(words, folder, cwd=tmp_path, env=environment, preexec_fn=heed_interrupts))
        return started[-1]

    yield popen
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def command(start):
    """A function that runs a program to its end."""

    def run(*words, timeout=300):
        process = start(*words)
        process.wait(timeout)
        return subprocess.CompletedProcess(words, process.returncode, process.printed, process.said)

    return run


@pytest.fixture
def typed(spark, cluster_words, store, tmp_path, monkeypatch):
    """A function that does what the program `experiments` does with words, in this process and on its session."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    return lambda *words: type_here(words, cluster_words)


def type_here(words, cluster_words):
    """Run the words by the entry point of `experiments`; what it changes in a process is put back."""
    from experiments.cli import main

    # Commands that run nothing take no cluster.
    cluster = () if words and words[0] in main.commands and words[0] != "profile" else cluster_words
    arguments, before = sys.argv, {number: signal.getsignal(number) for number in _HEEDED}
    try:
        with logging_left_alone():
            done = CliRunner().invoke(main, [*words, *cluster])
    finally:
        sys.argv = arguments
        for number, handler in before.items():
            signal.signal(number, handler)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return subprocess.CompletedProcess(words, done.exit_code, done.stdout, done.stderr)


@contextlib.contextmanager
def logging_left_alone():
    """Hydra closes all handlers that there are, and TensorFlow's closes what it writes to: here pytest's own file."""
    root, known = logging.getLogger(), logging._handlerList[:]
    handlers, level = root.handlers[:], root.level
    logging._handlerList.clear()
    try:
        yield
    finally:
        logging._handlerList[:] = known
        root.handlers[:] = handlers
        root.setLevel(level)


@pytest.fixture
def wait_for():
    """A function that waits for a condition to hold, and returns what made it so."""

    def wait(condition, seconds=180):
        end = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < end, "it did not happen"
            time.sleep(0.1)
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
def server(tmp_path, new_store):
    """A tracking server of the test's own."""
    new_store(tmp_path / "served")
    with serving(tmp_path / "served") as server:
        yield server


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory, new_store):
    """The URI of a server that the tests leave alone."""
    folder = tmp_path_factory.mktemp("served")
    new_store(folder)
    with serving(folder) as server:
        yield server.uri


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    """Machines of a file's tests."""
    if (why := why_there_are_none()) is not None:
        pytest.skip(why)
    with machines(tmp_path_factory.mktemp("machines")) as hosts:
        yield hosts
