"""Runs that differ in their seed alone are one row with mean and deviation."""

import pandas as pd
import pytest

from experiments.terminal.comparison import _without_common, show_comparison
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


def test_a_deviation_over_folds_is_not_the_one_over_seeds():
    found = frame(
        ("1", "a seed=1", "FINISHED", "regression", "0.1", "1", "2", 4.0, 1.0),
        ("2", "a seed=2", "FINISHED", "regression", "0.1", "2", "2", 8.0, 1.0),
    ).assign(**{"metrics.cv_rmse": [5.0, 7.0], "metrics.cv_rmse_deviation": [0.1, 0.1]})
    compared = over_seeds(found, "cv_rmse")
    assert compared["cv_rmse_deviation"].tolist() == [pytest.approx(2**0.5)]
    assert "cv_rmse_deviation_deviation" not in compared


def test_metrics_of_training_rows_and_by_weight_have_the_direction_of_their_metric():
    found = frame(
        ("1", "a", "FINISHED", "regression", "0.1", "1", "2", 4.0, 1.0),
        ("2", "b", "FINISHED", "regression", "1", "1", "2", 8.0, 1.0),
    ).assign(**{"metrics.train_r2": [0.1, 0.9], "metrics.r2_by_weight": [0.2, 0.8]})
    assert over_seeds(found, "train_r2")["name"].tolist() == ["b", "a"]
    assert over_seeds(found, "r2_by_weight")["name"].tolist() == ["b", "a"]
    assert over_seeds(found)["name"].tolist() == ["a", "b"]


def test_other_peoples_runs_are_rows_of_their_own_and_change_no_column():
    found = frame(
        ("1", "a seed=1", "FINISHED", "regression", "0.1", "1", "2", 4.0, 1.0),
        ("2", "theirs", "FINISHED", None, None, None, None, 8.0, 1.0),
        ("3", "theirs too", "FINISHED", None, None, None, None, 9.0, 1.0),
        ("4", "of another kind", "FINISHED", "klassifikation", "0.1", None, None, 9.0, 1.0),
    ).assign(**{"metrics.name": [None, 1.0, 1.0, 1.0], "metrics.runs": [None, 7.0, 7.0, 7.0]})
    compared = over_seeds(found, "rmse")
    assert compared["name"].tolist() == ["a", "theirs", "theirs too", "of another kind"]
    assert compared["runs"].tolist() == [1, 1, 1, 1]
    assert compared["metrics.runs"].tolist()[1:] == [7.0] * 3


def test_the_same_seed_once_more_is_no_other_seed(capsys):
    found = frame(
        ("3", "a seed=1", "FINISHED", "regression", "0.1", "1", "2", 4.0, 1.0),
        ("2", "a seed=2", "FINISHED", "regression", "0.1", "2", "2", 8.0, 1.0),
        ("1", "a seed=1", "FINISHED", "regression", "0.1", "1", "2", 5.0, 1.0),
    )
    compared = over_seeds(found)
    assert compared["runs"].tolist() == [2]
    assert compared["rmse"].tolist() == [6.0]  # of the newest of each seed
    assert compared.attrs["repeated"] == 1
    show_comparison(compared, found.assign(experiment="houses"))
    assert "1 older run of the same config and seed left out" in " ".join(capsys.readouterr().out.split())
    assert over_seeds(found[:2]).attrs["repeated"] == 0


def test_what_sweeps_choose_by_comes_first_where_all_runs_have_it_and_is_said():
    found = frame(
        ("1", "a", "FINISHED", "regression", "0.1", "1", "2", 4.0, 1.0),
        ("2", "b", "FINISHED", "regression", "1", "1", "2", 8.0, 1.0),
    ).assign(**{"metrics.validation_rmse": [9.0, 3.0]})
    compared = over_seeds(found)
    assert (compared["name"].tolist(), compared.attrs["sorted_by"]) == (["b", "a"], "validation_rmse")
    found["metrics.validation_rmse"] = [float("nan"), 3.0]
    compared = over_seeds(found)
    assert (compared["name"].tolist(), compared.attrs["sorted_by"]) == (["a", "b"], "rmse")
    attrs = over_seeds(found, "rmse").attrs
    assert (attrs["sorted_by"], attrs["is_asked"]) == ("rmse", True)


def test_trials_are_sorted_by_what_their_sweep_chose_by(capsys):
    found = frame(
        ("1", "a", "FINISHED", "classification", "0.1", "1", "2", float("nan"), 1.0),
        ("2", "b", "FINISHED", "classification", "1", "1", "2", float("nan"), 1.0),
    ).assign(
        **{
            "metrics.validation_accuracy": [0.9, 0.7],
            "metrics.accuracy": [0.95, 0.7],
            "metrics.baseline_accuracy": [0.95, 0.95],
            "metrics.validation_balanced_accuracy": [0.5, 0.8],
            "experiment": "churn",
        }
    )
    assert over_seeds(found)["name"].tolist() == ["a", "b"]
    show_comparison(over_seeds(found), found)
    said = " ".join(capsys.readouterr().out.split())
    assert (
        "one answer for all rows has accuracy 0.95 (baseline_accuracy): --sort validation_balanced_accuracy says more"
        in said
    )
    found["chosen_by"] = "validation_balanced_accuracy"
    assert over_seeds(found)["name"].tolist() == ["b", "a"]
    show_comparison(over_seeds(found), found)
    said = " ".join(capsys.readouterr().out.split())
    assert said.startswith("run name runs validation_balanced_accuracy ")
    assert "the best first, by validation_balanced_accuracy, by which sweeps choose" in said
    assert "one answer for all rows" not in said
    found["chosen_by"] = ["validation_balanced_accuracy", "validation_accuracy"]
    assert over_seeds(found).attrs["sorted_by"] == "validation_accuracy"
    show_comparison(over_seeds(found, "accuracy"), found)
    assert "the best first, by accuracy\n" in capsys.readouterr().out


def test_a_comparison_says_by_what_it_is_sorted_and_what_is_left_out(capsys):
    found = frame(
        ("1", "a", "FINISHED", "regression", "0.1", "1", "2", 4.0, 1.0),
        ("2", "b", "FINISHED", "regression", "1", "1", "2", 8.0, 1.0),
        ("3", "c", "FAILED", "regression", "1", "1", "2", float("nan"), 1.0),
    ).assign(**{"metrics.validation_rmse": [9.0, 3.0, float("nan")], "experiment": "houses"})
    show_comparison(over_seeds(found), found)
    said = " ".join(capsys.readouterr().out.split())
    assert "by validation_rmse, by which sweeps choose: the held-out rows have no say in it" in said
    assert "1 run that did not finish is left out" in said
    found["metrics.validation_rmse"] = [float("nan"), 3.0, float("nan")]
    show_comparison(over_seeds(found), found)
    said = " ".join(capsys.readouterr().out.split())
    assert "by rmse of the rows that judge; within the training rows, by what not all have: --sort validation_r" in said
    found["chosen_by"] = [None, "validation_rmse", None]
    show_comparison(over_seeds(found), found)
    said = " ".join(capsys.readouterr().out.split())
    assert "their sweep chose by validation_rmse, which not all have: --sort validation_rmse" in said


def test_runs_of_the_same_data_that_were_judged_on_other_rows_are_told(capsys):
    found = frame(
        ("1", "few columns", "FINISHED", "regression", "0.1", "1", "2", 4.0, 1.0),
        ("2", "all columns", "FINISHED", "regression", "1", "1", "2", 8.0, 1.0),
        ("3", "another seed", "FINISHED", "regression", "1", "2", "2", 8.0, 1.0),
    ).assign(**{"experiment": "a", "params.data.name": "a", "judged_on": ["x", "y", "z"]})
    show_comparison(over_seeds(found), found)
    assert "not judged on the same rows" in (said := " ".join(capsys.readouterr().out.split()))
    assert "few columns | all columns;" in said
    alike = found.assign(name="one name", run_id=["1" * 32, "2" * 32, "3" * 32])
    show_comparison(over_seeds(alike), alike)
    assert "one name (11111111) | one name (22222222);" in " ".join(capsys.readouterr().out.split())
    assert "follows from the columns that are used" in said
    found["params.data.stratified"] = ["true", "nan", "nan"]
    show_comparison(over_seeds(found), found)
    assert "; they differ in data.stratified" in " ".join(capsys.readouterr().out.split())
    del found["params.data.stratified"]
    found["judged_on"] = ["x", "x", "z"]
    show_comparison(over_seeds(found), found)
    assert "not judged on the same rows" not in (said := " ".join(capsys.readouterr().out.split()))
    assert "holds out other rows: seed 1: few columns | 1, 2: all columns" in said
    found["judged_on"] = "x"
    show_comparison(over_seeds(found), found)
    assert "holds out" not in " ".join(capsys.readouterr().out.split())


def test_of_lists_what_not_all_runs_have_is_shown_as_it_is_written():
    assert _without_common(['["km", "€"]', '["km"]', '["km", "Größe"]']) == ["€", "", "Größe"]
    assert _without_common(["nan", '["a"]']) == ["", "a"]
    for others in (["1", "2"], ["[too long]", "x"], ['{"a": 1}', "nan"], ["nan", "nan"]):
        assert _without_common(others) == others
