"""However a run ends, its status in the store is true."""

import os
import signal
import time

import pytest
from mlflow.tracking import MlflowClient

# Minutes of work, so that it is surely at it when the test strikes.
LONG = ["model=random_forest", "data.rows=400000", "model.estimator.numTrees=200"]


def fitting(client):
    """The run, once Spark has started and its settings are recorded."""
    experiment = client.get_experiment_by_name("purchases")
    found = client.search_runs([experiment.experiment_id]) if experiment else []
    recorded = client.list_artifacts(found[0].info.run_id) if found else []
    return found[0] if any(file.path == "spark.yaml" for file in recorded) else None


def java_of(process):
    """Process ids of the Java below a process."""
    with os.popen(f"pgrep -P {process.pid} java") as listed:
        return [int(line) for line in listed]


@pytest.mark.long
def test_an_interrupted_run_is_killed_and_its_java_ends(start, store, wait_for):
    process = start("experiments", *LONG)
    client = MlflowClient(store)
    run = wait_for(lambda: fitting(client))
    wait_for(lambda: ": load " in process.said)  # so that it fits now
    java = java_of(process)
    assert java
    process.send_signal(signal.SIGINT)
    process.wait(30)
    assert process.returncode == 130
    closed = client.get_run(run.info.run_id)
    assert closed.info.status == "KILLED"
    assert closed.data.tags["experiments.failure"] == "interrupted"
    assert process.said.endswith("interrupted\n")
    assert "Traceback" not in process.said
    wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in java), seconds=30)


@pytest.mark.long
def test_a_run_is_killed_where_its_java_is_told_too(start, store, wait_for):
    """Long, as it must start. So schedulers and terminals that close tell all processes of a command."""
    process = start("experiments", *LONG)
    run = wait_for(lambda: fitting(MlflowClient(store)))
    wait_for(lambda: ": load " in process.said)
    for java in java_of(process):
        os.kill(java, signal.SIGTERM)
    process.send_signal(signal.SIGTERM)
    process.wait(30)
    assert process.returncode == 143
    assert MlflowClient(store).get_run(run.info.run_id).info.status == "KILLED"
    assert process.said.endswith("interrupted\n")
    assert "Traceback" not in process.said


NOTEBOOK = """
import signal, experiments
try:
    experiments.run({words})
except KeyboardInterrupt:
    print("stopped", flush=True)
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
done = experiments.run(["model=ridge", "data=diabetes", "registry=none"])
print("FINISHED", str(done.metrics["r2"])[:3], flush=True)
"""
NETWORK = ["data=digits", "model.estimator.epochs=100000"]
RANKS = ["model=keras_horovod", *NETWORK, "model.estimator.numWorkers=2"]


@pytest.mark.parametrize(
    "engine",
    [pytest.param("horovod", marks=pytest.mark.long), pytest.param("tensorflow", marks=pytest.mark.by_hand)],
)
def test_a_run_is_killed_in_seconds_while_its_ranks_train(start, store, wait_for, engine):
    """Long, as they must start. What other phases make of other signals: tests/faults.py."""
    process = start("experiments", *RANKS, f"model.estimator.engine={engine}", "registry=none")
    wait_for(lambda: "epoch 2 of" in process.said, 400)
    told = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.wait(60)
    assert time.monotonic() - told < 10  # 5 on an idle machine
    assert process.returncode == 143
    assert process.said.endswith("interrupted\n")
    assert "Traceback" not in process.said
    (run,) = MlflowClient(store).search_runs(["1"])
    assert run.info.status == "KILLED"


@pytest.mark.by_hand
def test_ctrl_c_ends_a_run_that_python_has_called_and_the_session_goes_on(start, store, wait_for):
    """By hand, as rows are to be judged for a while. Of a notebook the process stays."""
    words = ["model=logistic_regression", "data.rows=2000000", "model.estimator.maxIter=2", "registry=none"]
    process = start("python", "-c", NOTEBOOK.format(words=words))
    wait_for(lambda: ": fit " in process.said, 400)
    told = time.monotonic()
    process.send_signal(signal.SIGINT)
    wait_for(lambda: "stopped" in process.printed)
    assert time.monotonic() - told < 15
    assert process.wait(200) == 0, process.said
    assert "FINISHED" in process.printed
    assert {run.info.status for run in MlflowClient(store).search_runs(["1"])} == {"KILLED"}


@pytest.mark.by_hand
def test_without_a_spool_a_server_that_goes_away_fails_the_run_in_words(start, server, environment, wait_for):
    """By hand, as MLflow's client waits for it."""
    environment["MLFLOW_TRACKING_URI"] = server.uri
    process = start("experiments", "model=random_forest", "model.estimator.numTrees=150", "tracking.spool=null")
    wait_for(lambda: fitting(MlflowClient(server.uri)))
    server.kill()
    gone = time.monotonic()
    process.wait(180)
    assert time.monotonic() - gone < 120
    assert process.returncode == 1
    assert "could not be closed in the store, where it may still look as if it ran" in process.said
