"""A cluster of three machines, one of which is cut off from the others: no run hangs, and none is lost in silence."""

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


@pytest.fixture(scope="module")
def cluster(hosts, tmp_path_factory):
    with standalone(tmp_path_factory.mktemp("standalone"), hosts, WORKERS, SECONDS_TO_BE_LOST) as cluster:
        yield cluster


@pytest.fixture
def at_desk(hosts, cluster, start):
    """A function that starts words at the desk; in the end all machines are there again."""
    where = ["cluster=standalone", f"cluster.master={cluster.address}", "cluster.memory=700m", "cluster.cores=1"]
    where += [f"cluster.shared_folder={SHARED}/models", "cluster.seconds_to_start=180"]
    yield lambda *words: start(*hosts.on(DESK), "experiments", *words, *where)
    for name in WORKERS:
        hosts.join(name)


def work_of(hosts, name):
    """Command lines of what runs on a machine."""
    pids = subprocess.run(hosts.pids(name), capture_output=True, text=True, check=True).stdout.split()
    found = [Path("/proc", pid, "cmdline") for pid in pids]
    return [file.read_text().replace("\0", " ") for file in found if file.exists()]


def has_executor(hosts, name):
    return any("CoarseGrainedExecutorBackend" in line for line in work_of(hosts, name))


def has_rank(hosts, name):
    return any("experiments.training.rank.worker" in line for line in work_of(hosts, name))


def test_a_fit_goes_on_without_the_machine_that_is_cut_off(hosts, at_desk, store, wait_for):
    process = at_desk(*FOREST, "model.estimator.numTrees=200")
    wait_for(lambda: ": load " in process.said, 900)
    assert has_executor(hosts, "two")
    hosts.cut("two")
    assert process.wait(900) == 0, process.said
    (run,) = MlflowClient(store).search_runs(["1"])
    assert run.info.status == "FINISHED"


def test_a_sweep_goes_on_without_the_machine_that_is_cut_off(hosts, at_desk, store, wait_for):
    process = at_desk("-m", *FOREST, "model.estimator.numTrees=40,60,80,100", "sweep.n_jobs=2")
    wait_for(lambda: "FINISHED (1 done" in process.said, 900)
    hosts.cut("two")
    assert process.wait(900) == 0, process.said
    assert [run.info.status for run in MlflowClient(store).search_runs(["1"])] == ["FINISHED"] * 5


def test_a_training_begins_again_on_machines_that_are_left(hosts, at_desk, store, wait_for, tmp_path):
    two = ["cluster.executors=2", "model.estimator.numWorkers=2"]
    process = at_desk(*RANKS, *two, "model.estimator.epochs=200")
    wait_for(lambda: "fit · epoch 2 of" in process.said, 900)
    lost, *_ = [name for name in WORKERS if has_rank(hosts, name)]
    hosts.cut(lost)
    assert process.wait(900) == 0, process.said
    assert f" on {lost} was lost" in process.printed
    assert "the training starts again (1 of 3)" in process.printed
    client = MlflowClient(store)
    (run,) = client.search_runs(["1"])
    assert run.info.status == "FINISHED"
    ranks = pd.read_csv(client.download_artifacts(run.info.run_id, "ranks.csv", str(tmp_path)))
    assert sorted(ranks["host"]) == sorted(hosts.address(name) for name in WORKERS if name != lost)
