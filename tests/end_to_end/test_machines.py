"""A cluster whose machines have disks, names and addresses of their own, and commands typed at another one."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from machines import DESK, SHARED
from standalone import standalone

# Processes of a cluster start and are waited for.
pytestmark = pytest.mark.long
SCORE = """
import experiments, pandas
rows = pandas.DataFrame({{"size": [100.0], "age": [10.0], "distance": [1000.0]}})
print(experiments.load_model("models:/{model}").predict(rows)["prediction"][0])
"""
PYTHON = f"cluster.python={sys.executable}"


@pytest.fixture(scope="module")
def cluster(hosts, tmp_path_factory):
    with standalone(tmp_path_factory.mktemp("standalone"), hosts) as cluster:
        yield cluster


@pytest.fixture
def at_desk(hosts, cluster, command):
    """A function that types words at the desk for a run on the cluster."""
    where = ["cluster=standalone", f"cluster.master={cluster.address}", "cluster.memory=700m"]
    return lambda *words, program=("experiments",): command(*hosts.on(DESK), *program, *where, *words)


def test_a_model_comes_back_from_the_machines_and_scores_new_rows(at_desk, command, store):
    done = at_desk("model=ridge", f"cluster.shared_folder={SHARED}/models")
    assert done.returncode == 0, done.stderr
    client = MlflowClient(store)
    (run,) = client.search_runs(["1"])
    assert run.data.metrics["rmse"] == pytest.approx(100, rel=0.06)
    (model,) = run.outputs.model_outputs
    code = (
        "import experiments, pandas; rows = pandas.DataFrame({'size': [100.0], 'age': [10.0], 'distance': [1000.0]})\n"
    )
    code += f"print(experiments.load_model('models:/{model.model_id}').predict(rows)['prediction'][0])"
    scored = command("python", "-c", code)
    assert float(scored.stdout) == pytest.approx(3000 + 50 * 100 - 20 * 10 - 0.5 * 1000, rel=0.02), scored.stderr


@pytest.mark.parametrize("engine", ["tensorflow", pytest.param("horovod", marks=pytest.mark.by_hand)])
def test_two_ranks_train_on_two_machines(at_desk, store, tmp_path, engine):
    network = ["model=keras_regressor", f"model.estimator.engine={engine}", "model.estimator.numWorkers=2"]
    two = ["cluster.executors=2", "cluster.cores=1", PYTHON, f"cluster.shared_folder={SHARED}/models"]
    done = at_desk(*network, *two, "model.estimator.epochs=3", "data=diabetes", "registry=none")
    assert done.returncode == 0, done.stderr
    client = MlflowClient(store)
    (run,) = client.search_runs(["1"])
    ranks = pd.read_csv(client.download_artifacts(run.info.run_id, "ranks.csv", str(tmp_path)))
    assert sorted(host.rpartition(".")[2] for host in ranks["host"]) == ["11", "12"]
    assert ranks["rows"].min() > 0


def test_a_folder_that_is_not_shared_and_a_file_that_is_not_there_are_named(at_desk, tmp_path, store):
    done = at_desk("model=ridge", "cluster.shared_folder=/tmp/mine", "registry=none")
    assert done.returncode == 1
    assert (
        "must be a folder that the driver and all executors see, got '/tmp/mine': where nothing arrived" in done.stderr
    )
    done = at_desk("model=ridge", "cluster.shared_folder=/tmp/mine", program=["experiments", "doctor"])
    assert done.returncode == 1
    assert "where nothing arrived" in done.stdout
    here = Path(tmp_path, "houses.csv")
    random = np.random.default_rng(1)
    pd.DataFrame({"x": random.normal(size=50), "y": random.normal(size=50)}).to_csv(here, index=False)
    words = ["data=table", f"data.path={here}", "data.label=y", f"cluster.shared_folder={SHARED}/models"]
    done = at_desk("model=ridge", *words, "registry=none")
    assert done.returncode == 1
    assert f"{here} does not exist" in done.stderr
    assert {run.info.status for run in MlflowClient(store).search_runs(["1", "2"])} == {"FAILED"}
