"""What a store does not take goes into the spool, and from there to the store: once."""

import contextlib
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric
from mlflow.exceptions import MlflowException

from experiments import ConfigError, ExperimentError, load
from experiments.tracking.copies import copied, copied_model
from experiments.tracking.lifecycle import Parent, tracked_run
from experiments.tracking.spool import Spool, is_undelivered
from experiments.tracking.store import open_folder, open_store
from experiments.tracking.sync import sync
from experiments.tracking.tags import PARENT


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ConnectionResetError(104, "Connection reset by peer"), True),
        (OSError(28, "No space left on device"), True),
        (MlflowException("API request failed with exception …"), True),
        (MlflowException("who are you", error_code=7), True),
        (MlflowException("no such metric", error_code=1000), False),
        (ExperimentError("the model's parts did not arrive"), False),
        (ValueError("a mistake of ours"), False),
        (KeyboardInterrupt(), False),
    ],
)
def test_what_another_store_would_take_is_told_from_our_mistakes(error, expected):
    assert is_undelivered(error) is expected


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("HTTPConnectionPool(…): Max retries exceeded (Caused by X(\"…: [Errno 111] Connection refused\"))",
         "Connection refused"),
        ("API request to http://x failed: (Read timed out. (read timeout=30))", "Read timed out"),
        ("API request to endpoint failed with error code 403 != 200", "the server knows this user and refuses"),
    ],
)  # fmt: skip
def test_the_reason_is_the_systems_own_word(tmp_path, said, reason):
    spool = Spool(tmp_path, "http://x", [])
    assert not spool.rests
    spool.blame(MlflowException(said))
    assert reason in spool.reason
    assert spool.rests


@pytest.fixture
def config(tmp_path, new_store, monkeypatch):
    """Of a store, with a spool beside it whose tables are made."""
    monkeypatch.chdir(tmp_path)
    new_store(tmp_path / "store")
    new_store(tmp_path / "spool")
    return load([f"tracking.folder={tmp_path / 'store'}"])


def broken(folder):
    """A store that takes no params, no metrics and no run any more; what it had is put back by what is returned."""
    file = folder / "mlflow.db"
    whole = file.read_bytes()
    with sqlite3.connect(file) as database:
        database.execute("ALTER TABLE metrics RENAME TO lost")
        database.execute("ALTER TABLE runs RENAME TO gone")
    return lambda: file.write_bytes(whole)


def test_a_run_goes_on_in_the_spool_and_arrives_under_its_id(config, tmp_path):
    with tracked_run(config, "a run") as run:
        run.log_params({"first": "1"})
        mend = broken(tmp_path / "store")
        run.log_step(1, {"loss": 0.5})
        run.log_step(2, {"loss": 0.25})
        run.log_text("as it went", "story.txt")
        assert run.is_spooled
        with tracked_run(config, "a child", Parent(run.run_id)) as child:
            child.log_params({"of": "the child"})
        assert child.is_spooled
    mend()
    client = open_store(config)
    assert client.get_run(run.run_id).info.status == "RUNNING"
    made = sync(config, tmp_path / "spool", is_spool=True)
    assert (made.runs, made.before, made.failed) == (2, 0, {})
    for _ in range(2):
        found = {each.info.run_name: each for each in client.search_runs([run.experiment_id])}
        assert len(found) == 2
        parent, young = found["a run"], found["a child"]
        assert (parent.info.run_id, parent.info.status) == (run.run_id, "FINISHED")
        assert [each.value for each in client.get_metric_history(run.run_id, "loss")] == [0.5, 0.25]
        assert {"config.yaml", "story.txt", "run.log"} <= {file.path for file in client.list_artifacts(run.run_id)}
        assert (young.info.status, young.data.tags[PARENT]) == ("FINISHED", run.run_id)
        assert young.data.params["of"] == "the child"
        assert not [key for key in young.data.tags if key in ("experiments.store", "experiments.delivered")]
        again = sync(config, tmp_path / "spool", is_spool=True)
        assert (again.runs, again.before) == (0, 2)


def test_a_model_that_was_made_while_its_run_moved_has_one_that_stands_for_it(config, tmp_path):
    with tracked_run(config, "a run") as run:
        before = run.client
        made = before.create_logged_model(run.experiment_id, "m", source_run_id=run.run_id)
        mend = broken(tmp_path / "store")
        run.log_step(1, {"loss": 0.5})
        run.take_model(made.model_id, before)  # whose answer came after the move
        assert run.logged_model != made.model_id
        run.log_metrics({"rmse": 2.0})
    mend()
    sync(config, tmp_path / "spool", is_spool=True)
    client = open_store(config)
    (model,) = client.search_logged_models([run.experiment_id])
    assert model.model_id == made.model_id
    assert [(each.key, each.value) for each in model.metrics] == [("rmse", 2.0)]


def test_runs_that_write_the_same_data_set_at_the_same_instant_all_have_it(config):
    """MLflow's own store refuses one or the other of them."""
    with contextlib.ExitStack() as stack, ThreadPoolExecutor(8) as pool:
        runs = [stack.enter_context(tracked_run(config, f"run {number}")) for number in range(8)]
        together = threading.Barrier(8)

        def write(run, digest):
            sets = [DatasetInput(Dataset("rows", digest, "spark", "{}"), [InputTag("mlflow.data.context", "train")])]
            together.wait(30)
            run.record(lambda client, run_id: client.log_inputs(run_id, sets))

        for number in range(5):
            list(pool.map(write, runs, [f"digest{number}"] * 8))
        found = [run.client.get_run(run.run_id).inputs.dataset_inputs for run in runs]
        assert [len(inputs) for inputs in found] == [5] * 8
        assert not any(run.is_spooled for run in runs)


def test_where_the_spool_cannot_be_used_either_both_are_said(config, tmp_path):
    (tmp_path / "file").write_text("no folder")
    config.tracking.spool = str(tmp_path / "file")
    _, _, error = broken_off(config, tmp_path / "store")
    notes = [note for cause in (error, error.__cause__) for note in getattr(cause, "__notes__", ())]
    assert any("cannot be used either" in note for note in notes)


def broken_off(config, folder):
    """A run whose store breaks before its data are asked for: what mends it, the run, the error."""
    runs = []

    def go():
        with tracked_run(config, "a run") as run:
            runs.extend((broken(folder), run))
            run.log_step(1, {"loss": 0.5})
            raise ExperimentError("the data are not there")

    with pytest.raises(Exception, match=r"the data are not there|no such table") as caught:
        go()
    return *runs, caught.value


def test_a_run_that_fails_while_its_store_is_gone_has_failed_there_too(config, tmp_path):
    mend, run, error = broken_off(config, tmp_path / "store")
    assert any("experiments sync" in note for note in error.__notes__)
    mend()
    sync(config, tmp_path / "spool", is_spool=True)
    found = open_store(config).get_run(run.run_id)
    assert (found.info.status, found.data.tags["experiments.failure"]) == ("FAILED", "the data are not there")


def test_without_a_spool_nothing_is_spooled(config, tmp_path):
    off = load([f"tracking.folder={tmp_path / 'store'}", "tracking.spool=null"])
    _, _, error = broken_off(off, tmp_path / "store")
    assert "could not be closed in the store" in str(error)
    assert not open_folder(tmp_path / "spool").search_experiments(filter_string="name = 'houses'")


def test_a_mistake_of_ours_is_no_fault_of_the_store(config):
    with pytest.raises(MlflowException), tracked_run(config, "a run") as run:
        run.record(lambda client, run_id: client.log_batch(run_id, metrics=[Metric("", 1.0, 0, 0)]))
    assert not run.is_spooled


def test_runs_for_another_store_are_left_unless_the_folder_is_named(config, tmp_path, new_store):
    with tracked_run(config, "a run") as run:
        broken(tmp_path / "store")
        with tracked_run(config, "a child", Parent(run.run_id)):
            pass
    new_store(tmp_path / "other")
    other = load([f"tracking.folder={tmp_path / 'other'}"])
    made = sync(other, tmp_path / "spool", is_spool=True)
    assert made.runs == 0
    assert made.said() == [f"2 for sqlite:///{tmp_path}/store/mlflow.db, where they are delivered to"]
    made = sync(other, tmp_path / "spool", is_spool=False)
    assert made.runs == 1
    assert [reason for reason in made.failed.values() if run.run_id in reason]  # which is in no other store


def test_a_store_that_is_not_there_or_the_same_is_said(config, tmp_path):
    with pytest.raises(ConfigError, match="sync must be given the folder of a store"):
        sync(config, tmp_path / "nowhere", is_spool=False)
    with pytest.raises(ConfigError, match="tracking must be another store"):
        sync(config, tmp_path / "store", is_spool=False)


class There:
    model_id, source_run_id, artifact_location = "m-there", "run-there", "mlflow-artifacts:/1/models/m-there"


def test_copies_are_called_as_there_and_what_they_are_made_from_stays(tmp_path):
    (tmp_path / "trials.csv").write_text("run_id\nhere\n")
    (tmp_path / "figure.png").write_bytes(b"\x89PNG here")
    (tmp_path / "MLmodel").write_text("model_id: m-here\nrun_id: here\nflavors: {spark: {}}\n")
    with copied(tmp_path, {"here": "there"}) as copy:
        assert (copy / "trials.csv").read_text() == "run_id\nthere\n"
        assert (copy / "figure.png").read_bytes() == b"\x89PNG here"
    with copied_model(tmp_path, There()) as copy:
        said = yaml.safe_load((copy / "MLmodel").read_text())
    assert (said["model_id"], said["run_id"], said["flavors"]) == ("m-there", "run-there", {"spark": {}})
    assert (tmp_path / "trials.csv").read_text() == "run_id\nhere\n"
    with copied(tmp_path / "nothing", {}) as copy:
        assert copy is None
