"""What a server does not take lies in the spool, and arrives later: once, in order, with its true status."""

import contextlib
import random
import signal
import sqlite3
import time

import mlflow
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from experiments import load
from experiments.tracking.store import open_store
from experiments.tracking.tags import PARENT
from proxy import LOSE, PASS, proxied

# Servers start, and MLflow's client waits for those that are gone.
long = pytest.mark.long


def snapshot(folder):
    """All rows of the tables of a store that is served from a folder, and all its files."""
    with contextlib.closing(sqlite3.connect(folder / "mlflow.db")) as store:
        names = [name for (name,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = {name: sorted(map(repr, store.execute(f"SELECT * FROM {name}"))) for name in names}
    return rows, sorted(path.relative_to(folder) for path in (folder / "kept").rglob("*"))


def fitting(client):
    return any(run.info.status == "RUNNING" and "data.name" in run.data.params for run in client.search_runs(["1"]))


@long
def test_a_server_that_dies_in_the_middle_loses_nothing(start, command, server, environment, wait_for, tmp_path):
    environment["MLFLOW_TRACKING_URI"] = server.uri
    process = start("experiments", "model=random_forest", "data=wine", "model.estimator.numTrees=200")
    client = MlflowClient(server.uri)
    wait_for(lambda: fitting(client))
    (run,) = client.search_runs(["1"])
    server.kill()
    assert process.wait(240) == 0, process.said
    assert "has what the store did not take (Connection refused); once it does: experiments sync" in process.printed
    assert "Retrying" not in process.said
    server.start()
    done = command("experiments", "sync")
    assert done.returncode == 0, done.stderr
    assert "1 run delivered" in done.stdout
    (found,) = client.search_runs(["1"])
    assert (found.info.run_id, found.info.status) == (run.info.run_id, "FINISHED")
    assert found.info.start_time == run.info.start_time
    assert {"accuracy", "seconds_fit", "train_rows"} <= found.data.metrics.keys()
    files = {file.path for file in client.list_artifacts(found.info.run_id)}
    assert {"config.yaml", "confusion_matrix.png", "feature_importances.csv", "run.log"} <= files
    (version,) = client.search_model_versions()
    assert client.get_registered_model("wine").aliases == {"candidate": version.version}
    mlflow.set_tracking_uri(server.uri)
    loaded = mlflow.pyfunc.load_model("models:/wine@candidate")
    assert loaded.metadata.run_id == found.info.run_id
    assert len(loaded.predict(loaded.input_example)) == 5
    before = snapshot(tmp_path / "served")
    again = command("experiments", "sync")
    assert "nothing to deliver; 1 runs were delivered before" in again.stdout
    again = command("experiments", "sync", "spool")
    assert again.returncode == 0
    assert snapshot(tmp_path / "served") == before


@long
def test_a_run_that_is_told_to_end_while_the_server_is_gone_is_killed_there_too(
    start, command, server, environment, wait_for
):
    environment["MLFLOW_TRACKING_URI"] = server.uri
    process = start("experiments", "model=random_forest", "model.estimator.numTrees=400", "model.estimator.maxDepth=9")
    client = MlflowClient(server.uri)
    wait_for(lambda: fitting(client))
    server.kill()
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 128 + signal.SIGTERM
    server.start()
    assert command("experiments", "sync").returncode == 0
    (found,) = client.search_runs(["1"])
    assert (found.info.status, found.data.tags["experiments.failure"]) == ("KILLED", "interrupted")
    assert "failure.txt" in {file.path for file in client.list_artifacts(found.info.run_id)}


@pytest.mark.timeout(1800)
@pytest.mark.by_hand
@pytest.mark.parametrize("trials", [25, 100])
def test_trials_over_a_server_that_dies_now_and_then_arrive_each_once(
    trials, start, command, server, environment, wait_for, tmp_path
):
    environment["MLFLOW_TRACKING_URI"] = server.uri
    every = [round(value / 100, 2) for value in range(1, trials + 1)]
    values = ",".join(map(str, every))
    process = start("experiments", "model=ridge", "data=diabetes", f"model.estimator.regParam={values}", "-m")
    chance, deaths = random.Random(7), 0
    client = MlflowClient(server.uri)
    wait_for(lambda: client.get_experiment_by_name("diabetes") is not None)
    while process.poll() is None and deaths < 20:
        time.sleep(chance.uniform(1, 8))
        server.kill()
        deaths += 1
        time.sleep(chance.uniform(0, 6))
        server.start()
    assert process.wait(900) == 0, process.said[-3000:]
    assert deaths >= 3
    done = command("experiments", "sync")
    assert done.returncode == 0, done.stdout + done.stderr
    place = client.get_experiment_by_name("diabetes").experiment_id
    found = client.search_runs([place], max_results=1000)
    (parent,) = [run for run in found if PARENT not in run.data.tags]
    children = [run for run in found if PARENT in run.data.tags]
    assert {run.info.status for run in found} == {"FINISHED"}
    assert sorted(float(run.data.params["model.estimator.regParam"]) for run in children) == every
    assert {run.data.tags[PARENT] for run in children} == {parent.info.run_id}
    assert all({"rmse", "validation_rmse", "seconds_fit"} <= run.data.metrics.keys() for run in children)
    assert parent.data.metrics["trials_finished"] == trials
    assert len(client.search_model_versions()) == 1
    before = snapshot(tmp_path / "served")
    assert command("experiments", "sync", "spool").returncode == 0
    assert snapshot(tmp_path / "served") == before
    # Nothing is left to do for the same command either.
    again = command("experiments", "model=ridge", "data=diabetes", f"model.estimator.regParam={values}", "--dry-run")
    assert f"{trials} done already" in again.stdout


@contextlib.contextmanager
def losing_answers(uri, paths):
    """A proxy that loses the first answer to each of some paths, and those that are left."""
    left = list(paths)

    def law(method, path):
        if method != "POST" or path not in left:
            return PASS
        left.remove(path)
        return LOSE

    with proxied(uri, law) as proxy:
        yield proxy, left


@long
def test_what_is_made_is_made_once_though_the_answer_is_lost(command, server, environment):
    made = ["/api/2.0/mlflow/runs/create", "/api/2.0/mlflow/logged-models", "/api/2.0/mlflow/model-versions/create"]
    with losing_answers(server.uri, made) as (proxy, left):
        environment["MLFLOW_TRACKING_URI"] = proxy
        done = command("experiments", "model=ridge", 'registry.name="O\'Brien"')
        assert done.returncode == 0, done.stderr
        assert left == []
    client = MlflowClient(server.uri)
    (run,) = client.search_runs(["1"])
    assert run.info.status == "FINISHED"
    (model,) = client.search_logged_models(["1"])
    assert model.status == "READY"
    (version,) = client.search_model_versions()
    assert (version.name, version.source) == ("O'Brien", model.artifact_location)


@long
def test_runs_of_a_sweep_that_was_recorded_offline_keep_parents_and_models(typed, server, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = typed("model=ridge", "model.estimator.regParam=0.1,1", "-m", "tracking=offline")
    assert done.returncode == 0, done.stderr
    done = typed("sync", f"tracking.uri={server.uri}")
    assert done.returncode == 0, done.stderr
    assert "3 runs delivered" in done.stdout
    there, here = MlflowClient(server.uri), open_store(load(["tracking=offline"]))
    runs = {run.info.run_name: run for run in there.search_runs(["1"])}
    parent = next(run for run in runs.values() if PARENT not in run.data.tags)
    assert [run.data.tags.get(PARENT) for run in runs.values() if run is not parent] == [parent.info.run_id] * 2
    for run in here.search_runs(["1"]):
        same = runs[run.info.run_name]
        assert (same.info.start_time, same.info.end_time) == (run.info.start_time, run.info.end_time)
        assert (same.data.metrics, same.data.params) == (run.data.metrics, run.data.params)
    # The table of trials names them as they are called there.
    trials = pd.read_csv(there.download_artifacts(parent.info.run_id, "trials.csv"))
    assert set(trials["run_id"]) == {run.info.run_id for run in runs.values() if run is not parent}
