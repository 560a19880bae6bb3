"""The shipped networks as experiments: on each kind of data, tuned, logged, and loaded where they were not made."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from experiments import load
from experiments.data.loading import load_data
from experiments.experiment import run

pytestmark = pytest.mark.xdist_group("ranks")
REGRESSION = ["model.task=regression", "model.estimator.class=experiments.stages.keras.KerasRegressor"]
# What each data set takes to be learnt, and how near two trainings of it come.
DATA = {
    "purchases": (["model.estimator.epochs=2", "data.rows=4000"], 0.02),
    "breast_cancer": (["model.estimator.epochs=10"], 0.03),
    "digits": (["model.estimator.epochs=10"], 0.03),
    "diabetes": ([*REGRESSION, "model.estimator.epochs=30", "model.estimator.learningRate=0.01"], 6.0),
}


@pytest.fixture(scope="module")
def composed(store, cluster_words):
    def get(model, data):
        return load([f"model={model}", f"data={data}", *DATA[data][0], f"tracking.uri={store}", *cluster_words])

    return get


@pytest.fixture(scope="module")
def finished(spark, composed):
    """A function that runs a model on a data set, once for all tests."""
    known = {}

    def get(model, data):
        if (model, data) not in known:
            known[model, data] = run(composed(model, data))
        return known[model, data]

    return get


def standardised(side, features, label, mean=None, deviation=None):
    values = np.stack([np.ravel(row) for row in side[features].to_numpy()]).astype(float)
    mean = values.mean(axis=0) if mean is None else mean
    deviation = values.std(axis=0, ddof=1) if deviation is None else deviation
    return ((values - mean) / np.where(deviation > 0, deviation, 1)), side[label].to_numpy(float), mean, deviation


@pytest.fixture(scope="module")
def plain(spark, composed):
    """A function: what Keras's own `fit` reaches on the rows of a data set, with the document's layers."""
    known = {}

    def reached(data):
        config = composed("keras_local", data)
        with load_data(spark, config.data, config.model.task, config.seed) as rows:
            train, test = rows.train.toPandas(), rows.test.toPandas()
            features, labels, *scale = standardised(train, rows.features, rows.label)
            unseen, truths, *_ = standardised(test, rows.features, rows.label, *scale)
        outputs = 1 if data == "diabetes" else int(labels.max()) + 1
        last = {"diabetes": None}.get(data, "softmax")
        keras.utils.set_random_seed(42)
        model = keras.Sequential([
            keras.Input((features.shape[1],)), keras.layers.Dense(128, "relu"), keras.layers.Dense(64, "relu"),
            keras.layers.Dense(outputs, last),
        ])  # fmt: skip
        estimator = config.model.estimator
        loss = "mean_squared_error" if data == "diabetes" else "sparse_categorical_crossentropy"
        model.compile(keras.optimizers.Adam(estimator.get("learningRate", 0.001)), loss)
        model.fit(features, labels, epochs=estimator["epochs"], batch_size=32, verbose=0)
        found = model.predict(unseen, verbose=0)
        if data == "diabetes":
            return float(np.sqrt(np.mean((found[:, 0] - truths) ** 2)))
        return float((found.argmax(axis=1) == truths).mean())

    def get(data):
        if data not in known:
            known[data] = reached(data)
        return known[data]

    return get


@pytest.mark.parametrize(
    ("model", "data"),
    [
        # Each task, by one engine each; that engines agree is told by test_training.py.
        ("keras_horovod", "breast_cancer"),
        pytest.param("keras_tensorflow", "diabetes", marks=pytest.mark.long),
        *(
            pytest.param(model, data, marks=pytest.mark.by_hand)
            for model, data in (
                ("keras_local", "digits"),
                ("keras_tensorflow", "purchases"),
                ("keras_horovod", "digits"),
                ("keras_horovod", "diabetes"),
            )
        ),
    ],
)
def test_it_is_as_good_as_plain_keras(finished, plain, model, data):
    """By hand where another fit shows the same on other rows."""
    metrics = finished(model, data).metrics
    assert metrics["rmse" if data == "diabetes" else "accuracy"] == pytest.approx(plain(data), abs=DATA[data][1])


@pytest.mark.long
def test_a_run_shows_its_epochs_layers_and_ranks(finished, store):
    result, client = finished("keras_horovod", "digits"), MlflowClient(store)
    steps = client.get_metric_history(result.run_id, "epoch_loss")
    assert [each.step for each in steps] == list(range(1, 11))
    assert len({each.timestamp for each in steps}) > 5  # as they came, not all at the end
    assert steps[-1].value < 0.3 * steps[0].value
    rates = [each.value for each in client.get_metric_history(result.run_id, "epoch_learning_rate")]
    assert rates[1:] == pytest.approx([0.002] * 9)
    folder = mlflow.artifacts.download_artifacts(run_id=result.run_id, tracking_uri=store)
    names = {path.name for path in Path(folder).iterdir()}
    assert {"training_history.png", "ranks.csv", "rank_0.log", "rank_1.log", "layers.csv"} <= names
    ranks = pd.read_csv(f"{folder}/ranks.csv")
    assert ranks["rows"].max() - ranks["rows"].min() <= 1
    assert ranks["rows"].sum() == result.rows["train_rows"]
    assert "rank 1 of 2 is done" in Path(f"{folder}/rank_1.log").read_text()
    layers = pd.read_csv(f"{folder}/layers.csv")
    assert layers["weights"].tolist() == [64 * 128 + 128, 128 * 64 + 64, 64 * 10 + 10]
    assert "fit · epoch 3 of 10 · loss" in Path(f"{folder}/run.log").read_text()


@pytest.mark.by_hand
def test_tuning_finds_a_learning_rate(spark, words):
    """By hand, as each candidate of each fold is a training of its own."""
    grid = ["tuning=cross_validation", "tuning.folds=2", "tuning.grid.model.estimator.learningRate=[1e-7,0.01]"]
    model = ["model=keras_local", "data=breast_cancer", "model.estimator.epochs=3", *grid]
    result = run(load([*model, *words]))
    folder = mlflow.artifacts.download_artifacts(run_id=result.run_id, tracking_uri=words_uri(words))
    candidates = pd.read_csv(f"{folder}/tuning.csv")
    assert candidates.loc[candidates["best"]].filter(like="learningRate").to_numpy().tolist() == [[0.01]]
    assert result.metrics["accuracy"] > 0.9
    # What candidates go through is not the run's.
    assert len(MlflowClient(words_uri(words)).get_metric_history(result.run_id, "epoch_loss")) == 3


def words_uri(words):
    folder = next(word.partition("=")[2] for word in words if word.startswith("tracking.folder="))
    return f"sqlite:///{folder}/mlflow.db"


@pytest.mark.long
def test_it_is_loaded_where_neither_this_package_nor_horovod_is(spark, finished, store, tmp_path):
    """In a process whose Python has the packages, but not ours: it comes with the model, for Spark's workers too.

    Long, as Spark and TensorFlow start there once more.
    """
    (tmp_path / "horovod").mkdir()
    (tmp_path / "horovod" / "__init__.py").write_text("raise ImportError('no Horovod here')\n")
    result = finished("keras_horovod", "breast_cancer")
    mlflow.set_tracking_uri(store)
    rows = mlflow.spark.load_model(result.model_uri)
    config = load(["data=breast_cancer"])
    with load_data(spark, config.data, config.model.task, config.seed) as data:
        some = data.test.toPandas()[:20].drop(columns=data.label)
    expected = rows.transform(spark.createDataFrame(some).coalesce(1)).toPandas()["probability"]
    some.to_pickle(tmp_path / "rows.pickle")
    code = f"""
import json, sys
import mlflow, pandas as pd
from pyspark.sql import SparkSession
assert not [path for path in sys.path if path.endswith("src")], sys.path
spark = SparkSession.builder.master("local[1]").config("spark.driver.memory", "1g").getOrCreate()
mlflow.set_tracking_uri({store!r})
model = mlflow.spark.load_model({result.model_uri!r})
rows = spark.createDataFrame(pd.read_pickle({str(tmp_path / "rows.pickle")!r})).coalesce(1)
print(json.dumps([row.probability.toArray().tolist() for row in model.transform(rows).select("probability").collect()]))
"""
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    # As a variable, so that the file in it that points at this checkout is not read.
    python = tmp_path / "python"
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{packages}", "PYSPARK_PYTHON": str(python)}
    words = [sys.executable, "-S", "-c", code]
    python.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    python.chmod(0o755)
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=200, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert np.allclose(found, [row.toArray() for row in expected], atol=1e-7)


@pytest.mark.parametrize(
    ("model", "data"),
    [
        # What another test has fitted already.
        pytest.param("keras_tensorflow", "diabetes", marks=pytest.mark.long),
        pytest.param("keras_local", "digits", marks=pytest.mark.by_hand),
        pytest.param("keras_regressor", "diabetes", marks=pytest.mark.by_hand),
        ("keras_horovod", "breast_cancer"),
    ],
)
def test_pyfunc_and_http_answer_as_the_pipeline_in_the_data_s_words(
    spark, finished, composed, store, over_http, model, data
):
    """Long where the engine is one of Keras's alone, as others show the same."""
    result, config = finished(model, data), composed(model, data)
    mlflow.set_tracking_uri(store)
    with load_data(spark, config.data, config.model.task, config.seed) as rows:
        frame = rows.test.toPandas().sample(20, random_state=1)
        features, label = rows.features, rows.label
    loaded = mlflow.pyfunc.load_model(result.model_uri)
    answers = loaded.predict(frame)
    assert list(answers.index) == list(frame.index)
    scored = mlflow.spark.load_model(result.model_uri).transform(spark.createDataFrame(frame[features]).coalesce(1))
    assert np.allclose(answers["prediction"], scored.toPandas()["prediction"], rtol=1e-5)
    served = over_http(loaded, frame[features].head(3))
    pd.testing.assert_frame_equal(served, answers.head(3).reset_index(drop=True), check_dtype=False, rtol=1e-4)
    if data == "digits":
        assert (answers[f"predicted_{label}"] == frame[label]).mean() > 0.8
    if data == "breast_cancer":
        assert set(answers[f"predicted_{label}"]) == {"malignant", "benign"}


def test_the_model_says_what_it_needs(finished, store):
    mlflow.set_tracking_uri(store)
    folder = Path(mlflow.artifacts.download_artifacts(finished("keras_horovod", "digits").model_uri))
    needed = (folder / "requirements.txt").read_text()
    assert "keras==" in needed
    assert "tensorflow-cpu==" in needed
    assert "horovod" not in needed
    assert not list(folder.rglob("*.pkl"))
