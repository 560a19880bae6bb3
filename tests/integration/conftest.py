import pytest


@pytest.fixture
def words(tmp_path, cluster_words, new_store):
    """The words for a run on `spark` whose store is in `tmp_path / "runs"`."""
    new_store(tmp_path / "runs")
    return [f"tracking.folder={tmp_path / 'runs'}", *cluster_words]


@pytest.fixture(scope="module")
def store(tmp_path_factory, new_store):
    """A store for all tests of a file."""
    return new_store(tmp_path_factory.mktemp("store"))


@pytest.fixture
def table(tmp_path):
    """A function that writes a frame as CSV and returns the words that choose it."""

    def write(frame):
        frame.to_csv(tmp_path / "rows.csv", index=False)
        return ["data=table", f"data.path={tmp_path / 'rows.csv'}"]

    return write
