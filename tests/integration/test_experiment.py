"""One experiment from config to a tracked run: its numbers, its record, its model, its true status."""

import json
from pathlib import Path

import mlflow
import numpy as np
import pytest
from mlflow.tracking import MlflowClient

from experiments import ConfigError, ExperimentError, load, load_model
from experiments.experiment import run
from experiments.submission.command import _told
from experiments.tracking.handed_over import ended
from experiments.tracking.run import TrackedRun
from experiments.tracking.store import check_store, open_store

# The session of the ranks has less to do.
pytestmark = pytest.mark.xdist_group("ranks")

DOCUMENT = json.loads((Path(__file__).parents[1] / "document_results.json").read_text())


@pytest.fixture
def words(store, cluster_words):
    return [f"tracking.uri={store}", *cluster_words]


def read_csv(client, run_id, name):
    import pandas as pd

    return pd.read_csv(client.download_artifacts(run_id, f"{name}.csv"))


def rows_of(spark, config):
    """Train and test of a config, on the driver."""
    from experiments.data.loading import load_data

    with load_data(spark, config.data, config.model.task, config.seed) as data:
        return data.train.toPandas(), data.test.toPandas(), data.features


def write_model(folder, task, estimator):
    """`model=mine`, assembled features and an estimator, in a folder of configs."""
    (folder / "model").mkdir()
    stages = "{features: {class: pyspark.ml.feature.VectorAssembler}}"
    text = f"# Mine.\ntask: {task}\nstages: {stages}\nestimator: {{{estimator}}}\n"
    (folder / "model" / "mine.yaml").write_text(text)


def artifacts(client, run_id):
    return {file.path for file in client.list_artifacts(run_id)}


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
    source = json.loads(tracked.inputs.dataset_inputs[0].dataset.source)
    assert source["tags"] == {"generator": "houses", "rows": 10_000, "seed": 42, "noise": 100.0}


def test_ridge_on_diabetes_is_scikit_learns_on_the_same_rows(spark, store, words):
    from sklearn.linear_model import Ridge

    config = load(["model=ridge", "data=diabetes", "model.estimator.standardization=false", *words])
    result = run(config)
    train, test, features = rows_of(spark, config)
    # Spark divides the squared error by the rows and the penalty by the deviation of the label.
    y = train["progression"]
    theirs = Ridge(alpha=len(train) * 1.0 / y.std(ddof=0)).fit(train[features], y)
    rmse = np.sqrt(np.mean((theirs.predict(test[features]) - test["progression"]) ** 2))
    assert result.metrics["rmse"] == pytest.approx(rmse, rel=1e-6)


def test_random_forest_on_wine_is_as_good_as_scikit_learns_on_the_same_rows(spark, store, words):
    from sklearn.ensemble import RandomForestClassifier

    config = load(["model=random_forest", "data=wine", *words])
    result = run(config)
    train, test, features = rows_of(spark, config)
    theirs = RandomForestClassifier(100, max_depth=10, random_state=1).fit(train[features], train["cultivar"])
    # One row of 35 is 0.03: two implementations with other random numbers may differ in two of them.
    assert result.metrics["accuracy"] == pytest.approx(theirs.score(test[features], test["cultivar"]), abs=0.06)
    assert {"weighted_f1", "weighted_precision", "weighted_recall", "log_loss", "train_accuracy"} <= set(result.metrics)
    importances = read_csv(MlflowClient(store), result.run_id, "feature_importances")
    assert importances["importance"].sum() == pytest.approx(1)
    ours = importances.set_index("feature")["importance"][features]
    assert np.corrcoef(ours, theirs.feature_importances_)[0, 1] > 0.9


def test_the_loaded_model_scores_new_rows_with_probabilities(spark, store, words):
    from experiments.data.bundled import read_bundled

    result = run(load(["model=random_forest", "data=wine", "model.estimator.numTrees=20", *words]))
    mlflow.set_tracking_uri(store)
    loaded = mlflow.spark.load_model(result.model_uri)
    scored = loaded.transform(read_bundled(spark, "wine").drop("cultivar")).select("probability", "prediction")
    found = scored.collect()
    assert len(found) == 178
    assert all(row.probability.argmax() == row.prediction for row in found)
    info = mlflow.models.get_model_info(result.model_uri)
    assert [column.name for column in info.signature.inputs][:2] == ["alcohol", "malic_acid"]
    example = Path(MlflowClient(store).get_logged_model(info.model_id).artifact_location.removeprefix("file://"))
    assert len(json.loads((example / "input_example.json").read_text())["data"]) == 5


def test_vector_columns_are_features_as_they_are(spark, store, words):
    import pyspark

    path = Path(pyspark.__file__).parent / "data" / "mllib" / "sample_libsvm_data.txt"
    reader = ["data=table", "data.format=libsvm", f"data.path={path}", "data.label=label", "data.name=libsvm"]
    result = run(load(["model=random_forest", "model.estimator.numTrees=20", *reader, *words]))
    # Spark's own guide: a random forest of 10 trees errs on at most a few per cent of this sample.
    assert result.metrics["accuracy"] > 0.9
    importances = read_csv(MlflowClient(store), result.run_id, "feature_importances")
    assert len(importances) == 692
    mlflow.set_tracking_uri(store)
    info = mlflow.models.get_model_info(result.model_uri)
    assert [str(column.type) for column in info.signature.inputs] == ["SparkML vector"]


@pytest.mark.long
def test_random_forest_on_purchases_is_the_documents(spark, store, words):
    result = run(load(["model=random_forest", *words]))
    # The document's own listing, on other random rows of the same law: deviation of an accuracy of 2,000 rows is 0.01.
    assert result.metrics["accuracy"] == pytest.approx(DOCUMENT["random_forest"]["accuracy"], abs=0.04)
    client = MlflowClient(store)
    importances = read_csv(client, result.run_id, "feature_importances").set_index("feature")["importance"]
    for feature, importance in DOCUMENT["random_forest"]["feature_importances"].items():
        assert importances[feature] == pytest.approx(importance, abs=0.05)
    names = ("feature_importances", "confusion_matrix", "roc_curve", "precision_recall_curve", "calibration")
    outputs = {f"{name}.{kind}" for name in names for kind in ("csv", "png")}
    assert artifacts(client, result.run_id) == {*outputs, "config.yaml", "run.log", "spark.yaml"}
    confusion = read_csv(client, result.run_id, "confusion_matrix")
    assert confusion["rows"].sum() == result.rows["test_rows"]
    right = confusion[confusion["true"] == confusion["predicted"]]["rows"].sum()
    assert right / confusion["rows"].sum() == pytest.approx(result.metrics["accuracy"])
    roc = read_csv(client, result.run_id, "roc_curve")
    area = np.trapezoid(roc["true_positive_rate"], roc["false_positive_rate"])
    assert area == pytest.approx(result.metrics["auc_roc"], abs=0.002)


def test_kmeans_finds_the_blobs(spark, store, words):
    result = run(load(["model=kmeans", *words]))
    # The document's own listing: 0.970.
    assert result.objective == pytest.approx(0.970, abs=0.005)
    learnt = read_csv(MlflowClient(store), result.run_id, "cluster_centres")[["x0", "x1"]].to_numpy()
    assert np.allclose(sorted(map(tuple, learnt)), [(2, 2), (5, 8), (8, 3)], atol=0.05)
    assert MlflowClient(store).get_model_version_by_alias("blobs", "candidate").run_id == result.run_id


def test_kmeans_on_iris_is_scikit_learns_on_the_same_rows(spark, store, words):
    from sklearn.cluster import KMeans

    config = load(["model=kmeans", "data=iris", "model.estimator.maxIter=100", "model.estimator.tol=0", *words])
    result = run(config)
    rows, _, features = rows_of(spark, config)
    theirs = KMeans(3, n_init=10, random_state=1).fit(rows[features])
    assert result.metrics["training_cost"] == pytest.approx(theirs.inertia_, rel=1e-3)
    learnt = read_csv(MlflowClient(store), result.run_id, "cluster_centres").sort_values("petal_length_cm")
    expected = sorted(map(tuple, theirs.cluster_centers_), key=lambda centre: centre[2])
    assert np.allclose(learnt[features], expected, atol=0.05)
    assert learnt["(rows)"].sum() == 150


def test_centres_behind_a_scaler_are_in_the_datas_own_units(spark, store, words):
    scaler = ["+model.stages.scaler.class=pyspark.ml.feature.StandardScaler", "model.stages.scaler.withMean=true"]
    result = run(load(["model=kmeans", *scaler, *words]))
    learnt = read_csv(MlflowClient(store), result.run_id, "cluster_centres")[["x0", "x1"]].to_numpy()
    assert np.allclose(sorted(map(tuple, learnt)), [(2, 2), (5, 8), (8, 3)], atol=0.05)


def test_a_feature_called_size_stays_beside_the_number_of_rows(spark, store, words):
    result = run(load(["model=kmeans", "data=houses", *words]))
    learnt = read_csv(MlflowClient(store), result.run_id, "cluster_centres")
    assert learnt["(rows)"].sum() == 10_000
    assert np.average(learnt["size"], weights=learnt["(rows)"]) == pytest.approx(100, abs=2)


def test_a_classifier_of_more_than_two_classes_shows_its_coefficients_by_class(spark, store, words, tmp_path):
    from sklearn.linear_model import LogisticRegression

    estimator = "class: pyspark.ml.classification.LogisticRegression, regParam: 0.1, standardization: false"
    write_model(tmp_path, "classification", f"{estimator}, tol: 1.0e-10, maxIter: 1000")
    config = load(["model=mine", "data=iris", *words], config_dir=tmp_path)
    result = run(config)
    train, _, features = rows_of(spark, config)
    # Spark's penalty is regParam / 2 times the squares, of a mean loss; scikit-learn's is 1 / C of a sum.
    theirs = LogisticRegression(C=1 / (0.1 * len(train)), tol=1e-10, max_iter=10_000)
    theirs.fit(train[features], train["species"])
    learnt = read_csv(MlflowClient(store), result.run_id, "coefficients")
    ours = learnt.pivot(index="class", columns="feature", values="coefficient")[features]
    assert np.allclose(ours, theirs.coef_, atol=1e-3)


def test_a_gaussian_mixture_is_a_clustering_like_any_other(spark, store, words, tmp_path):
    write_model(tmp_path, "clustering", "class: pyspark.ml.clustering.GaussianMixture, k: 3")
    result = run(load(["model=mine", "data=blobs", *words], config_dir=tmp_path))
    # It may end in a local optimum, so nothing is said of how good it is.
    sizes = [result.metrics.get(f"cluster_size_{cluster}", 0) for cluster in range(3)]
    assert sum(sizes) == 10_000
    assert result.objective == result.metrics["silhouette"]
    assert "training_cost" not in result.metrics


def test_an_iterative_solver_leaves_its_history_as_a_stepped_metric(spark, store, words):
    result = run(load(["model=ridge", "data=diabetes", "model.estimator.solver=l-bfgs", *words]))
    history = MlflowClient(store).get_metric_history(result.run_id, "loss")
    assert len(history) > 3
    assert [metric.step for metric in history] == list(range(len(history)))
    assert history[-1].value < history[0].value


def test_a_failed_run_is_failed_with_its_reason_and_no_model(spark, store, words):
    with pytest.raises(ExperimentError, match="got 'prise'"):
        run(load(["model=ridge", "data.label=prise", "tracking.experiment=failures", *words]))
    client = MlflowClient(store)
    experiment = client.get_experiment_by_name("failures")
    (failed,) = client.search_runs([experiment.experiment_id])
    assert failed.info.status == "FAILED"
    assert "data.label must be in the data" in failed.data.tags["experiments.failure"]
    assert client.search_logged_models([experiment.experiment_id]) == []


def test_a_model_that_was_logged_is_taken_back_when_the_run_fails_later(spark, store, words, monkeypatch):
    from experiments import experiment

    def no_registry(*_):
        raise OSError("the registry is on fire")

    monkeypatch.setattr(experiment, "register", no_registry)
    with pytest.raises(OSError, match="fire"):
        run(load(["model=ridge", "data=diabetes", "tracking.experiment=late", *words]))
    client = MlflowClient(store)
    experiment_id = client.get_experiment_by_name("late").experiment_id
    (failed,) = client.search_runs([experiment_id])
    assert failed.info.status == "FAILED"
    assert client.search_logged_models([experiment_id]) == []


def test_a_version_that_was_registered_is_taken_back_when_its_alias_fails(spark, store, words, monkeypatch):
    def no_alias(*_):
        raise OSError("the alias is on fire")

    monkeypatch.setattr(MlflowClient, "set_registered_model_alias", no_alias)
    with pytest.raises(OSError, match="fire"):
        run(load(["model=ridge", "data=diabetes", "registry.name=burnt", "tracking.spool=null", *words]))
    assert MlflowClient(store).search_model_versions("name = 'burnt'") == []


def test_effective_spark_settings_are_recorded_without_secrets(spark, store, words, secret):
    import yaml

    result = run(load(["model=ridge", "data=diabetes", *words]))
    text = Path(MlflowClient(store).download_artifacts(result.run_id, "spark.yaml")).read_text()
    assert yaml.safe_load(text)["spark.master"] == "local[2]"
    assert yaml.safe_load(text)["spark.example.password"] == "[redacted]"
    assert secret not in text
    config = MlflowClient(store).get_run(result.run_id).data.params
    assert config["cluster.conf.spark.example.password"] == "[redacted]"


def test_another_cluster_in_the_same_process_is_refused(spark, words):
    with pytest.raises(ConfigError, match="one Spark session"):
        run(load(["model=ridge", *words, "cluster.conf.spark.driver.memory=3g"]))


def test_the_run_that_mlflow_run_opened_is_used(spark, store, words, monkeypatch):
    client = MlflowClient(store)
    opened = client.create_run("0")
    client.log_param(opened.info.run_id, "model.estimator.tol", "'1e-5'")
    monkeypatch.setenv("MLFLOW_RUN_ID", opened.info.run_id)
    result = run(load(["model=ridge", "data=diabetes", "model.estimator.tol=1e-5", *words]))
    assert result.run_id == opened.info.run_id
    assert client.get_run(result.run_id).data.params["composed.model.estimator.tol"] == "1e-05"


@pytest.mark.parametrize("given", ["word", "variable"])
def test_models_are_registered_where_the_registry_is(store, new_store, cluster_words, tmp_path, monkeypatch, given):
    registry = new_store(tmp_path / "registry")
    words = [f"tracking.uri={store}", *cluster_words, "registry.name=elsewhere"]
    if given == "word":
        words.append(f"tracking.registry_uri={registry}")
    else:
        monkeypatch.setenv("MLFLOW_REGISTRY_URI", registry)
    result = run(load(["model=ridge", "data=diabetes", *words]))
    (version,) = MlflowClient(registry_uri=registry, tracking_uri=store).search_model_versions("name = 'elsewhere'")
    assert version.run_id == result.run_id
    assert MlflowClient(registry_uri=store, tracking_uri=store).search_model_versions("name = 'elsewhere'") == []
    loaded = load_model("models:/elsewhere@candidate", words)
    assert len(loaded.predict(loaded_rows())) == 3
    with pytest.raises(ConfigError, match=r"tracking.registry_uri must be a store that answers, got 'http"):
        check_store(load([*words[:-1], "tracking.registry_uri=http://127.0.0.1:9"]).tracking)


def loaded_rows():
    from sklearn.datasets import load_diabetes

    return load_diabetes(as_frame=True)["data"].head(3)


def test_a_run_that_was_made_elsewhere_is_told_as_one_of_here(spark, words, capsys):
    """As `experiments submit` does, from what the store has of it."""
    config = load(["model=ridge", "data=diabetes", "registry.name=elsewhere", *words])
    made = run(config)
    store = TrackedRun(open_store(config), open_store(config).get_run(made.run_id))
    capsys.readouterr()
    assert _told(config, store, ended(store)) == 0
    told = capsys.readouterr().out
    assert f"rows        {made.rows['train_rows']:,} training, {made.rows['test_rows']:,} held out" in told
    assert f"model       {made.model_uri}" in told
    assert "registered  elsewhere 1: candidate names it" in told
