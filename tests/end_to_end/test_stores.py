"""A sqlite store that several first commands find empty, and one that was left half made."""

import sqlite3
import sys

import pytest

from experiments import ConfigError, load
from experiments.tracking.store import open_store

OPEN = """
import sys
from experiments import load
from experiments.tracking.store import open_store
client = open_store(load(["tracking.folder=" + sys.argv[1]]))
client.create_experiment(sys.argv[2])
print("made", sys.argv[2])
"""


@pytest.mark.long
def test_four_first_commands_at_once_share_one_whole_store(start, tmp_path):
    """Without a lock each of them fails, and every later one."""
    folder = tmp_path / "new"
    folder.mkdir()
    started = [start(sys.executable, "-c", OPEN, str(folder), f"of process {number}") for number in range(4)]
    for process in started:
        assert process.wait(120) == 0, process.said
    client = open_store(load([f"tracking.folder={folder}"]))
    names = {experiment.name for experiment in client.search_experiments()}
    assert names == {"Default", *(f"of process {number}" for number in range(4))}
    assert [path.name for path in folder.iterdir()] == ["mlflow.db"]


def test_a_store_that_was_left_half_made_is_said(tmp_path):
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        database.execute("CREATE TABLE experiments (experiment_id INTEGER)")
    with pytest.raises(
        ConfigError, match=r"must be a whole store, got '.*mlflow.db', whose tables were left half made"
    ):
        open_store(load([f"tracking.folder={tmp_path}"]))


def test_an_empty_file_becomes_a_store(tmp_path):
    (tmp_path / "mlflow.db").touch()  # as sqlite leaves it when it is only asked
    assert open_store(load([f"tracking.folder={tmp_path}"])).search_experiments()
