"""Candidates of every task are judged on rows that they were not fitted on, and what cannot be judged is said."""

import numpy as np
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from experiments import ExperimentError, load
from experiments.experiment import run


def candidates(tmp_path, result):
    client = MlflowClient(f"sqlite:///{tmp_path / 'runs' / 'mlflow.db'}")
    return pd.read_csv(client.download_artifacts(result.run_id, "tuning.csv"))


def test_fewer_rows_than_folds_is_said(spark, words, table):
    frame = pd.DataFrame({"x": [1.0, 2.0, 3.0, 4.0], "y": [1.0, 2.0, 3.0, 4.0]})
    grid = ["tuning=cross_validation", "tuning.folds=10", "tuning.grid.model.estimator.regParam=[0.1,1]"]
    with pytest.raises(ExperimentError, match=r"tuning.folds must leave rows in every part, got 10 for"):
        run(load(["model=ridge", *table(frame), "data.label=y", "data.test_fraction=0", *grid, *words]))


def test_train_validation_judges_each_candidate_once(spark, words, tmp_path):
    grid = ["tuning=train_validation", "tuning.grid.model.estimator.regParam=[0.1,1000]"]
    result = run(load(["model=ridge", "data=diabetes", *grid, *words]))
    tuned = candidates(tmp_path, result)
    assert tuned["best"].tolist() == [True, False]
    assert tuned["mean"].tolist() == tuned["fold_1"].tolist()


@pytest.mark.parametrize(
    ("chosen", "best"),
    [
        (["model=kmeans", "tuning.grid.model.estimator.k=[2,3]"], 3),  # three blobs
        (["model=pca", "tuning.grid.model.estimator.k=[1,2]"], 2),
        (["model=svd", "tuning.metric=reconstruction_error", "tuning.grid.model.estimator.k=[1,2]"], 2),
        (["model=lda", "data.rows=500", "tuning.folds=2", "tuning.grid.model.estimator.maxIter=[1,30]"], 30),
    ],
)
@pytest.mark.long
def test_tasks_without_a_label_are_tuned_too(spark, words, tmp_path, chosen, best):
    result = run(load([*chosen, "tuning=cross_validation", *words]))
    tuned = candidates(tmp_path, result)
    assert np.isfinite(tuned["mean"]).all()
    assert tuned[tuned["best"]].iloc[0, 0] == best


@pytest.mark.long
def test_a_candidate_without_a_finite_metric_is_never_the_best(spark, words, tmp_path, table):
    # Of user 0 there is one rating, whichever fold it is in: the model of the others makes no number of it.
    frame = pd.DataFrame({"user": np.minimum(np.arange(61), 60 - np.arange(61)) // 10, "item": np.arange(61) % 5})
    frame["rating"] = frame["item"] + 1.0
    frame = pd.concat([frame, pd.DataFrame({"user": [99], "item": [1], "rating": [2.0]})])
    grid = ["tuning=cross_validation", "tuning.grid.model.estimator.coldStartStrategy=['nan',drop]"]
    chosen = ["model=als", "model.estimator.maxIter=2", *table(frame), "data.label=rating", "data.test_fraction=0"]
    result = run(load([*chosen, *grid, *words]))
    tuned = candidates(tmp_path, result).set_index("coldStartStrategy", drop=False)
    assert tuned["best"].tolist() == [False, True]


@pytest.mark.long
def test_a_fold_without_the_last_class_is_judged_all_the_same(spark, words, tmp_path, table):
    frame = pd.DataFrame({"x": np.arange(61.0), "y": ["a", "b"] * 30 + ["c"]})
    grid = ["tuning=cross_validation", "tuning.grid.model.estimator.regParam=[0.01,0.1]"]
    chosen = ["model=logistic_regression", *table(frame), "data.label=y", "data.test_fraction=0"]
    result = run(load([*chosen, *grid, "tuning.metric=log_loss", *words]))
    assert np.isfinite(candidates(tmp_path, result)["mean"]).all()


def test_rows_of_one_class_alone_are_not_fitted_on(spark, words, table):
    """Spark would make a model of them that always says the other class."""
    frame = pd.DataFrame({"x": np.arange(300.0), "t": np.arange(300), "y": ["a"] * 200 + ["b", "a"] * 50})
    chosen = ["model=logistic_regression", *table(frame), "data.label=y", "data.time=t", "tuning=train_validation"]
    grid = ["tuning.grid.model.estimator.regParam=[0.1]", "tuning.train_fraction=0.6"]
    with pytest.raises(ExperimentError, match=r"leave two classes to fit on, got only 'a' where part 1 judges"):
        run(load([*chosen, *grid, *words]))


def test_a_metric_that_a_fold_does_not_have_is_said(spark, words, table):
    frame = pd.DataFrame({"x": np.arange(41.0), "y": [0] * 38 + [1] * 3})
    grid = ["tuning=cross_validation", "tuning.folds=5", "tuning.grid.model.estimator.regParam=[0.1]"]
    chosen = ["model=logistic_regression", *table(frame), "data.label=y", "data.test_fraction=0"]
    with pytest.raises(ExperimentError, match=r"must be one .* got 'auc_roc', which fold \d does not have"):
        run(load([*chosen, *grid, "tuning.metric=auc_roc", *words]))
