"""Trials whose values are chosen one after another, at random or by what earlier ones yielded. Optuna chooses.

The study is what the store knows: each trial's run says what was chosen for it, so a sweep that goes on, on this
machine or another, is told all that is finished. Every choice has a seed of its own, by its place: with one trial at a
time a sweep that was killed and goes on chooses what it would have choice.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from experiments.config.schema import SweepMethod
from experiments.evaluation.objectives import judging, larger_is_better, merit
from experiments.sweeps.outcome import Outcome, deciding_of
from experiments.sweeps.plan import Plan, Trial
from experiments.sweeps.space import Combination, Dimension, Interval
from experiments.tracking.tags import CHOICE_TAG, STUDY_TAG

CASE = "case"
# So often another choice is asked for in place of one that was tried, before those that were not are taken in order.
MOST_REPEATS = 10
# A default of Optuna's is 10, which would leave small sweeps to chance.
RANDOM_AT_FIRST = 5


@dataclass
class _Choice:
    """One choice of values.

    Attributes:
        number: its place among the choices.
        params: Optuna's.
        asked: Optuna's trial, or None for one of an earlier command.
        trials: one for each seed, none if another choice has them.
        values: to the hash of each trial that has finished, its objectives; the more the better.
        ended: how many have.
    """

    number: int
    params: dict[str, Any]
    asked: optuna.trial.Trial | None
    trials: list[Trial] = field(default_factory=list)
    values: dict[str, list[float]] = field(default_factory=dict)
    ended: int = 0


class Search:
    """The choices of a sweep. Asked from one thread, told from any.

    Args:
        earlier: what earlier commands chose: the number of each choice to Optuna's params.
    """

    def __init__(self, plan: Plan, earlier: Mapping[int, Mapping[str, Any]]) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._plan, self._lock = plan, threading.Lock()
        self._distributions = dict(_distributions(plan))
        objectives = max(1, len(plan.config.sweep.objectives))
        self._study = optuna.create_study(directions=["maximize"] * objectives)
        self._earlier = earlier
        # To the hash of each trial, the choice that has it.
        self._by_hash: dict[str, _Choice] = {}
        self._untried = _all_params(plan, self._distributions)

    def trials(self) -> Iterator[Trial]:
        """All trials of the sweep, added to its plan: first those of choices that were begun before. A choice is made
        when it is asked for, so that it knows as much as can be."""
        for number in sorted(self._earlier):
            yield from self._choice(number, self._earlier[number], None).trials
        for number in range(self._plan.config.sweep.trials or 0):
            if number not in self._earlier:
                choice = self._new_choice(number)
                if choice is None:
                    return
                yield from choice.trials

    def tags(self, trial: Trial) -> dict[str, str]:
        """What the trial's run says of it, for the command that goes on."""
        choice = self._by_hash[trial.hash]
        said = {"number": choice.number, "params": choice.params}
        return {STUDY_TAG: self._plan.hash, CHOICE_TAG: json.dumps(said)}

    def ended(self, trial: Trial, outcome: Outcome) -> None:
        """How a trial ended; of its choice the means count, once it has ended with every seed."""
        with self._lock:
            choice = self._by_hash[trial.hash]
            choice.ended += 1
            if outcome.status == "FINISHED":
                choice.values[trial.hash] = _objectives(trial, outcome.metrics)
            if choice.ended == len(choice.trials):
                self._tell(choice)

    def _tell(self, choice: _Choice) -> None:
        means = [math.fsum(each) / len(each) for each in zip(*choice.values.values(), strict=True)]
        is_known = len(choice.values) == len(choice.trials) and all(map(math.isfinite, means))
        if choice.asked is not None:
            state = TrialState.COMPLETE if is_known else TrialState.FAIL
            self._study.tell(choice.asked, means if is_known else None, state)
        elif is_known:
            known = {name: self._distributions[name] for name in choice.params}
            self._study.add_trial(create_trial(params=choice.params, distributions=known, values=means))

    def _new_choice(self, number: int) -> _Choice | None:
        """A choice that was not made yet, or None where none is left."""
        for attempt in range(MOST_REPEATS):
            choice = self._ask_optuna(number, attempt)
            if choice.trials:
                return choice
        for params in self._untried:
            self._study.enqueue_trial(params)
            choice = self._ask_optuna(number, 0)
            if choice.trials:
                return choice
        return None

    def _ask_optuna(self, number: int, attempt: int) -> _Choice:
        """What Optuna chooses; a choice that another one has made before is told to have failed."""
        with self._lock:
            self._study.sampler = self._sampler(number, attempt)
            asked = self._study.ask()
            self._suggest_all(asked)
        choice = self._choice(number, asked.params, asked)
        if not choice.trials:
            with self._lock:
                self._study.tell(asked, state=TrialState.FAIL)
        return choice

    def _choice(self, number: int, params: Mapping[str, Any], asked: optuna.trial.Trial | None) -> _Choice:
        """A choice with its trials, but for those of another one."""
        choice = _Choice(number, dict(params), asked)
        for combination in self._combinations(params):
            trial = self._plan.trial(combination)
            if self._by_hash.setdefault(trial.hash, choice) is choice:
                choice.trials.append(trial)
        return choice

    def _sampler(self, number: int, attempt: int) -> optuna.samplers.BaseSampler:
        text = f"{self._plan.config.seed} {number} {attempt}"
        seed = int(hashlib.sha256(text.encode()).hexdigest()[:8], 16)
        if self._plan.config.sweep.method is SweepMethod.random:
            return optuna.samplers.RandomSampler(seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            # Parameters are looked at together, each case apart; trials that run count as bad ones meanwhile, so that
            # those beside each other differ.
            return optuna.samplers.TPESampler(
                n_startup_trials=RANDOM_AT_FIRST, seed=seed, multivariate=True, group=True, constant_liar=True
            )

    def _suggest_all(self, asked: optuna.trial.Trial) -> None:
        """Have Optuna choose whatever there is to choose in the case that it chooses first."""
        case = _suggest(asked, CASE, self._distributions[CASE]) if CASE in self._distributions else 0
        for name, _ in _named(self._plan, case):
            if name in self._distributions:
                _suggest(asked, name, self._distributions[name])

    def _combinations(self, params: Mapping[str, Any]) -> Iterator[Combination]:
        """What was chosen, with each seed."""
        named = _named(self._plan, params.get(CASE, 0))
        for seed in self._plan.space.seeds():
            yield tuple(
                (each, seed if each.is_seed else _spelled(each, params[name]) if name in params else each.values[0])
                for name, each in named
            )


def _named(plan: Plan, case: int) -> list[tuple[str, Dimension]]:
    """The dimensions of a case by their names in the study, where those of two cases differ."""
    common = [(each.key, each) for each in plan.space.common]
    return [*common, *((f"{case}: {each.key}", each) for each in plan.space.own[case])]


def _distributions(plan: Plan) -> Iterator[tuple[str, BaseDistribution]]:
    """Of everything that is chosen; seeds are not, every choice is tried with all of them."""
    if len(plan.space.own) > 1:
        yield CASE, CategoricalDistribution(range(len(plan.space.own)))
    for case in range(len(plan.space.own)):
        for name, each in _named(plan, case):
            if each.interval is not None:
                yield name, _of_interval(each.interval)
            elif each.is_swept and not each.is_seed:
                yield name, _of_values(each)


def _all_params(plan: Plan, distributions: Mapping[str, BaseDistribution]) -> Iterator[dict[str, Any]]:
    """Everything that can be chosen, case by case; nothing of a case with numbers that cannot be counted."""
    for case in range(len(plan.space.own)):
        names = [name for name, _ in _named(plan, case) if name in distributions]
        if not any(isinstance(distributions[name], FloatDistribution) for name in names):
            for values in itertools.product(*(_values_of(distributions[name]) for name in names)):
                yield {**({CASE: case} if CASE in distributions else {}), **dict(zip(names, values, strict=True))}


def _values_of(distribution: BaseDistribution) -> Sequence[Any]:
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices
    assert isinstance(distribution, IntDistribution)
    return range(distribution.low, distribution.high + 1)


def _of_interval(interval: Interval) -> BaseDistribution:
    if isinstance(interval.low, int) and isinstance(interval.high, int):
        return IntDistribution(interval.low, interval.high, log=interval.is_log)
    return FloatDistribution(interval.low, interval.high, log=interval.is_log)


def _of_values(dimension: Dimension) -> BaseDistribution:
    """Numbers have an order, by which neighbours are alike; names have none."""
    if _is_numeric(dimension):
        return IntDistribution(0, len(dimension.values) - 1)
    return CategoricalDistribution(range(len(dimension.values)))  # and not the values, which may hold secrets


def _is_numeric(dimension: Dimension) -> bool:
    try:
        return bool([float(value) for value in dimension.values])
    except ValueError:
        return False


def _suggest(asked: optuna.trial.Trial, name: str, distribution: BaseDistribution) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return asked.suggest_categorical(name, distribution.choices)
    if isinstance(distribution, IntDistribution):
        return asked.suggest_int(name, distribution.low, distribution.high, log=distribution.log)
    assert isinstance(distribution, FloatDistribution)
    return asked.suggest_float(name, distribution.low, distribution.high, log=distribution.log)


def _spelled(dimension: Dimension, chosen: Any) -> str:
    """What an override says for what Optuna chose: a number of an interval, else the place of a value."""
    if dimension.interval is not None:
        return dimension.interval.spell(chosen)
    values = sorted(dimension.values, key=float) if _is_numeric(dimension) else dimension.values
    return values[int(chosen)]


def _objectives(trial: Trial, metrics: Mapping[str, float]) -> list[float]:
    """The metrics that are looked at, turned so that more is better; not finite for one that the run does not have."""
    names = judging(trial.config) if trial.config.sweep.objectives else [deciding_of(trial, metrics) or ""]
    task = trial.config.model.task
    return [merit(metrics.get(name, math.nan), larger_is_better(name, task)) for name in names]
