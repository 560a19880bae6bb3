"""One command, one tracked run: the ways to start it, and what a wrong one says."""

import contextlib
import re
import shutil
import socket
import sys
import time
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import psutil
import pytest
import requests
from mlflow.tracking import MlflowClient
from sklearn.datasets import load_diabetes


def test_a_csv_of_the_users_own_gives_least_squares(typed, store, runs, tmp_path):
    random = np.random.default_rng(1)
    rows = pd.DataFrame(random.normal(size=(500, 2)), columns=["floor area", "rooms"])
    rows["rent"] = 3 * rows["floor area"] - 2 * rows["rooms"] + random.normal(scale=0.1, size=500)
    rows.to_csv(tmp_path / "my rents.csv", index=False)
    # All rows for both: then numpy's answer is for the same rows.
    words = ["model=ridge", "model.estimator.regParam=0", "data.test_fraction=0", "data.name=rents"]
    done = typed(*words, "data=table", "data.path='my rents.csv'", "data.label=rent")
    assert done.returncode == 0, done.stderr
    (run,) = runs(store, "rents")
    learnt = pd.read_csv(MlflowClient(store).download_artifacts(run.info.run_id, "coefficients.csv"))
    design = np.column_stack([rows["floor area"], rows["rooms"], np.ones(500)])
    expected, *_ = np.linalg.lstsq(design, rows["rent"], rcond=None)
    assert list(learnt["feature"]) == ["floor area", "rooms", "(intercept)"]
    assert np.allclose(learnt["coefficient"], expected, atol=1e-8)


def test_a_new_estimator_and_a_new_csv_are_yaml_alone(typed, store, runs, tmp_path):
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
    done = typed("--config-dir", str(conf), "model=isotonic", "data=steps")
    assert done.returncode == 0, done.stderr
    (run,) = runs(store, "steps")
    # The steps are monotone, so isotonic regression is exact but between two training rows of different steps.
    assert run.data.metrics["train_rmse"] == pytest.approx(0, abs=1e-9)
    assert run.data.metrics["rmse"] < 0.5


@pytest.mark.long
def test_a_tracking_server_serves_metrics_artifacts_and_a_model_that_scores(
    spark, typed, shared_server, runs, monkeypatch
):
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    with_password = shared_server.replace("://", "://somebody:hunter2@")
    words = ["model=ridge", "data=diabetes", "tracking=server", f"tracking.uri={with_password}"]
    done = typed(*words)
    assert done.returncode == 0, done.stderr
    run, *_ = runs(shared_server, "diabetes")
    assert f"{shared_server}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}" in done.stdout
    assert "hunter2" not in done.stdout + done.stderr
    client = MlflowClient(shared_server)
    assert run.info.status == "FINISHED"
    assert run.info.artifact_uri.startswith("mlflow-artifacts:")
    assert {"coefficients.csv", "coefficients.png"} <= {file.path for file in client.list_artifacts(run.info.run_id)}
    version = client.get_model_version_by_alias("diabetes", "candidate")
    assert version.run_id == run.info.run_id
    mlflow.set_tracking_uri(shared_server)
    model = mlflow.spark.load_model("models:/diabetes@candidate")
    rows = spark.createDataFrame(load_diabetes(as_frame=True).frame)
    scored = model.transform(rows).select("target", "prediction").toPandas()
    rmse = ((scored["target"] - scored["prediction"]) ** 2).mean() ** 0.5
    test, train = (run.data.metrics[f"{side}rows"] for side in ("test_", "train_"))
    squares = test * run.data.metrics["mse"] + train * run.data.metrics["train_mse"]
    assert rmse == pytest.approx((squares / (test + train)) ** 0.5, rel=1e-9)


@pytest.mark.long
def test_a_run_in_a_process_without_a_main_file_goes_on_to_its_end(command, store, runs):
    """Which PySpark takes for its doctests, and ends, with 0, when the model is logged.

    Long: a whole run in a process of its own for a fault that shows nowhere else.
    """
    code = "from experiments import load; from experiments.experiment import run\n"
    code += "result = run(load(['model=ridge', 'data=diabetes'])); print('run', result.run_id)"
    done = command("python", "-c", code)
    assert done.returncode == 0, done.stderr
    (run,) = runs(store, "diabetes")
    assert f"run {run.info.run_id}" in done.stdout
    assert run.info.status == "FINISHED"


@pytest.mark.long
def test_a_script_that_sweeps_runs_once_and_its_figures_are_drawn(command, store, runs, tmp_path):
    """Long, as it is a process of its own."""
    script = tmp_path / "mine.py"
    words = ["data=diabetes", "model=ridge", "model.estimator.regParam=0.1,1"]
    script.write_text(f"print('top of script')\nimport experiments\nprint(len(experiments.sweep({words})))\n")
    done = command(sys.executable, str(script))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("top of script") == 1
    client = MlflowClient(store)
    (trial, *_) = [run for run in runs(store, "diabetes") if "experiments.sweep" not in run.data.tags]
    assert any(file.path.endswith(".png") for file in client.list_artifacts(trial.info.run_id))


@pytest.mark.long
def test_a_served_model_answers_over_http_in_the_data_s_words(typed, start, store):
    """Long, as the server starts a Spark of its own; the same server over each model is in test_models.py."""
    done = typed("model=decision_tree", "data=iris")
    assert done.returncode == 0, done.stderr
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = ("-m", "models:/iris@candidate", "--env-manager", "local", "--host", "127.0.0.1", "--port", str(port))
    server = start("mlflow", "models", "serve", *words)
    try:
        deadline = time.monotonic() + 120
        while True:
            assert server.poll() is None, server.said
            assert time.monotonic() < deadline, server.said
            with contextlib.suppress(requests.ConnectionError):
                if requests.get(f"http://127.0.0.1:{port}/ping", timeout=5).status_code == 200:
                    break
            time.sleep(0.2)
        below = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
        heard = {each.laddr.ip for one in below for each in one.net_connections() if each.status == psutil.CONN_LISTEN}
        assert heard <= {"127.0.0.1", "::ffff:127.0.0.1"}, heard  # of its Spark too
        flower = {"sepal_length_cm": 5.1, "sepal_width_cm": 3.5, "petal_length_cm": 1.4, "petal_width_cm": 0.2}
        asked = {"dataframe_records": [flower, {**flower, "petal_length_cm": 6, "petal_width_cm": 2.4}]}
        answered = requests.post(f"http://127.0.0.1:{port}/invocations", json=asked, timeout=60)
        assert answered.status_code == 200, answered.text
        first, second = answered.json()["predictions"]
        assert (first["predicted_species"], second["predicted_species"]) == ("setosa", "virginica")
        assert first["probability_setosa"] > 0.9
        refused = requests.post(
            f"http://127.0.0.1:{port}/invocations", json={"dataframe_records": [{"x": 1}]}, timeout=60
        )
        assert refused.status_code == 400
        assert "sepal_length_cm" in refused.text
    finally:
        for process in psutil.Process(server.pid).children(recursive=True):
            process.kill()


@pytest.mark.long
def test_without_any_java_the_packaged_one_is_used(command, store, runs, environment, tmp_path):
    """Long, as that Java has no archive of classes yet."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for folder in map(Path, environment["PATH"].split(":")):
        for program in folder.iterdir() if folder.is_dir() else ():
            link = programs / program.name
            if not program.name.startswith("java") and not link.is_symlink():
                link.symlink_to(program)
    environment["PATH"] = str(programs)
    environment.pop("JAVA_HOME", None)
    assert shutil.which("java", path=str(programs)) is None
    done = command(str(programs / "experiments"), "model=ridge", "data=diabetes")
    assert done.returncode == 0, done.stderr
    assert runs(store, "diabetes")[0].info.status == "FINISHED"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["model=ridgee"], "did you mean 'ridge'?"),
        (["model.estimator.regParm=1", "model.estimator.maxIter=ten"], "got 'ten'(.|\n)*did you mean 'regParam'"),
        (["data=table", "data.path=nowhere.csv", "data.label=y"], "data.path must be there, got 'nowhere.csv'"),
        (["data.parameters.nois=3"], "did you mean 'noise'"),
        (["tracking.folder=/proc"], "tracking.uri must be a store that answers(.|\n)*tracking.folder"),
        (["tracking=server", "tracking.uri=http://127.0.0.1:9"], "tracking.uri must be a store that answers"),
    ],
)
def test_a_wrong_config_ends_with_2_and_its_law(typed, monkeypatch, tmp_path, words, said):
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    done = typed(*words)
    assert done.returncode == 2
    assert re.search(said, done.stderr)
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


@pytest.mark.parametrize("words", [["model=ridgee"], ["data=table", "data.path=nowhere.csv", "data.label=y"]])
def test_a_wrong_config_ends_with_2_before_anything_starts(command, environment, tmp_path, words):
    del environment["MLFLOW_TRACKING_URI"]
    done = command("experiments", *words, timeout=30)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_an_unusable_java_ends_with_2_before_anything_starts(command, environment, tmp_path):
    environment["JAVA_HOME"] = "/nowhere"
    done = command("experiments", "model=ridge", timeout=30)
    assert done.returncode == 2
    assert "JAVA_HOME must hold Java 17 or later, got '/nowhere'" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["store"]
