"""The commands that README shows, run as a user runs them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

PROJECT = Path(__file__).parents[2]
PROGRAMS = Path(sys.executable).parent


@pytest.fixture
def store(tmp_path):
    return f"sqlite:///{tmp_path / 'mlflow.db'}"


def command(*words, cwd, store):
    """A finished process of a program of this environment."""
    environment = {**os.environ, "MLFLOW_TRACKING_URI": store, "PATH": f"{PROGRAMS}:{os.environ['PATH']}"}
    return subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300)


def runs(store, experiment):
    client = MlflowClient(store)
    return client.search_runs([client.get_experiment_by_name(experiment).experiment_id])


def test_mlflow_run_uses_the_run_it_opened(tmp_path, store):
    words = ["mlflow", "run", str(PROJECT), "--env-manager", "local", "--experiment-name", "mine"]
    words += ["-P", "model=ridge", "-P", "data=diabetes", "-P", "model.estimator.regParam=0.5"]
    done = command(*words, cwd=tmp_path, store=store)
    assert done.returncode == 0, done.stderr
    (run,) = runs(store, "mine")
    assert run.info.status == "FINISHED"
    assert run.data.params["model.estimator.regParam"] == "0.5"
    assert run.data.metrics["rmse"] > 0


def test_a_sweep_is_one_run_for_each_job_in_one_process(tmp_path, store):
    words = ["experiments", "data=diabetes", "model.estimator.regParam=0.1,1", "-m"]
    done = command(*words, cwd=tmp_path, store=store)
    assert done.returncode == 0, done.stderr
    assert sorted(run.info.run_name for run in runs(store, "diabetes")) == ["ridge regParam=0.1", "ridge regParam=1"]


def test_a_new_estimator_and_a_new_csv_are_yaml_alone(tmp_path, store):
    conf = tmp_path / "conf"
    for group in ("model", "data"):
        (conf / group).mkdir(parents=True)
    (conf / "model" / "isotonic.yaml").write_text(
        "# Isotonic regression.\n"
        "task: regression\n"
        "stages: {features: {class: pyspark.ml.feature.VectorAssembler}}\n"
        "estimator: {class: pyspark.ml.regression.IsotonicRegression}\n"
    )
    (tmp_path / "steps.csv").write_text("x,y\n" + "".join(f"{i},{i // 10}\n" for i in range(200)))
    (conf / "data" / "steps.yaml").write_text(
        f"# Steps.\ndefaults: [table_schema]\nname: steps\npath: {tmp_path / 'steps.csv'}\nlabel: y\n"
    )
    done = command("experiments", "--config-dir", str(conf), "model=isotonic", "data=steps", cwd=tmp_path, store=store)
    assert done.returncode == 0, done.stderr
    (run,) = runs(store, "steps")
    # The steps are monotone, so isotonic regression is exact but between two training rows of different steps.
    assert run.data.metrics["train_rmse"] == pytest.approx(0, abs=1e-9)
    assert run.data.metrics["rmse"] < 0.5


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["model=ridgee"], "did you mean 'ridge'?"),
        (["model.estimator.regParm=1", "model.estimator.maxIter=ten"], "got 'ten'(.|\n)*did you mean 'regParam'"),
        (["data=table", "data.path=nowhere.csv", "data.label=y"], "data.path must be there, got 'nowhere.csv'"),
    ],
)
def test_a_wrong_config_ends_with_2_before_anything_starts(tmp_path, store, words, said):
    done = command("experiments", *words, cwd=tmp_path, store=store)
    assert done.returncode == 2
    assert re.search(said, done.stderr)
    assert not (tmp_path / "mlflow.db").exists()
