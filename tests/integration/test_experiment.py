"""One experiment from config to a tracked run: its numbers, its record, its model, its true status."""

import mlflow
import numpy as np
import pytest
from mlflow.tracking import MlflowClient

from experiments import ExperimentError, load
from experiments.experiment import run


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return f"sqlite:///{tmp_path_factory.mktemp('store') / 'mlflow.db'}"


@pytest.fixture
def words(store, tmp_path):
    return [f"tracking.uri={store}", f"tracking.folder={tmp_path}"]


def read_csv(client, run_id, name):
    import pandas as pd

    return pd.read_csv(client.download_artifacts(run_id, f"{name}.csv"))


def test_ridge_on_houses_finds_the_generators_coefficients(spark, store, words):
    result = run(load(["model=ridge", *words]))
    # The document's own listing: 97.8; its noise has deviation 100.
    assert result.objective == pytest.approx(100, rel=0.06)
    client = MlflowClient(store)
    tracked = client.get_run(result.run_id)
    assert tracked.info.status == "FINISHED"
    assert tracked.data.params["model.estimator.regParam"] == "1.0"
    assert tracked.data.metrics["rmse"] == result.objective
    learnt = read_csv(client, result.run_id, "coefficients").set_index("feature")["coefficient"]
    assert learnt["size"] == pytest.approx(50, abs=0.3)
    assert learnt["age"] == pytest.approx(-20, abs=0.6)
    assert learnt["distance"] == pytest.approx(-0.5, abs=0.03)
    assert learnt["(intercept)"] == pytest.approx(3000, abs=25)
    assert {item.tags[0].value for item in tracked.inputs.dataset_inputs} == {"train", "test"}


def test_ridge_on_diabetes_is_scikit_learns_on_the_same_rows(spark, store, words):
    from sklearn.linear_model import Ridge

    from experiments.data.loading import load_data

    config = load(["model=ridge", "data=diabetes", "model.estimator.standardization=false", *words])
    result = run(config)
    with load_data(spark, config.data, config.model.task, config.seed) as data:
        train, test = data.train.toPandas(), data.test.toPandas()
    # Spark divides the squared error by the rows and the penalty by the deviation of the label.
    y = train["progression"]
    theirs = Ridge(alpha=len(train) * 1.0 / y.std(ddof=0)).fit(train[data.features], y)
    rmse = np.sqrt(np.mean((theirs.predict(test[data.features]) - test["progression"]) ** 2))
    assert result.metrics["rmse"] == pytest.approx(rmse, rel=1e-6)


def test_random_forest_on_wine_and_its_loaded_model_scores_with_probabilities(spark, store, words):
    result = run(load(["model=random_forest", "data=wine", "model.estimator.numTrees=20", *words]))
    assert result.metrics["accuracy"] > 0.85
    assert {"f1", "precision", "recall", "log_loss", "train_accuracy"} <= set(result.metrics)
    importances = read_csv(MlflowClient(store), result.run_id, "feature_importances")
    assert importances["importance"].sum() == pytest.approx(1)
    assert "proline" in set(importances["feature"][:6])
    mlflow.set_tracking_uri(store)
    loaded = mlflow.spark.load_model(result.model_uri)
    from experiments.data.bundled import read_bundled

    scored = loaded.transform(read_bundled(spark, "wine").drop("cultivar")).select("probability", "prediction")
    assert all(row.probability.argmax() == row.prediction for row in scored.collect())


def test_kmeans_finds_the_blobs(spark, store, words):
    result = run(load(["model=kmeans", "registry=candidate", *words]))
    # The document's own listing: 0.970.
    assert result.objective == pytest.approx(0.970, abs=0.005)
    learnt = read_csv(MlflowClient(store), result.run_id, "cluster_centres")[["x0", "x1"]].to_numpy()
    assert np.allclose(sorted(map(tuple, learnt)), [(2, 2), (5, 8), (8, 3)], atol=0.05)
    assert MlflowClient(store).get_model_version_by_alias("blobs", "candidate").run_id == result.run_id


def test_a_failed_run_is_failed_with_its_reason_and_no_model(spark, store, words):
    with pytest.raises(ExperimentError, match="got 'prise'"):
        run(load(["model=ridge", "data.label=prise", "tracking.experiment=failures", *words]))
    client = MlflowClient(store)
    experiment = client.get_experiment_by_name("failures")
    (failed,) = client.search_runs([experiment.experiment_id])
    assert failed.info.status == "FAILED"
    assert "data.label must be in the data" in failed.data.tags["experiments.failure"]
    assert client.search_logged_models([experiment.experiment_id]) == []


def test_the_run_that_mlflow_run_opened_is_used(spark, store, words, monkeypatch):
    client = MlflowClient(store)
    opened = client.create_run("0")
    client.log_param(opened.info.run_id, "model.estimator.tol", "'1e-5'")
    monkeypatch.setenv("MLFLOW_RUN_ID", opened.info.run_id)
    result = run(load(["model=ridge", "data=diabetes", "model.estimator.tol=1e-5", *words]))
    assert result.run_id == opened.info.run_id
    assert client.get_run(result.run_id).data.params["composed.model.estimator.tol"] == "1e-05"
