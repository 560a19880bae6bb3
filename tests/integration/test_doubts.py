"""What a fitted pipeline gives reason to doubt is said, with words that can be pasted."""

import re
from contextlib import ExitStack

import numpy as np
import pandas as pd
import pytest

from experiments import load
from experiments.config.schema import Task
from experiments.data.loading import load_data
from experiments.evaluation.judged import score
from experiments.evaluation.metrics import evaluate
from experiments.experiment import fit
from experiments.inspection import inspect
from experiments.inspection.doubts import doubts


@pytest.fixture
def told(spark, tmp_path):
    """A function that fits a model to a frame and returns its metrics and what is doubtful about it."""

    def fitted(frame, *words):
        frame.to_csv(tmp_path / "rows.csv", index=False)
        config = load(["data=table", f"data.path={tmp_path / 'rows.csv'}", "data.label=y", *words])
        with ExitStack() as stack:
            dataset = stack.enter_context(load_data(spark, config.data, config.model.task, 42))
            model, made = fit(config, dataset, stack)
            scored = stack.enter_context(score(model, made, dataset, config.model.task))
            metrics = evaluate(scored)
            return metrics, doubts(scored, metrics, [*inspect(scored)])

    return fitted


def rows_of(count=600):
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"a": random.normal(size=count), "b": random.normal(size=count), "noise": random.normal(size=count)}
    )
    return frame.assign(y=frame["a"] + frame["b"] + frame["noise"]).drop(columns="noise")


def test_an_honest_table_gives_no_reason(told):
    for words in (["model=linear_regression"], ["model=linear_regression", "model.estimator.solver=l-bfgs"]):
        assert told(rows_of(), *words, "model.estimator.regParam=0")[1] == []


@pytest.mark.long
def test_a_fit_that_ended_before_it_converged(told):
    frame = rows_of().assign(y=lambda rows: (rows["y"] > 0).astype(int))
    plain = ["model=logistic_regression", "model.estimator.regParam=0"]
    (said,) = told(frame, *plain, "model.estimator.maxIter=2")[1]
    assert said.startswith("model.estimator.maxIter=2 ended the fit before it converged")
    assert "model.estimator.maxIter=20;" in said
    assert told(frame, *plain, "model.estimator.maxIter=20")[1] == []
    (said,) = told(rows_of().assign(y=lambda rows: rows["y"].abs() + 1), "model=glm", "model.estimator.maxIter=1")[1]
    assert "model.estimator.maxIter=10;" in said


def test_features_that_follow_from_each_other_have_many_answers(told):
    frame = rows_of().assign(c=lambda rows: rows["a"] - 2 * rows["b"])
    (said,) = told(frame, "model=linear_regression", "model.estimator.regParam=0")[1]
    assert said.startswith("data has features that follow from each other")
    assert told(frame, "model=linear_regression", "model.estimator.regParam=0.01")[1] == []


def test_a_label_that_several_features_give_together(told):
    frame = rows_of(2_000).assign(y=lambda rows: rows["a"] + rows["b"])
    metrics, (said,) = told(frame, "model=linear_regression", "model.estimator.regParam=0")
    assert metrics["r2"] == pytest.approx(1)
    assert said.startswith("model is right about")
    assert "look at feature_importances or coefficients, and leave" in said
    assert "(r2 1)" in said


@pytest.mark.long
def test_a_class_that_a_few_features_give_names_the_most_important(told):
    frame = rows_of(2_000).assign(y=lambda rows: (rows["a"] > 0).map({True: "yes", False: "no"}))
    frame["a"] = np.sign(frame["a"]) * np.ceil(np.abs(frame["a"]))  # so few values that each may end a bin
    frame = frame.assign(as_a=frame["a"] ** 3, too=np.arctan(frame["a"]))
    metrics, (said,) = told(frame, "model=random_forest", "model.estimator.featureSubsetStrategy=onethird")
    assert metrics["accuracy"] >= 0.9999
    assert re.search(r"look first at (a|as_a|too), the most important \(importance 0\.\d+\), and leave", said)


@pytest.mark.parametrize("words", [["preprocessing=auto"], ["preprocessing=one_hot", "data.missing=keep"]])
@pytest.mark.long
def test_texts_that_differ_in_blanks_or_capitals_only(told, words):
    frame = rows_of().assign(
        c=lambda rows: np.where(rows.index % 3 == 0, "yes", np.where(rows.index % 3 == 1, "Yes", "no"))
    )
    (said,) = [each for each in told(frame, "model=ridge", *words)[1] if "capitals" in each]
    assert "data has values in 'c' that differ in blanks or capitals only, such as" in said
    frame = rows_of().assign(y=lambda rows: np.where(rows.index % 2, "up", " up"))
    (said,) = [each for each in told(frame, "model=logistic_regression")[1] if "capitals" in each]
    assert "in 'y'" in said


def test_no_error_is_divided_by_a_label_of_zero(told):
    frame = rows_of()
    assert "mape" in told(frame, "model=ridge")[0]
    assert not {"mape", "train_mape"} & set(told(frame.assign(y=frame["y"].round()), "model=ridge")[0])


def test_a_model_that_has_learnt_its_rows_by_heart(told):
    frame = rows_of(300).assign(y=lambda rows: rows["y"].sample(frac=1, random_state=1).to_numpy())
    deep = ["model=decision_tree_regressor", "model.estimator.maxDepth=12", "model.estimator.minInstancesPerNode=1"]
    (said,) = [each for each in told(frame, *deep)[1] if "by heart" in each]
    assert said.startswith("model is far better on the rows it was fitted on (train_r2 0.9")
    assert told(rows_of(), *deep[:1])[1] == []


def test_of_an_error_that_few_rows_make_up_it_is_said(told):
    frame = rows_of()
    frame.loc[frame.index % 100 == 7, "y"] = 5000.0
    metrics, said = told(frame, "model=linear_regression")
    assert metrics["r2"] < 0
    (sentence,) = [each for each in said if "no better" in each]
    assert f"; half of the rows are off by {metrics['median_absolute_error']:.4g} at most, so that a few " in sentence


def test_a_class_with_nearly_all_rows_is_said_and_what_it_alone_would_have(told):
    frame = rows_of(1_000).assign(y=lambda rows: np.where(rows["a"] > 1.2, "yes", "no"))
    metrics, (said,) = told(frame, "model=logistic_regression")
    assert metrics["accuracy"] > metrics["baseline_accuracy"] > 0.85
    assert said.startswith(f"data has 'no' in {metrics['baseline_accuracy']:.1%} of the rows that judge")


def test_a_model_that_says_one_class_of_nearly_all_rows_is_told_what_helps(told):
    random = np.random.default_rng(1)
    size = random.normal(size=3000)
    frame = pd.DataFrame({"size": size, "other": random.normal(size=3000)})
    frame["y"] = np.where(random.random(3000) < 0.03 + 0.12 * (size > 1), "yes", "no")
    metrics, said = told(frame, "model=logistic_regression")
    assert metrics["accuracy"] <= metrics["baseline_accuracy"]
    (sentence,) = said
    assert sentence.startswith("model says 'no' of nearly all rows: accuracy ")
    assert "data.balance=classes" in sentence
    assert "model.threshold=0.2 calls a row 'yes'" in sentence
    # One that was told to look for the rare class is no worse for being right less often.
    metrics, said = told(frame, "model=logistic_regression", "data.balance=classes")
    assert metrics["balanced_accuracy"] > 0.6
    assert metrics["accuracy"] <= metrics["baseline_accuracy"]
    assert said == []


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.long
def test_a_label_of_few_whole_numbers_may_name_classes(spark, tmp_path, monkeypatch, many):
    if many:  # so that some of the rows are looked at
        monkeypatch.setattr("experiments.data.few.MOST_ROWS", 50)
        monkeypatch.setattr("experiments.data.few.MOST_BYTES", 50)
    frame = rows_of(300).assign(kind=[0, 1, 2] * 100, grade=[0.5, 1, 2] * 100)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    for label, is_said in [("kind", True), ("grade", False), ("y", False)]:
        words = ["data=table", f"data.path={tmp_path / 'rows.csv'}", f"data.label={label}"]
        with load_data(spark, load(words).data, Task.regression, 42) as dataset:
            said = [each for each in dataset.warnings if "name classes" in each]
        assert bool(said) is is_said
        assert not said or said[0].startswith("data.label=kind has the values 0, 1, 2 alone")
    with load_data(spark, load(["data=iris"]).data, Task.regression, 42) as dataset:
        assert "data.label=species of data=iris names classes" in dataset.warnings[0]
    with load_data(spark, load(["data=diabetes"]).data, Task.regression, 42) as dataset:
        assert dataset.warnings == ()
