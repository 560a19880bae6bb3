"""Runs that differ in their seed alone are one row with mean and deviation."""

import pandas as pd
import pytest

from experiments.tracking.runs import over_seeds


def frame(*rows):
    columns = ["run_id", "name", "status", "params.model.task", "params.regParam", "params.seed", "params.sweep.n_jobs"]
    return pd.DataFrame(rows, columns=[*columns, "metrics.rmse", "metrics.seconds_fit"])


def test_seeds_and_circumstances_are_averaged_and_parameters_are_not():
    found = frame(
        ("1", "a seed=1", "FINISHED", "regression", "0.1", "1", "2", 4.0, 1.0),
        ("2", "a seed=2", "FINISHED", "regression", "0.1", "2", "4", 8.0, 1.0),
        ("3", "b", "FINISHED", "regression", "1", "1", "2", 5.0, 1.0),
        ("4", "c", "FAILED", "regression", "1", "1", "2", float("nan"), 1.0),
    )
    compared = over_seeds(found)
    assert list(compared.columns) == [
        *("run_id", "name", "runs", "rmse", "rmse_deviation", "seconds_fit", "seconds_fit_deviation")
    ]
    assert compared["run_id"].tolist() == ["3", "1"]
    assert compared["rmse"].tolist() == [5.0, 6.0]  # the best first
    assert compared["runs"].tolist() == [1, 2]
    assert compared["name"].tolist() == ["b", "a"]
    assert compared["rmse_deviation"].tolist() == [pytest.approx(float("nan"), nan_ok=True), pytest.approx(8**0.5)]


def test_where_nothing_has_finished_there_is_nothing_to_compare():
    assert len(over_seeds(frame())) == 0
    assert len(over_seeds(pd.DataFrame())) == 0
