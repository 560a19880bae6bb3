"""A cluster of three machines, one of which is cut off or killed: no run hangs, and none is lost in silence."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from machines import DESK, SHARED
from standalone import standalone

# Machines and a cluster start, and one that says nothing is waited for.
pytestmark = [pytest.mark.long, pytest.mark.by_hand, pytest.mark.timeout(1800)]
WORKERS = ("one", "two", "three")
# An administrator of a small cluster would say so too: a master takes a silent worker for lost after a minute.
SECONDS_TO_BE_LOST = 20
FOREST = ["model=random_forest", "data=wine", "registry=none", "cluster.executors=3"]
NETWORK = ["model=keras_regressor", "model.estimator.engine=tensorflow", "data=diabetes"]
RANKS = [*NETWORK, "registry=none", f"cluster.python={sys.executable}"]

SCORE = """
import experiments
from experiments.data.bundled import bundled
rows = bundled("wine")
print((experiments.load_model("models:/{model}").predict(rows)["prediction"] == rows["cultivar"]).mean())
"""


@pytest.fixture(scope="module")
def cluster(hosts, tmp_path_factory):
    with standalone(tmp_path_factory.mktemp("standalone"), hosts, WORKERS, SECONDS_TO_BE_LOST) as cluster:
        yield cluster


@pytest.fixture
def at_desk(hosts, cluster, start, tmp_path):
    """A function that starts words at the desk."""
    where = ["cluster=standalone", f"cluster.master={cluster.address}", "cluster.memory=700m", "cluster.cores=1"]
    where += [f"cluster.shared_folder={SHARED}/models", "cluster.seconds_to_start=180"]
    where += [f"cluster.conf.spark.eventLog.{name}" for name in ("enabled=true", f"dir={tmp_path}", "compress=false")]
    return lambda *words: start(*hosts.on(DESK), "experiments", *words, *where)


@pytest.fixture
def has_lost(tmp_path):
    """A function that says whether Spark noticed that an executor was gone."""
    return lambda: any("SparkListenerExecutorRemoved" in log.read_text() for log in tmp_path.glob("eventlog*/events*"))


@pytest.fixture
def lose(hosts, cluster, request):
    """A function that takes a machine away, as the test says: cut off, or killed; in the end it is there again."""
    lost = []

    def take(name):
        lost.append(name)
        hosts.cut(name) if request.param == "cut" else _kill(hosts, name)

    yield take
    for name in lost:
        hosts.join(name)
        if request.param == "kill":
            cluster.add_worker(1, "1g", name)


def _kill(hosts, name):
    """All that runs on a machine, as if its power were gone."""
    for pid in map(int, subprocess.run(hosts.pids(name), capture_output=True, text=True, check=True).stdout.split()):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


ways = pytest.mark.parametrize("lose", ["cut", "kill"], indirect=True)


def work_of(hosts, name):
    """Command lines of what runs on a machine."""
    pids = subprocess.run(hosts.pids(name), capture_output=True, text=True, check=True).stdout.split()
    found = [Path("/proc", pid, "cmdline") for pid in pids]
    return [file.read_text().replace("\0", " ") for file in found if file.exists()]


def has_executor(hosts, name):
    return any("CoarseGrainedExecutorBackend" in line for line in work_of(hosts, name))


def has_rank(hosts, name):
    return any("experiments.training.rank.worker" in line for line in work_of(hosts, name))


@pytest.mark.parametrize("lose", ["cut"], indirect=True)  # test_clusters.py kills one
def test_a_fit_goes_on_without_the_machine_that_is_lost(hosts, at_desk, lose, has_lost, store, wait_for):
    process = at_desk(*FOREST, "model.estimator.numTrees=200", "data.partitions=6")
    wait_for(lambda: ": load " in process.said, 900)
    assert has_executor(hosts, "two")
    lose("two")
    assert process.wait(900) == 0, process.said
    assert has_lost()
    (run,) = MlflowClient(store).search_runs(["1"])
    assert run.info.status == "FINISHED"


@ways
def test_a_sweep_goes_on_without_the_machine_that_is_lost(hosts, at_desk, lose, has_lost, store, wait_for):
    words = ["model.estimator.numTrees=40,60,80,100", "sweep.n_jobs=2", "data.partitions=6"]
    process = at_desk("-m", *FOREST, *words)
    wait_for(lambda: "FINISHED (1 done" in process.said, 900)
    assert has_executor(hosts, "two")
    lose("two")
    assert process.wait(900) == 0, process.said
    assert has_lost()
    assert [run.info.status for run in MlflowClient(store).search_runs(["1"])] == ["FINISHED"] * 5


@pytest.mark.parametrize("lose", ["kill"], indirect=True)
def test_a_model_is_saved_whole_where_a_machine_is_killed_meanwhile(
    hosts, at_desk, lose, has_lost, store, wait_for, command
):
    """Executors write its parts: what the lost one had begun is written by another."""
    trees = ["model.estimator.numTrees=400", "model.estimator.maxDepth=12"]
    process = at_desk(*FOREST, *trees, "data.partitions=6")
    wait_for(lambda: [*hosts.shared.glob("models/**/_temporary/0/*")], 900)
    lost, *_ = [name for name in WORKERS if has_executor(hosts, name)]
    lose(lost)
    assert process.wait(900) == 0, process.said
    assert has_lost()
    client = MlflowClient(store)
    (run,) = client.search_runs(["1"])
    assert run.info.status == "FINISHED"
    (model,) = run.outputs.model_outputs
    assert client.get_logged_model(model.model_id).status == "READY"
    scored = command("python", "-c", SCORE.format(model=model.model_id))
    assert float(scored.stdout) == pytest.approx(run.data.metrics["train_accuracy"], abs=0.05), scored.stderr
    assert [*hosts.shared.glob("models/*")] == []


@ways
def test_a_training_begins_again_on_machines_that_are_left(hosts, at_desk, lose, store, wait_for, tmp_path):
    two = ["cluster.executors=2", "model.estimator.numWorkers=2"]
    process = at_desk(*RANKS, *two, "model.estimator.epochs=200")
    wait_for(lambda: "fit · epoch 2 of" in process.said, 900)
    lost, *_ = [name for name in WORKERS if has_rank(hosts, name)]
    lose(lost)
    assert process.wait(900) == 0, process.said
    assert f" on {lost} was lost" in process.printed
    assert "the training starts again (1 of 3)" in process.printed
    client = MlflowClient(store)
    (run,) = client.search_runs(["1"])
    assert run.info.status == "FINISHED"
    ranks = pd.read_csv(client.download_artifacts(run.info.run_id, "ranks.csv", str(tmp_path)))
    assert sorted(ranks["host"]) == sorted(hosts.address(name) for name in WORKERS if name != lost)
