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


def test_an_interrupted_run_is_killed_and_its_java_ends(start, store, wait_for):
    """At all other phases, and by other signals: test_faults.py."""
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
    wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in java), seconds=30)


@pytest.mark.long
def test_without_a_spool_a_server_that_goes_away_fails_the_run_in_words(start, server, environment, wait_for):
    """Long, as MLflow's client waits for it."""
    uri, serving = server()
    environment["MLFLOW_TRACKING_URI"] = uri
    process = start("experiments", "model=random_forest", "model.estimator.numTrees=150", "tracking.spool=null")
    wait_for(lambda: fitting(MlflowClient(uri)))
    os.killpg(serving.pid, signal.SIGKILL)
    gone = time.monotonic()
    process.wait(180)
    assert time.monotonic() - gone < 120
    assert process.returncode == 1
    assert "could not be closed in the store, where it may still look as if it ran" in process.said
