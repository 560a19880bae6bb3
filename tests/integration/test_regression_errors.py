"""Errors of a regression: the same of few rows on the driver and of many by Spark, and scikit-learn's."""

import math

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from experiments.evaluation.regression import Predicted, errors_of_many, errors_of_many_weighted


@pytest.fixture
def frame():
    random = np.random.default_rng(5)
    true = random.normal(1e6, 3.0, 2_001)
    columns = {"price": true, "prediction": true + random.normal(0.2, 1, 2_001), "w": random.uniform(0.1, 5, 2_001)}
    return pd.DataFrame({**columns, "_held_out": random.uniform(size=2_001) < 0.3})


@pytest.fixture
def rows(spark, frame):
    return spark.createDataFrame(frame).repartition(3)


@pytest.fixture(params=["few", "many"])
def errors(request, rows):
    """Unweighted and weighted."""
    if request.param == "few":
        few = Predicted.of(rows, "price", "w")
        return few.errors(True), few.weighted_errors()
    return errors_of_many(rows, "price", True), errors_of_many_weighted(rows, "price", "w")


@pytest.mark.parametrize("side", [True, False])
def test_errors_of_each_side_are_scikit_learns(errors, frame, side):
    mine, (found, weighted) = frame[frame["_held_out"] == side], (each[side] for each in errors)
    true, predicted, weight = mine["price"], mine["prediction"], mine["w"]
    assert found.rows == weighted.rows == len(mine)
    assert found.mse == pytest.approx(metrics.mean_squared_error(true, predicted))
    assert found.mae == pytest.approx(metrics.mean_absolute_error(true, predicted))
    assert found.relative == pytest.approx(metrics.mean_absolute_percentage_error(true, predicted))
    assert 1 - found.mse / found.variance == pytest.approx(metrics.r2_score(true, predicted))
    explained = 1 - found.error_variance / found.variance
    assert explained == pytest.approx(metrics.explained_variance_score(true, predicted))
    assert weighted.mse == pytest.approx(metrics.mean_squared_error(true, predicted, sample_weight=weight))
    assert weighted.mae == pytest.approx(metrics.mean_absolute_error(true, predicted, sample_weight=weight))
    r2 = 1 - weighted.mse / weighted.variance
    assert r2 == pytest.approx(metrics.r2_score(true, predicted, sample_weight=weight))
    if side:  # by Spark it is one of the errors, here the middle of two
        assert found.median == pytest.approx(metrics.median_absolute_error(true, predicted), rel=5e-3)
    else:
        assert found.median is None


def test_a_side_without_rows_has_no_errors_and_rows_without_weights_none_by_weight(rows):
    few = Predicted.of(rows.where("_held_out"), "price", None)
    assert set(few.errors(True)) == {True}
    assert few.weighted_errors() == {}
    assert set(errors_of_many(rows.where("_held_out"), "price", True)) == {True}


def test_a_prediction_that_is_no_number_makes_no_number_of_the_errors(spark):
    few = spark.createDataFrame(
        [(1.0, math.nan, True), (2.0, 2.0, True)], "price double, prediction double, _held_out boolean"
    )
    assert math.isnan(Predicted.of(few, "price", None).errors(True)[True].mse)
    assert math.isnan(errors_of_many(few, "price", True)[True].mse)


@pytest.mark.parametrize("is_few", [True, False])
def test_labels_that_are_all_alike_have_no_variance_and_a_side_that_weighs_nothing_no_errors(spark, is_few):
    """The mean of a hundred times 0.1 is another number than 0.1."""
    frame = pd.DataFrame({"price": 0.1, "prediction": 0.3, "w": 1.0, "_held_out": [True] * 100 + [False] * 3})
    frame.loc[~frame["_held_out"], "w"] = 0.0
    rows = spark.createDataFrame(frame).coalesce(1)
    if is_few:
        few = Predicted.of(rows, "price", "w")
        errors, weighted = few.errors(True), few.weighted_errors()
    else:
        errors, weighted = errors_of_many(rows, "price", True), errors_of_many_weighted(rows, "price", "w")
    assert set(weighted) == {True}
    assert set(errors) == {True, False}
    for found in (*errors.values(), *weighted.values()):
        assert found.mse == pytest.approx(0.04)
        assert found.variance == pytest.approx(0, abs=1e-30)
    if is_few:
        assert [found.variance for found in (*errors.values(), *weighted.values())] == [0, 0, 0]
        assert errors[True].error_variance == 0
