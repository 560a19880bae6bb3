"""A tracking server whose store is PostgreSQL, as a team has it: sweeps over it, and a database that goes away."""

import random
import time

import pytest
from mlflow.tracking import MlflowClient

from experiments.tracking.tags import PARENT
from postgres import postgres, why_there_is_none
from serving import serving

# MLflow makes its tables there one change after the other.
pytestmark = pytest.mark.long
WORDS = ["-m", "model=ridge,lasso", "data=diabetes", "model.estimator.regParam=0.1,1,3", "sweep.n_jobs=3"]


@pytest.fixture(scope="module")
def database():
    if (why := why_there_is_none()) is not None:
        pytest.skip(why)
    with postgres() as database:
        yield database


@pytest.fixture(scope="module")
def shared(database, tmp_path_factory):
    """The one server of these tests, which begin with no run in their experiments."""
    with serving(tmp_path_factory.mktemp("served"), database.uri) as server:
        yield server


@pytest.fixture
def client(shared, environment):
    environment["MLFLOW_TRACKING_URI"] = shared.uri
    return MlflowClient(shared.uri)


def parted(found):
    """The sweep among runs, and its trials."""
    (parent,) = [run for run in found if PARENT not in run.data.tags]
    return parent, [run for run in found if PARENT in run.data.tags]


def test_trials_side_by_side_are_recorded_once_and_the_best_is_found(command, client, shared, runs):
    done = command("experiments", *WORDS)
    assert done.returncode == 0, done.stderr
    assert "spool" not in done.stdout
    parent, children = parted(runs(shared.uri, "diabetes"))
    assert [run.info.status for run in (parent, *children)] == ["FINISHED"] * 7
    assert {run.data.tags[PARENT] for run in children} == {parent.info.run_id}
    best = min(children, key=lambda run: run.data.metrics["validation_rmse"])
    assert parent.data.metrics["rmse"] == best.data.metrics["rmse"]
    assert parent.data.metrics["trials_finished"] == 6
    assert client.get_model_version_by_alias("diabetes", "candidate").run_id == best.info.run_id
    again = command("experiments", *WORDS)
    assert again.returncode == 0, again.stderr
    same, others = parted(runs(shared.uri, "diabetes"))
    assert same.info.run_id == parent.info.run_id
    assert {run.info.run_id: run.info.end_time for run in others} == {
        run.info.run_id: run.info.end_time for run in children
    }
    assert len(client.search_model_versions("name = 'diabetes'")) == 1


@pytest.mark.by_hand
def test_a_database_that_goes_away_in_the_middle_loses_nothing(
    start, command, client, shared, database, runs, wait_for
):
    """By hand, as MLflow's client repeats what the server answers with 503."""
    process = start("experiments", "model=random_forest", "data=wine", "model.estimator.numTrees=200")
    wait_for(lambda: ": load " in process.said)
    (run,) = runs(shared.uri, "wine")
    database.stop()
    try:
        assert process.wait(240) == 0, process.said
    finally:
        database.start()
    assert "has what the store did not take (the server answers with 503); once it does" in process.printed
    assert "experiments sync" in process.printed
    done = command("experiments", "sync")
    assert done.returncode == 0, done.stderr
    assert "1 run delivered" in done.stdout
    (found,) = runs(shared.uri, "wine")
    assert (found.info.run_id, found.info.status) == (run.info.run_id, "FINISHED")
    assert {"accuracy", "seconds_fit", "train_rows"} <= found.data.metrics.keys()
    files = {file.path for file in client.list_artifacts(found.info.run_id)}
    assert {"config.yaml", "confusion_matrix.png", "feature_importances.csv", "run.log"} <= files
    assert client.get_model_version_by_alias("wine", "candidate").run_id == found.info.run_id


@pytest.mark.by_hand
@pytest.mark.timeout(1800)
def test_trials_over_a_database_that_goes_away_now_and_then_arrive_each_once(
    start, command, client, shared, database, runs, wait_for, tmp_path
):
    """By hand, as each request that is not answered is repeated, while trials wait for it."""
    every = [round(value / 100, 2) for value in range(1, 21)]  # which outlast two of its absences
    values = f"model.estimator.regParam={','.join(map(str, every))}"
    process = start("experiments", "-m", "model=ridge", "data=houses", values, "data.rows=500")
    wait_for(lambda: "FINISHED (1 done" in process.said, 400)
    # MLflow's client outlasts a second; what is asked for in 20 goes into the spool.
    chance, times = random.Random(7), 0
    while process.poll() is None and times < 4:
        time.sleep(chance.uniform(1, 8))
        database.stop()
        time.sleep(1 if times % 2 else 20)
        database.start()
        times += 1
    assert process.wait(900) == 0, process.said[-3000:]
    assert times >= 2, process.said[-3000:]
    assert (tmp_path / "spool" / "mlflow.db").exists()
    done = command("experiments", "sync")
    assert done.returncode == 0, done.stdout + done.stderr
    parent, children = parted(runs(shared.uri, "houses"))
    assert {run.info.status for run in (parent, *children)} == {"FINISHED"}
    assert sorted(float(run.data.params["model.estimator.regParam"]) for run in children) == every
    assert {run.data.tags[PARENT] for run in children} == {parent.info.run_id}
    assert all({"rmse", "validation_rmse", "seconds_fit"} <= run.data.metrics.keys() for run in children)
    assert parent.data.metrics["trials_finished"] == len(every)
    assert len(client.search_model_versions("name = 'houses'")) == 1
