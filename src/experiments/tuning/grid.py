"""The candidates of a grid of parameters, and which of them is the best."""

from __future__ import annotations

import itertools
import math
import statistics
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from omegaconf import OmegaConf

from experiments.config.schema import Config, ModelConfig, TuningConfig, TuningMethod
from experiments.config.values import flatten
from experiments.errors import ConfigError, suggest, wrong_choice
from experiments.evaluation.objectives import METRICS, merit, prefix_of
from experiments.pipeline.stages import stages_of

MOST_CANDIDATES = 1_000


@dataclass
class Candidate:
    """Values for the grid's keys, and how the model with them does on rows that it was not fitted on.

    Attributes:
        values: key as in an override to value.
        config: the experiment's, with these values.
        measured: all metrics, by fold.
        metric: that decides, once it is known.
        seconds: of fitting and judging, over all folds.
    """

    values: dict[str, Any]
    config: Config
    measured: dict[int, dict[str, float]] = field(default_factory=dict)
    metric: str = ""
    seconds: float = 0.0

    @property
    def said(self) -> str:
        """The values, for the end of a sentence."""
        return f" (with {', '.join(f'{key}={value}' for key, value in self.values.items())})" if self.values else ""

    @property
    def by_fold(self) -> dict[int, float]:
        """The metric that decides."""
        return {fold: found[self.metric] for fold, found in self.measured.items()}

    @property
    def mean(self) -> float:
        return statistics.fmean(self.by_fold.values())

    @property
    def deviation(self) -> float:
        return _deviation(list(self.by_fold.values())) if len(self.by_fold) > 1 else 0.0


@dataclass(frozen=True)
class Tuned:
    """All candidates, judged.

    Attributes:
        metric: that decides.
        larger_is_better: of the metric.
        candidates: in the order of the grid; without a grid one, the experiment itself.
        method: by which.
    """

    metric: str
    larger_is_better: bool
    candidates: list[Candidate]
    method: TuningMethod

    @property
    def best(self) -> Candidate:
        """The first of those with the best mean; one that is not finite is never better."""
        return max(self.candidates, key=lambda candidate: merit(candidate.mean, self.larger_is_better))

    @property
    def metrics(self) -> dict[str, float]:
        """Of the best, on rows that it was not fitted on: the mean over folds as `cv_METRIC` with
        `cv_METRIC_deviation`, or `validation_METRIC`."""
        folds = list(self.best.measured.values())
        means, prefix = {}, prefix_of(self.method)
        for name in folds[0]:
            values = [found[name] for found in folds if name in found]
            if len(values) == len(folds):
                means[f"{prefix}{name}"] = statistics.fmean(values)
                if len(values) > 1:
                    means[f"{prefix}{name}_deviation"] = _deviation(values)
        return means


def _deviation(values: list[float]) -> float:
    """Of a sample; of values that are not finite there is none, which statistics would stumble over."""
    return float(np.std(values, ddof=1))


def candidates_of(config: Config) -> list[Candidate]:
    """Every combination of the grid's values, the last key changing fastest; without a grid the config as it is.

    Needs no JVM.

    Raises:
        ConfigError: keys that name no parameter of a stage, and values that do not suit them.
    """
    grid = dict(flatten(config.tuning.grid))
    problems = [problem for key, values in grid.items() for problem in _check_key(config, key, values)]
    if problems:
        raise ConfigError(problems)
    size = math.prod(len(values) for values in grid.values())
    if size > MOST_CANDIDATES:
        raise ConfigError([f"tuning.grid must have at most {MOST_CANDIDATES:,} combinations, got {size:,}"])
    combinations = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    return [Candidate(values, _with_values(config, values)) for values in combinations]


def check_tuning(config: Config) -> list[str]:
    """A sentence for each problem. Needs no JVM."""
    tuning = config.tuning
    problems = _unheeded(tuning)
    if tuning.method is TuningMethod.none:
        if tuning.grid:
            return [*problems, "tuning.grid must be empty without a method, got values; add tuning=cross_validation"]
        return problems
    if tuning.folds < 2:
        problems.append(f"tuning.folds must be 2 or more, got {tuning.folds}")
    if not 0 < tuning.train_fraction < 1:
        problems.append(f"tuning.train_fraction must be between 0 and 1, got {tuning.train_fraction}")
    if tuning.parallelism is not None and tuning.parallelism < 1:
        problems.append(f"tuning.parallelism must be 1 or more, got {tuning.parallelism}")
    if tuning.metric is not None and tuning.metric not in METRICS[config.model.task]:
        problems.append(wrong_choice("tuning.metric", tuning.metric, METRICS[config.model.task]))
    try:
        candidates_of(config)
    except ConfigError as error:
        problems += error.problems
    return problems


def _unheeded(tuning: TuningConfig) -> list[str]:
    """A sentence for each setting of another method."""
    problems = []
    for key, method in (("folds", TuningMethod.cross_validation), ("train_fraction", TuningMethod.train_validation)):
        value, unset = getattr(tuning, key), getattr(TuningConfig(), key)
        if value != unset and tuning.method is not method:
            problems.append(
                f"tuning.{key} must be left out without tuning={method.value}, which alone heeds it, got {value}"
            )
    return problems


def _check_key(config: Config, key: str, values: Any) -> list[str]:
    """One key of the grid, each of its values alone: what is wrong is then said of that value."""
    if not isinstance(values, list) or not values:
        return [f"tuning.grid.{key} must be a list of values, got {values!r}; as in 'tuning.grid.{key}=[1,2]'"]
    stages = [stage.key for stage in stages_of(config)]
    if not any(key.startswith(f"{stage}.") for stage in stages):
        near = suggest(key, [f"{stage}.{key.rpartition('.')[2]}" for stage in stages])
        return [f"tuning.grid must have keys below {', '.join(stages)}, got '{key}'{near}"]
    problems: list[str] = []
    for value in values:
        try:
            stages_of(_with_values(config, {key: value}))
        except ConfigError as error:
            problems += [f"tuning.grid.{problem}" for problem in error.problems if problem not in problems]
    return list(dict.fromkeys(problems))


def _with_values(config: Config, values: dict[str, Any]) -> Config:
    stages = OmegaConf.create(
        {
            "preprocessing": config.preprocessing,
            "model": {"stages": config.model.stages, "estimator": config.model.estimator},
        }
    )
    for key, value in values.items():
        OmegaConf.update(stages, key, value, merge=True, force_add=True)
    plain: Any = OmegaConf.to_container(stages)
    model: ModelConfig = replace(config.model, **plain["model"])
    return replace(config, preprocessing=plain["preprocessing"], model=model)
