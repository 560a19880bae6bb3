"""What all tests share: a SparkSession for each worker, a store, and which worker runs what."""

import contextlib
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from ports import Watch

# Some shells forbid bytecode: each of the processes that the tests start then compiles MLflow anew, seconds of it.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

SECRET = "hunter2"
CLUSTER = [
    "cluster.master='local[2]'",
    "cluster.conf.spark.driver.memory=2g",
    f"cluster.conf.spark.example.password={SECRET}",
]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """What needs a SparkSession stays on a worker that has one, unless a file says `ranks`, which have another.

    The worker that is done first takes what starts processes, one by one.
    """
    for item in items:
        if "spark" in item.fixturenames and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group("spark"))
        if "xgboost" in getattr(item, "callspec", SimpleNamespace(params={})).params.values():
            item.add_marker(pytest.mark.listens)  # see conf/model/xgboost.yaml


@pytest.fixture(scope="session")
def ports():
    watch = Watch()
    watch.start()
    return watch


@pytest.fixture(autouse=True)
def nothing_listens_beyond_loopback(ports, request):
    """Of whatever a test does in this process and in those that it starts."""
    yield
    found = ports.taken()
    assert not found or request.node.get_closest_marker("listens")


@pytest.fixture(scope="session")
def secret():
    """A password among the settings of `spark`."""
    return SECRET


@pytest.fixture(scope="session")
def cluster_words():
    """The words that choose the cluster of `spark`."""
    return CLUSTER


@pytest.fixture(scope="session")
def spark():
    """The one SparkSession of this process, as a command on `cluster_words` would start it."""
    from experiments import load
    from experiments.cluster.session import start_session

    session = start_session(load(CLUSTER).cluster)
    yield session
    session.stop()


@pytest.fixture(scope="session")
def new_store(tmp_path_factory):
    """A function that makes a store with its tables, which MLflow itself takes seconds to make: its URI."""
    from mlflow.tracking import MlflowClient

    empty = tmp_path_factory.mktemp("empty") / "mlflow.db"
    MlflowClient(f"sqlite:///{empty}").search_experiments()

    def make(folder):
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "mlflow.db").write_bytes(empty.read_bytes())
        return f"sqlite:///{folder / 'mlflow.db'}"

    return make


@pytest.fixture
def ranks_below():
    """A function from a process id, this process's own by default, to the training processes below it, by their ids."""

    def ranks(pid=None):
        found = []
        for child in psutil.Process(pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):  # of one that has ended meanwhile
                if "experiments.training.rank.worker" in child.cmdline():
                    found.append(child)
        return sorted(found, key=lambda child: child.pid)

    return ranks
