import pytest

from experiments import load
from experiments.session import start_session


@pytest.fixture(scope="session")
def spark():
    """The one SparkSession of the integration tests."""
    session = start_session(load(["cluster.master='local[2]'", "cluster.conf.spark.driver.memory=2g"]).cluster)
    yield session
    session.stop()
