import pytest

from experiments import load
from experiments.session import start_session

SECRET = "hunter2"
CLUSTER = [
    "cluster.master='local[2]'",
    "cluster.conf.spark.driver.memory=2g",
    f"cluster.conf.spark.example.password={SECRET}",
]


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
    """The one SparkSession of the integration tests."""
    session = start_session(load(CLUSTER).cluster)
    yield session
    session.stop()


@pytest.fixture
def words(tmp_path, cluster_words):
    """The words for a run on `spark` whose store is in `tmp_path / "runs"`."""
    return [f"tracking.folder={tmp_path / 'runs'}", *cluster_words]


@pytest.fixture
def table(tmp_path):
    """A function that writes a frame as CSV and returns the words that choose it."""

    def write(frame):
        frame.to_csv(tmp_path / "rows.csv", index=False)
        return ["data=table", f"data.path={tmp_path / 'rows.csv'}"]

    return write
