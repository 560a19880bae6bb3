"""Networks by commands: swept over workers, on executors of their own, and how they end."""

import json
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest
from mlflow.tracking import MlflowClient

PROGRAMS = Path(sys.executable).parent
FEW = ["data=breast_cancer", "model.estimator.epochs=3"]
NETWORK = """
from pathlib import Path
import keras

def built(inputs, outputs):
    with Path({mark!r}).open("a") as mark:
        mark.write("built\\n")
    return keras.Sequential([keras.Input((inputs,)), keras.layers.Dense(outputs, "sigmoid")])

def fails(inputs, outputs):
    with Path({mark!r}).open("a") as mark:
        mark.write("failing\\n")
    raise ArithmeticError("there is no such network")
"""


@pytest.fixture
def network(tmp_path, environment):
    """A module of the user's own, `my_networks`, which leaves a line in a file each time that it builds one."""
    mark = tmp_path / "mark"
    mark.touch()
    (tmp_path / "my_networks.py").write_text(NETWORK.format(mark=str(mark)))
    environment["PYTHONPATH"] = str(tmp_path)
    return mark


@pytest.mark.by_hand
def test_a_sweep_over_the_number_of_workers(typed, store, runs):
    """By hand, as a training starts a process for each rank."""
    words = ["model=keras_horovod", *FEW, "model.estimator.learningRateScaling=none", "model.estimator.numWorkers=1,2"]
    done = typed("-m", *words, "sweep.models=none")
    assert done.returncode == 0, done.stderr
    children = [run for run in runs(store, "breast_cancer") if "mlflow.parentRunId" in run.data.tags]
    assert sorted(run.data.params["model.estimator.numWorkers"] for run in children) == ["1", "2"]
    one, two = (run.data.metrics for run in children)
    assert one["epoch_loss"] == pytest.approx(two["epoch_loss"], abs=1e-5)
    assert one["accuracy"] == two["accuracy"] > 0.9


@pytest.mark.by_hand
def test_ctrl_c_ends_all_ranks(start, environment, store, wait_for, runs, ranks_below):
    """By hand, as it waits for a training of two ranks; Ctrl-C in a fit of MLlib's is in test_endings.py."""
    # By its full path: Spark's workers have this environment's packages all the same.
    environment["PATH"] = ":".join(each for each in os.environ["PATH"].split(":") if Path(each) != PROGRAMS)
    words = ["model=keras_horovod", "data=breast_cancer", "model.estimator.epochs=100000"]
    process = start(str(PROGRAMS / "experiments"), *words)
    wait_for(lambda: "fit · epoch 2 of" in process.said, 120)
    ranks = ranks_below(process.pid)
    assert len(ranks) == 2
    process.send_signal(signal.SIGINT)
    process.wait(60)
    assert process.returncode == 130, process.said
    (run,) = runs(store, "breast_cancer")
    assert run.info.status == "KILLED"
    assert run.data.metrics["epoch_loss"] > 0  # what was heard until then is kept
    assert not psutil.wait_procs(ranks, timeout=30)[1]


@pytest.mark.by_hand
def test_a_rank_that_fails_fails_the_run_in_its_own_words(command, store, runs, network):
    """On executors that are processes of their own, where Spark would try a stage that fails four times.

    By hand, as each of them starts a Java and a Python; on one machine the tests of `integration` show the same.
    """
    folder = network.parent
    (folder / "shared").mkdir()
    done = command(
        *(
            "experiments",
            "-m",
            "cluster.master='local-cluster[2,1,1024]'",
            f"cluster.shared_folder={folder / 'shared'}",
        ),
        *(f"cluster.conf.spark.pyspark.python={sys.executable}", "allowed_packages=[my_networks]"),
        *("model=keras_horovod", *FEW, "model.estimator.layers=[]", "sweep.n_jobs=1", "sweep.judged_by=test"),
        "model.estimator.network=my_networks:built,my_networks:fails",
    )
    assert done.returncode == 1
    assert "there is no such network" in done.stderr
    assert "model.estimator must be able to fit the training rows" in done.stderr
    assert network.read_text().split() == ["built"] * 2 + ["failing"] * 2
    found = {run.data.params["model.estimator.network"]: run for run in runs(store, "breast_cancer")}
    assert found["my_networks:built"].info.status == "FINISHED"
    failed = found["my_networks:fails"]
    assert failed.info.status == "FAILED"
    trace = Path(MlflowClient(store).download_artifacts(failed.info.run_id, "failure.txt")).read_text()
    assert 'my_networks.py", line' in trace


@pytest.mark.by_hand
@pytest.mark.timeout(1200)
def test_trainings_beside_other_trials_neither_starve_nor_wait_for_each_other(command, store, runs, tmp_path):
    """Trainings of two ranks on three slots, which Spark starts with all their tasks or not at all, beside MLlib's.

    By hand, as three executors start.
    """
    network = "model=keras_regressor model.estimator.engine=tensorflow model.estimator.numWorkers=2"
    cases = [f"{network} model.estimator.epochs=3,4", "model=ridge model.estimator.regParam=0.1,1,10"]
    (tmp_path / "shared").mkdir()
    done = command(
        *("experiments", "-m", "data=diabetes", f"sweep.cases={json.dumps(cases)}", "sweep.n_jobs=5"),
        *("cluster=local_cluster", "cluster.master='local-cluster[3,1,1024]'"),
        *(f"cluster.shared_folder={tmp_path / 'shared'}", f"cluster.conf.spark.pyspark.python={sys.executable}"),
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    assert [run.info.status for run in runs(store, "diabetes")] == ["FINISHED"] * 6


def test_dynamic_allocation_is_refused_before_spark_starts(command):
    done = command("experiments", "model=keras_horovod", *FEW, "cluster.conf.spark.dynamicAllocation.enabled=true")
    assert done.returncode == 2
    assert "cluster.conf.spark.dynamicAllocation.enabled must be false where networks are trained" in done.stderr


def test_a_horovod_that_was_built_without_tensorflow_is_said(command, environment, tmp_path):
    (tmp_path / "built" / "horovod" / "tensorflow").mkdir(parents=True)
    (tmp_path / "built" / "horovod" / "__init__.py").touch()
    environment["PYTHONPATH"] = str(tmp_path / "built")
    done = command("experiments", "validate", "model=keras_horovod")
    assert done.returncode == 2
    assert "model.estimator.engine must have a Horovod that was built with TensorFlow" in done.stderr
    assert "HOROVOD_WITH_TENSORFLOW=1 pip install" in done.stderr
