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
