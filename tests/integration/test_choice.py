"""The best is chosen on rows that do not report it, the alias moves to what is not worse, and Python has it all."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

import experiments
from experiments.experiment import run
from experiments.tracking.tags import NOTE_TAG

# The session of the ranks has less to do.
pytestmark = pytest.mark.xdist_group("ranks")
# A penalty with which each coefficient is 0.
NOTHING_LEFT = ("regParam=1000", "elasticNetParam=1")


@pytest.fixture
def client(tmp_path, words):
    return MlflowClient(f"sqlite:///{tmp_path / 'runs' / 'mlflow.db'}")


@pytest.fixture
def contrary(tmp_path):
    """Words for training rows with a law, and test rows on which it does not hold."""
    random = np.random.default_rng(1)
    for name, slope in (("train", 2.0), ("test", 0.0)):
        x = random.normal(size=300)
        frame = pd.DataFrame({"x": x, "y": slope * x + random.normal(scale=0.1, size=300)})
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    return [
        "data=table",
        f"data.path={tmp_path / 'train.csv'}",
        f"data.test_path={tmp_path / 'test.csv'}",
        "data.label=y",
    ]


@pytest.mark.parametrize(
    ("judged_by", "metric", "best"),
    [
        ("validation", "validation_rmse", "0.001"),
        ("folds", "cv_rmse", "0.001"),
        pytest.param("test", "rmse", "1000000", marks=pytest.mark.by_hand),
    ],
)
def test_the_best_is_chosen_on_the_rows_that_are_asked_for(spark, words, contrary, client, judged_by, metric, best):
    swept = ["model=ridge", "model.estimator.regParam=0.001,1000000", f"sweep.judged_by={judged_by}", "data.name=c"]
    # On rows without a law the best is no better than a guess.
    swept.append("registry.moves=always")
    table = experiments.sweep([*contrary, *swept, *words])
    assert table["metric"].tolist() == [metric] * 2
    assert table["model.estimator.regParam"].tolist()[0] == best
    assert table["model_uri"].notna().tolist() == [True, False]
    with pytest.raises(experiments.ConfigError, match=r"got run '\w+', which has none, .*; sweep.models=all"):
        experiments.load_model(table["run_id"][1], words)
    with pytest.raises(experiments.ConfigError, match="which has none, as it is a sweep"):
        experiments.load_model(table.attrs["run_id"], words)
    first = client.get_run(table["run_id"][0])
    # On the rows that are reported the other one is better, unless it is they that choose.
    assert (first.data.metrics["rmse"] > 1) is (judged_by != "test")
    assert client.get_model_version_by_alias("c", "candidate").run_id == first.info.run_id
    parent = client.get_run(table.attrs["run_id"])
    assert parent.data.metrics["rmse"] == first.data.metrics["rmse"]
    assert f"/runs/{first.info.run_id}" in parent.data.tags[NOTE_TAG]
    assert table["model_uri"][0].removeprefix("models:/") in parent.data.tags[NOTE_TAG]
    if judged_by == "folds":
        assert first.data.metrics["cv_rmse_deviation"] > 0
    # What was done so is done for the same words, and by a lone run's too.
    assert len(client.search_runs([first.info.experiment_id])) == 3
    again = experiments.sweep([*contrary, *swept, *words])
    assert set(again["run_id"]) == set(table["run_id"])
    assert len(client.search_runs([first.info.experiment_id])) == 3  # and the sweep is the same


@pytest.mark.long
def test_folds_judge_as_a_loop_over_them_would(spark, words):
    from sklearn.linear_model import LinearRegression

    from experiments.data.loading import load_data
    from experiments.tuning.judge import _folds

    plain = ["model=linear_regression", "model.estimator.regParam=0", "data=diabetes"]
    config = experiments.load([*plain, "tuning=cross_validation", *words])
    result = run(config)
    with load_data(spark, config.data, config.model.task, config.seed) as dataset:
        folds = [
            (fold.train.toPandas(), fold.held_out.toPandas()) for fold in _folds(dataset, config.tuning, config.seed)
        ]
        features, label = dataset.features, dataset.label
    errors = []
    for train, held_out in folds:
        fitted = LinearRegression().fit(train[features], train[label])
        errors.append(float(np.sqrt(np.mean((fitted.predict(held_out[features]) - held_out[label]) ** 2))))
    assert result.metrics["cv_rmse"] == pytest.approx(np.mean(errors), rel=1e-6)
    assert result.metrics["cv_rmse_deviation"] == pytest.approx(np.std(errors, ddof=1), rel=1e-6)


@pytest.mark.long
def test_the_alias_moves_only_to_what_is_not_worse_on_the_same_rows(spark, words, client):
    def registered(*own):
        made = run(experiments.load(["model=ridge", "data=diabetes", *own, *words])).registered
        named = client.get_model_version_by_alias("diabetes", "candidate")
        return made.version, str(named.version), made.alias

    assert registered() == ("1", "1", "candidate is version 1")
    version, named, said = registered("model.estimator.regParam=100")
    assert (version, named) == ("2", "1")
    assert said.startswith("candidate does not move; rmse ")
    assert " of version 1 on the same rows" in said
    assert "registry.moves=always" in said
    assert registered()[:2] == ("3", "3")  # as good is not worse
    assert registered("model.estimator.regParam=100", "registry.moves=always")[:2] == ("4", "4")
    version, named, said = registered("model.estimator.regParam=101", "seed=2")
    assert (version, named) == ("5", "4")
    assert "version 4 was judged on other rows (seed is not the same), so" in said
    first = client.get_model_version("diabetes", "1")
    assert first.description.startswith("ridge on diabetes, progression: rmse ")
    logged = client.get_run(first.run_id).outputs.model_outputs[0].model_id
    assert client.get_logged_model(logged).tags[NOTE_TAG] == first.description
    assert "aliases name those that are offered" in client.get_registered_model("diabetes").description


@pytest.mark.parametrize(
    "own",
    [
        ["model=elastic_net", "data=diabetes", "model.estimator.regParam=100000"],
        ["model=logistic_regression", "data=breast_cancer", *(f"model.estimator.{each}" for each in NOTHING_LEFT)],
    ],
)
@pytest.mark.long
def test_a_model_no_better_than_a_guess_gets_no_alias(spark, words, client, own):
    name = own[1].removeprefix("data=")
    made = run(experiments.load([*own, *words])).registered
    assert made.alias.startswith("candidate does not move; the model is no better than one answer for all rows")
    assert client.get_registered_model(name).aliases == {}
    assert run(experiments.load([*own, "registry.moves=always", *words])).registered.alias == "candidate is version 2"


def test_the_alias_stays_with_its_task(spark, words, client):
    assert run(experiments.load(["model=kmeans", "data=iris", *words])).registered.alias == "candidate is version 1"
    other = run(experiments.load(["model=pca", "data=iris", *words])).registered.alias
    assert other.startswith("candidate does not move; version 1 is a clustering, this one a decomposition; a name of")
    assert "for each: registry.name=iris_decomposition; registry.moves=always" in other
    more = run(experiments.load(["model=kmeans", "data=iris", "model.estimator.k=4", *words])).registered.alias
    assert more == "candidate is version 3; a clustering cannot be compared with version 1"


def test_a_model_that_ranks_a_rare_class_is_no_guess(spark, words, client, tmp_path):
    """It never says the class, as its probabilities are small; its scores are of use all the same."""
    random = np.random.default_rng(2)
    x = random.normal(size=4000)
    y = (random.random(4000) < 0.03 / (1 + np.exp(-1.5 * x))).astype(int)
    pd.DataFrame({"x": x, "y": y}).to_csv(tmp_path / "rare.csv", index=False)
    own = ["model=logistic_regression", "data=table", f"data.path={tmp_path / 'rare.csv'}", "data.label=y"]
    made = run(experiments.load([*own, "data.name=rare", "data.stratified=true", *words]))
    assert made.metrics["balanced_accuracy"] == 0.5
    assert made.metrics["auc_roc"] > 0.6
    assert made.registered.alias == "candidate is version 1"


@pytest.mark.long
def test_python_runs_compares_and_scores(spark, words, tmp_path):
    result = experiments.run(["model=random_forest", "data=iris", "model.estimator.numTrees=5", *words], quiet=True)
    compared = experiments.compare("iris", [word for word in words if word.startswith("tracking.")])
    assert compared["run_id"].tolist() == [result.run_id]
    assert compared["accuracy"].tolist() == [result.metrics["accuracy"]]
    store = [word for word in words if word.startswith("tracking.")]
    some = experiments.compare("iris", store, columns=["weighted_f1", "numTrees"])
    assert list(some.columns) == ["run_id", "name", "runs", "weighted_f1", "numTrees"]
    assert some["weighted_f1"].tolist() == [result.metrics["weighted_f1"]]
    assert some["numTrees"].tolist() == ["5"]
    with pytest.raises(experiments.ConfigError, match=r"^columns must be metrics .*, got 'f9'"):
        experiments.compare("iris", store, columns=["f9"])
    with pytest.raises(experiments.ConfigError, match="columns must be a list, got the text 'rmse'"):
        experiments.compare("iris", store, columns="rmse")
    model = experiments.load_model(result)
    from experiments.data.bundled import bundled

    answers = model.predict(bundled("iris"))
    assert set(answers["predicted_species"]) == {"setosa", "versicolor", "virginica"}
    same = experiments.load_model("models:/iris@candidate", words).predict(bundled("iris"))
    assert same.equals(answers)
    with pytest.raises(experiments.ConfigError, match="did you mean 'iris'"):
        experiments.load_model("models:/irsi@candidate", words)
    for uri in (result.run_id, f"runs:/{result.run_id}/model"):
        assert experiments.load_model(uri, words).predict(bundled("iris")).equals(answers)
    for wrong, said in (
        ("models:/iris@champion", r"'iris' \(@candidate, 1\), got 'champion'"),
        ("f" * 32, "the id of a run that has logged a model, got 'ffff"),
        ("models:/iris", "did you mean 'models:/iris@candidate'"),
        (compared, "got a DataFrame; its model_uri column has URIs"),
        (None, "got a run without one"),
    ):
        with pytest.raises(experiments.ConfigError, match=said):
            experiments.load_model(wrong, words)
    for call in (experiments.run, experiments.sweep, experiments.load):
        with pytest.raises(experiments.ConfigError, match="words must be a list, got the text 'model=ridge'"):
            call("model=ridge")


@pytest.mark.by_hand
def test_models_of_several_labels_are_not_compared(spark, words, client, tmp_path):
    x = np.random.default_rng(1).normal(size=200)
    pd.DataFrame({"x": x, "large": 1000 * x, "small": x / 1000}).to_csv(tmp_path / "two.csv", index=False)
    chosen = ["data=table", f"data.path={tmp_path / 'two.csv'}", "data.features=[x]", "data.label=large,small"]
    table = experiments.sweep(["model=ridge", *chosen, *words])
    assert table["model_uri"].notna().all()  # the best of each
    for label in ("large", "small"):
        made = experiments.load(["model=ridge", *chosen[:-1], f"data.label={label}", "data.name=one", *words])
        said = run(made).registered.alias
    assert "version 1 predicts large, this one small; a name of its own for each: registry.name=one_small" in said
    assert str(client.get_model_version_by_alias("one", "candidate").version) == "1"


@pytest.mark.by_hand
def test_an_objective_that_no_trial_has_is_a_failure(spark, words):
    from experiments.sweeps.sweep import SweepFailed

    chosen = ["data=iris", "model=decision_tree", "model.estimator.maxDepth=1,2", "sweep.objectives=[f1]"]
    with pytest.raises(SweepFailed, match=r"got 'f1', by which none could be judged; there are .*weighted_f1"):
        experiments.sweep([*chosen, *words])


@pytest.mark.by_hand
def test_trials_of_three_classes_have_the_areas_that_a_later_command_asks_for(spark, words):
    chosen = ["data=iris", "model=decision_tree", "model.estimator.maxDepth=1,4"]
    first = experiments.sweep([*chosen, *words])
    again = experiments.sweep([*chosen, "sweep.objectives=[auc_roc]", *words])
    assert set(again["run_id"]) == set(first["run_id"])
    assert again["metric"].tolist() == ["validation_auc_roc"] * 2


def test_a_version_that_comes_from_no_run_is_no_obstacle(spark, words, client):
    client.create_registered_model("diabetes")
    client.create_model_version("diabetes", "file:///tmp/elsewhere")
    client.set_registered_model_alias("diabetes", "candidate", "1")
    made = run(experiments.load(["model=ridge", "data=diabetes", *words])).registered
    assert (made.version, "no run" in made.alias) == ("2", True)
    assert str(client.get_model_version_by_alias("diabetes", "candidate").version) == "1"  # nobody knows how good


def test_a_registered_model_of_classes_that_nobody_trusts_is_refused_before_they_are_imported(
    spark, words, client, tmp_path, monkeypatch
):
    result = experiments.run(["model=ridge", "data=diabetes", *words], quiet=True)
    place = client.get_logged_model(result.model_uri.removeprefix("models:/")).artifact_location
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'imported')!r}, 'w')\n")
    monkeypatch.syspath_prepend(tmp_path)
    for file in Path(place.removeprefix("file://")).rglob("sparkml/metadata/part-*"):
        file.write_text(
            file.read_text().replace('"class":"', '"class":"evil.').replace('"class": "', '"class": "evil.')
        )
        (file.parent / f".{file.name}.crc").unlink(missing_ok=True)
    with pytest.raises(experiments.ConfigError, match=r"got evil\.[\w.]+; to trust the package: "):
        experiments.load_model(result, words)
    assert not (tmp_path / "imported").exists()
