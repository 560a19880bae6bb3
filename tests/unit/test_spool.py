"""What a store does not take goes into the spool, and from there to the store: once."""

import contextlib
import os
import shutil
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric
from mlflow.exceptions import MlflowException

from experiments import ConfigError, ExperimentError, load
from experiments.tracking.copies import copied, copied_model, local_folder
from experiments.tracking.lifecycle import Parent, tracked_run
from experiments.tracking.owner import PROCESS_TAG, process_tag
from experiments.tracking.run import TrackedRun
from experiments.tracking.spool import Spool, is_undelivered
from experiments.tracking.store import open_folder, open_store
from experiments.tracking.sweeps import close_gone
from experiments.tracking.sync import sync
from experiments.tracking.tags import FAILURE_TAG, PARENT


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
        ("…: Max retries exceeded with url: /x (Caused by ResponseError('too many 503 error responses'))",
         "the server answers with 503"),
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


def test_a_run_that_had_ended_is_ended_there_too_when_something_is_added_to_it(config, tmp_path):
    """As to the best of a sweep, whose model is logged at the sweep's end."""
    with tracked_run(config, "a sweep") as sweep:
        with tracked_run(config, "its best", Parent(sweep.run_id)) as best:
            best.log_params({"of": "the best"})
        ended = best.client.get_run(best.run_id).info.end_time
        mend = broken(tmp_path / "store")
        best.log_metrics({"late": 1.0})
        assert best.is_spooled
    mend()
    sync(config, tmp_path / "spool", is_spool=True)
    found = open_store(config).get_run(best.run_id)
    assert (found.info.status, found.info.end_time) == ("FINISHED", ended)
    assert found.data.metrics["late"] == 1.0


def test_trials_wait_for_the_end_of_their_sweep_as_it_adds_to_them(config, tmp_path):
    with tracked_run(config, "a sweep") as sweep:
        mend = broken(tmp_path / "store")
        with tracked_run(config, "a trial", Parent(sweep.run_id)) as trial:
            pass
        assert trial.is_spooled
        mend()
        made = sync(config, tmp_path / "spool", is_spool=True)
        assert (made.runs, made.running, made.failed) == (0, 1, {})
        trial.log_metrics({"late": 1.0})
    made = sync(config, tmp_path / "spool", is_spool=True)
    assert (made.runs, made.running) == (1, 0)
    (found,) = open_store(config).search_runs([sweep.experiment_id], "attributes.run_name = 'a trial'")
    assert found.data.metrics["late"] == 1.0
    assert found.data.tags[PARENT] == sweep.run_id


def test_a_run_that_another_command_has_taken_again_is_left_as_that_made_it(config, tmp_path):
    with tracked_run(config, "a run") as run:
        mend = broken(tmp_path / "store")
        run.log_step(1, {"loss": 0.5})
    mend()
    client = open_store(config)
    client.set_tag(run.run_id, PROCESS_TAG, "another command's")
    client.set_terminated(run.run_id, "FINISHED", 1000)
    said = []
    sync(config, tmp_path / "spool", is_spool=True, say=said.append)
    found = client.get_run(run.run_id)
    assert (found.data.metrics, found.info.end_time) == ({}, 1000)
    assert "taken the run again" in said[0]


def with_model(run, folder, words="the model"):
    """A model of a run, whole, with a file."""
    made = run.client.create_logged_model(run.experiment_id, "m", source_run_id=run.recorded_id)
    (folder / "part.txt").write_text(words)
    run.client.log_model_artifacts(made.model_id, str(folder))
    run.take_model(made.model_id, run.client)
    run.record(lambda client, _: client.finalize_logged_model(made.model_id, "READY"))
    return made.model_id


def test_what_a_run_had_logged_and_registered_before_it_failed_in_the_spool_is_taken_back(config, tmp_path):
    (tmp_path / "files").mkdir()

    def go():
        with tracked_run(config, "a run") as run:
            model = with_model(run, tmp_path / "files")
            run.client.create_registered_model("houses")
            run.client.create_model_version("houses", run.client.get_logged_model(model).artifact_location, run.run_id)
            mends.extend((broken(tmp_path / "store"), run))
            run.log_step(1, {"loss": 0.5})
            raise ExperimentError("the end")

    mends = []
    with pytest.raises(ExperimentError, match="the end"):
        go()
    mend, run = mends
    mend()
    client = open_store(config)
    assert len(client.search_model_versions("name='houses'")) == 1
    sync(config, tmp_path / "spool", is_spool=True)
    assert client.get_run(run.run_id).info.status == "FAILED"
    assert not client.search_model_versions("name='houses'")
    assert not client.search_logged_models([run.experiment_id])


def test_a_run_keeps_the_model_that_was_whole_before_its_store_was_gone(config, tmp_path):
    (tmp_path / "files").mkdir()
    with tracked_run(config, "a run") as run:
        model = with_model(run, tmp_path / "files")
        mend = broken(tmp_path / "store")
        run.log_step(1, {"loss": 0.5})
    mend()
    sync(config, tmp_path / "spool", is_spool=True)
    assert [each.model_id for each in open_store(config).get_run(run.run_id).outputs.model_outputs] == [model]


@pytest.fixture
def elsewhere(config, tmp_path):
    """Config of another store for a folder that was made on another machine: with a sweep that names its trial, whose
    model lies in it."""
    (tmp_path / "files").mkdir()
    with tracked_run(config, "a sweep") as sweep:
        with tracked_run(config, "a trial", Parent(sweep.run_id)) as trial:
            model = with_model(trial, tmp_path / "files")
        sweep.describe(f"[the best](#/models/{model})")
        sweep.log_text(f"{trial.run_id}\r\n", "trials.csv")
    (tmp_path / "store").rename(tmp_path / "brought")
    return load([f"tracking.folder={tmp_path / 'target'}"]), trial, model


def test_a_folder_that_was_copied_from_elsewhere_arrives_with_its_files(elsewhere, tmp_path, new_store):
    other, _, model = elsewhere
    new_store(tmp_path / "target")
    made = sync(other, tmp_path / "brought", is_spool=False)
    assert (made.runs, made.failed) == (2, {})
    client = open_store(other)
    found = {run.info.run_name: run for run in client.search_runs([client.search_experiments()[0].experiment_id])}
    sweep, child = found["a sweep"].info.run_id, found["a trial"].info.run_id
    assert {"config.yaml", "run.log", "trials.csv"} <= {file.path for file in client.list_artifacts(sweep)}
    text = Path(client.download_artifacts(sweep, "trials.csv")).read_bytes()
    assert text == f"{child}\r\n".encode()  # by its id there, line ends as they were
    (there,) = client.search_logged_models([found["a trial"].info.experiment_id])
    assert there.model_id != model
    assert found["a sweep"].data.tags["mlflow.note.content"] == f"[the best](#/models/{there.model_id})"
    assert (local_folder(there.artifact_location, tmp_path) / "part.txt").read_text() == "the model"


def test_a_model_whose_files_are_lost_is_said_and_its_run_tried_again(elsewhere, tmp_path, new_store):
    other, trial, model = elsewhere
    new_store(tmp_path / "target")
    (lost,) = (tmp_path / "brought").rglob(model)
    shutil.move(lost, tmp_path / "kept")
    made = sync(other, tmp_path / "brought", is_spool=False)
    assert (made.runs, list(made.failed)) == (1, [trial.run_id])
    assert "files are not there" in made.failed[trial.run_id]
    shutil.move(tmp_path / "kept", lost)
    made = sync(other, tmp_path / "brought", is_spool=False)
    assert (made.runs, made.before, made.failed) == (1, 1, {})


def test_files_that_are_not_of_this_machine_are_said(tmp_path):
    with pytest.raises(ExperimentError, match="its files are at s3://bucket/1/a/artifacts"):
        local_folder("s3://bucket/1/a/artifacts", tmp_path)
    assert local_folder(str(tmp_path), tmp_path / "mlartifacts") == tmp_path
    assert local_folder("file:///old/mlartifacts/1/a", tmp_path / "mlartifacts") == tmp_path / "mlartifacts/1/a"


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


HERE, THERE = "0" * 31 + "a", "f" * 32


class There:
    model_id, source_run_id, artifact_location = "m-there", "run-there", "mlflow-artifacts:/1/models/m-there"


def test_copies_are_called_as_there_and_what_they_are_made_from_stays(tmp_path):
    (tmp_path / "trials.csv").write_text(f"run_id\n{HERE}\n")
    (tmp_path / "figure.png").write_bytes(b"\x89PNG here")
    (tmp_path / "MLmodel").write_text(f"model_id: m-here\nrun_id: {HERE}\nflavors: {{spark: {{}}}}\n")
    with copied(tmp_path, {HERE: THERE}) as copy:
        assert (copy / "trials.csv").read_text() == f"run_id\n{THERE}\n"
        assert (copy / "figure.png").read_bytes() == b"\x89PNG here"
    with copied_model(tmp_path, There()) as copy:
        said = yaml.safe_load((copy / "MLmodel").read_text())
    assert (said["model_id"], said["run_id"], said["flavors"]) == ("m-there", "run-there", {"spark": {}})
    assert (tmp_path / "trials.csv").read_text() == f"run_id\n{HERE}\n"
    with copied(tmp_path / "nothing", {}) as copy:
        assert copy is None


def test_a_reason_that_no_store_takes_keeps_no_run_open(config):
    with pytest.raises(ValueError, match="no such file") as error, tracked_run(config, "a run"):
        raise ValueError("no such file: K\udcf6ln\0.csv")
    run = open_store(config).get_run(error.value.run_id)
    assert (run.info.status, run.data.tags[FAILURE_TAG]) == ("FAILED", "no such file: K?ln.csv")


def test_a_run_that_ends_while_it_is_closed_keeps_its_reason(config, monkeypatch):
    """Its process is killed after the reason, and before the status."""

    def killed(*_):
        raise OSError("gone")

    with monkeypatch.context() as patched:
        patched.setattr(TrackedRun, "finish", killed)
        with pytest.raises(ExperimentError, match="could not be closed"), tracked_run(config, "a run") as run:
            raise ExperimentError("the disk is full")
    client = open_store(config)
    assert client.get_run(run.run_id).info.status == "RUNNING"
    machine = process_tag()[PROCESS_TAG].split()[0]
    client.set_tag(run.run_id, PROCESS_TAG, f"{machine} {os.getpid()} 5.00")
    assert close_gone(client) == [run.run_id]
    closed = client.get_run(run.run_id)
    assert (closed.info.status, closed.data.tags[FAILURE_TAG]) == ("FAILED", "the disk is full")
