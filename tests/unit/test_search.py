"""Values are chosen by what earlier trials yielded, the same ones again after a kill, and never twice."""

import json
import math

import pytest

from experiments.sweeps.outcome import Outcome
from experiments.sweeps.search import Search
from experiments.tracking.tags import CHOICE_TAG

RIDGE = ("model=ridge", "data=diabetes", "model.estimator.regParam=tag(log,interval(0.001,1000))")
BEST = 0.3


def error(trial):
    """The problem whose optimum is known."""
    return 1 + math.log10(trial.config.model.estimator["regParam"] / BEST) ** 2


def go_on(search, measure, most=None):
    """Run what is asked, one at a time; returns the trials, and what was chosen by number, as the store would say."""
    trials, chosen = [], {}
    for trial in search.trials():
        if len(trials) == most:
            break
        said = json.loads(search.tags(trial)[CHOICE_TAG])
        chosen[said["number"]] = said["params"]
        search.ended(trial, Outcome("FINISHED", metrics={"validation_rmse": measure(trial)}))
        trials.append(trial)
    return trials, chosen


def test_tpe_finds_a_known_optimum_in_40_trials_as_it_learns_where_to_look(planned):
    best, late = {}, {}
    for method in ("tpe", "random"):
        trials, _ = go_on(Search(planned(*RIDGE, f"sweep={method}", "sweep.trials=40"), {}), error)
        assert len(trials) == 40
        best[method] = min(map(error, trials))
        late[method] = sum(error(trial) - 1 for trial in trials[20:])
    assert best["tpe"] < 1 + math.log10(1.1) ** 2  # within 10 % of the optimum, of six powers of ten
    assert late["tpe"] < 0.6 * late["random"]


def test_a_search_that_goes_on_chooses_what_it_would_have_chosen(planned):
    words = (*RIDGE, "model.estimator.elasticNetParam=0,0.5,1", "sweep=tpe", "sweep.trials=20")
    whole, _ = go_on(Search(planned(*words), {}), error)
    _, chosen = go_on(Search(planned(*words), {}), error, most=14)
    plan = planned(*words)
    search = Search(plan, chosen)
    rest = []
    for trial in search.trials():
        if len(plan.trials) > 14:
            rest.append(trial)
        search.ended(trial, Outcome("FINISHED", metrics={"validation_rmse": error(trial)}))
    assert [trial.hash for trial in plan.trials] == [trial.hash for trial in whole]
    assert len(rest) == 6


def test_choices_depend_on_the_seed_and_random_ones_on_nothing_else(planned):
    words = (*RIDGE, "sweep=random", "sweep.trials=5")
    first, _ = go_on(Search(planned(*words), {}), error)
    again, _ = go_on(Search(planned(*words), {}), lambda trial: 1 / error(trial))
    other, _ = go_on(Search(planned(*words, "seed=7"), {}), error)
    assert [trial.name for trial in first] == [trial.name for trial in again]
    assert {trial.name for trial in first}.isdisjoint(trial.name for trial in other)


def test_each_case_has_values_of_its_own(planned):
    interval = "tag(log,interval(0.01,1))"
    cases = f"model=ridge model.estimator.regParam={interval}", "model=gbt model.estimator.maxDepth=2,3,4,5,6,7,8"
    plan = planned("data=diabetes", f'sweep.cases=["{cases[0]}","{cases[1]}"]', "sweep=tpe", "sweep.trials=12")
    trials, _ = go_on(Search(plan, {}), lambda trial: len(trial.name))
    assert {trial.config.model.name for trial in trials} == {"ridge", "gbt"}
    for trial in trials:
        own = {"ridge": "model.estimator.regParam", "gbt": "model.estimator.maxDepth"}[trial.config.model.name]
        assert set(trial.values) == {"model", own}
        assert 0.01 <= trial.config.model.estimator.get("regParam", 1) <= 1


def test_a_choice_is_tried_with_every_seed_and_judged_by_the_mean(planned):
    plan = planned(*RIDGE, "seed=1,2,3", "sweep=tpe", "sweep.trials=4")
    assert plan.size == 12
    search = Search(plan, {})
    trials, _ = go_on(search, lambda trial: trial.config.seed)
    assert [trial.config.seed for trial in trials] == [1, 2, 3] * 4
    assert len({trial.config.model.estimator["regParam"] for trial in trials}) == 4
    assert [each.value for each in search._study.trials] == [-2.0] * 4


def test_several_objectives_and_trials_that_fail_or_lack_one(planned):
    plan = planned(*RIDGE, "sweep=tpe", "sweep.trials=4", "sweep.objectives=[r2,seconds_fit]")
    search = Search(plan, {})
    given = [
        {"validation_r2": 0.5, "seconds_fit": 2.0},
        {"validation_r2": 0.7},
        None,
        {"validation_r2": math.nan, "seconds_fit": 1.0},
    ]
    for trial, metrics in zip(search.trials(), given, strict=True):
        search.ended(trial, Outcome("FINISHED", metrics=metrics) if metrics else Outcome("FAILED"))
    states = [each.state.name for each in search._study.trials]
    assert states == ["COMPLETE", "FAIL", "FAIL", "FAIL"]
    assert search._study.trials[0].values == [0.5, -2.0]  # less of seconds is better


def test_no_choice_is_tried_twice_and_none_is_left_out(planned):
    plan = planned("data=diabetes", "model.estimator.maxIter=int(interval(1,3))", "sweep=tpe", "sweep.trials=10")
    trials, _ = go_on(Search(plan, {}), lambda trial: trial.config.model.estimator["maxIter"])
    assert sorted(trial.config.model.estimator["maxIter"] for trial in trials) == [1, 2, 3]
    words = ("model.estimator.maxIter=range(1,6)", "model.estimator.solver=normal,l-bfgs,auto")
    trials, _ = go_on(Search(planned("data=diabetes", *words, "sweep=tpe", "sweep.trials=15"), {}), error_of_place)
    assert len({trial.hash for trial in trials}) == 15


def error_of_place(trial):
    return trial.config.model.estimator["maxIter"]


def test_what_failed_is_tried_again_with_the_same_values(planned):
    words = (*RIDGE, "sweep=tpe", "sweep.trials=9")
    search, names = Search(planned(*words), {}), []
    chosen = {}
    for trial in search.trials():
        names.append(trial.name)
        said = json.loads(search.tags(trial)[CHOICE_TAG])
        chosen[said["number"]] = said["params"]
        failed = len(names) == 7
        search.ended(
            trial, Outcome("FAILED") if failed else Outcome("FINISHED", metrics={"validation_rmse": error(trial)})
        )
    again, _ = go_on(Search(planned(*words), chosen), error)
    assert [trial.name for trial in again] == names


def test_a_place_in_a_list_is_kept_and_not_its_value(planned):
    paths = "data.path='s3://me:hunter2@host/x','s3://me:hunter3@host/x'"
    search = Search(planned("data=table", "data.label=a", paths, "sweep=random", "sweep.trials=2", "seed=1,1"), {})
    for trial in search.trials():
        assert "hunter" not in f"{search.tags(trial)} {trial.name} {trial.values}"
        search.ended(trial, Outcome("FINISHED", metrics={"validation_rmse": 1.0}))
    assert {each.state.name for each in search._study.trials} == {"COMPLETE"}


@pytest.mark.parametrize("method", ["random", "tpe"])
def test_choices_asked_beside_each_other_differ(planned, method):
    search = Search(planned(*RIDGE, f"sweep={method}", "sweep.trials=15"), {})
    trials = list(search.trials())  # none has ended yet
    assert len({trial.hash for trial in trials}) == 15
