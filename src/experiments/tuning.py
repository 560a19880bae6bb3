"""The best of a grid of parameters, found on the training rows alone.

Spark's own `CrossValidator` fits the whole pipeline for each candidate and fold. Here the stages that no candidate
changes are fitted once for each fold and what they make is cached; only the rest is fitted for each candidate, several
at a time, and each fitted candidate is let go once it is judged.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import statistics
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from omegaconf import OmegaConf

from experiments.config.schema import Config, ModelConfig, TuningConfig, TuningMethod
from experiments.config.values import flatten
from experiments.data.caching import cached
from experiments.data.dataset import FOLD, HELD_OUT, Dataset
from experiments.data.names import quoted
from experiments.data.roles import latest
from experiments.errors import ConfigError, ExperimentError, suggest, wrong_choice
from experiments.evaluation.judged import scored_rows
from experiments.evaluation.metrics import metrics_of
from experiments.evaluation.objectives import METRICS, OBJECTIVES, larger_is_better, merit
from experiments.pipeline.fitting import check_estimator, fit_stages
from experiments.pipeline.stages import stages_of
from experiments.pipeline.wiring import Wired, wire_to
from experiments.terminal.progress import Progress

if TYPE_CHECKING:
    from pyspark.ml import Transformer
    from pyspark.sql import DataFrame

MOST_PARALLEL = 8
MOST_CANDIDATES = 1_000


@dataclass
class Candidate:
    """Values for the grid's keys, and how the model with them does on rows that it was not fitted on.

    Attributes:
        values: key as in an override to value.
        config: the experiment's, with these values.
        by_fold: the metric.
        seconds: of fitting and judging, over all folds.
    """

    values: dict[str, Any]
    config: Config
    by_fold: dict[int, float] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def mean(self) -> float:
        return statistics.fmean(self.by_fold.values())

    @property
    def deviation(self) -> float:
        # Of a metric that is not finite there is none; statistics would stumble over it.
        return float(np.std(list(self.by_fold.values()), ddof=1)) if len(self.by_fold) > 1 else 0.0


@dataclass(frozen=True)
class Tuned:
    """All candidates, judged.

    Attributes:
        metric: that decides.
        larger_is_better: of the metric.
        candidates: in the order of the grid.
    """

    metric: str
    larger_is_better: bool
    candidates: list[Candidate]

    @property
    def best(self) -> Candidate:
        """The first of those with the best mean; one that is not finite is never better."""
        return max(self.candidates, key=lambda candidate: merit(candidate.mean, self.larger_is_better))


def candidates_of(config: Config) -> list[Candidate]:
    """Every combination of the grid's values, the last key changing fastest. Needs no JVM.

    Raises:
        ConfigError: keys that name no parameter of a stage, and values that do not suit them.
    """
    grid = dict(flatten(config.tuning.grid))
    problems = [problem for key, values in grid.items() for problem in _check_key(config, key, values)]
    if not grid:
        problems.append(
            f"tuning.grid must hold a parameter for tuning={config.tuning.method.value}, got none; for example "
            "'tuning.grid.model.estimator.maxIter=[10,100]'"
        )
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
    if tuning.method is TuningMethod.none:
        if tuning.grid:
            return ["tuning.grid must be empty without a method, got values; add tuning=cross_validation"]
        return []
    problems = []
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


def tune(config: Config, dataset: Dataset, progress: Progress) -> Tuned:
    """Judge every candidate on parts of the training rows. Runs on the driver.

    Raises:
        ExperimentError: too few rows, or a candidate that cannot be fitted.
    """
    from pyspark import inheritable_thread_target

    metric = config.tuning.metric
    candidates = candidates_of(config)
    wired = [wire_to(dataset, each.config) for each in candidates]
    for stages in wired:
        check_estimator(stages[-1], config.model.task, dataset.train_rows, dataset.classes)
    shared = _shared_stages(wired)
    with contextlib.ExitStack() as stack:
        folds = [
            stack.enter_context(_prepared(fold, wired[0][:shared]))
            for fold in _folds(dataset, config.tuning, config.seed)
        ]
        tasks = [(candidate, rest, fold) for candidate, rest in zip(candidates, wired, strict=True) for fold in folds]
        workers = config.tuning.parallelism or min(
            MOST_PARALLEL, dataset.rows.sparkSession.sparkContext.defaultParallelism
        )
        pool = stack.enter_context(_ended_early(ThreadPoolExecutor(min(workers, len(tasks)), "tune")))
        judge = inheritable_thread_target(dataset.rows.sparkSession)(_judge)  # in the job group and pool of this run
        running = [
            pool.submit(judge, candidate, rest[shared:], fold, dataset, metric) for candidate, rest, fold in tasks
        ]
        for done in as_completed(running):
            metric = done.result()
            progress.step(len(running), "fits")
    assert metric is not None
    tuned = Tuned(metric, larger_is_better(metric, config.model.task), candidates)
    if not math.isfinite(tuned.best.mean):
        raise ExperimentError(
            f"tuning.metric must be finite for a candidate, got {tuned.best.mean} for '{metric}' of all"
        )
    return tuned


@contextlib.contextmanager
def _ended_early(pool: ThreadPoolExecutor) -> Iterator[ThreadPoolExecutor]:
    """A pool that starts nothing more once something went wrong, and waits for nothing once it is interrupted."""
    try:
        yield pool
    except BaseException as error:
        pool.shutdown(wait=isinstance(error, Exception), cancel_futures=True)
        raise
    pool.shutdown()


def _shared_stages(wired: Sequence[Sequence[Wired]]) -> int:
    """How many of the first stages are the same for all candidates; the estimator is fitted for each."""
    most = min(len(stages) for stages in wired) - 1
    same = (all(stages[index] == wired[0][index] for stages in wired) for index in range(most))
    return sum(itertools.takewhile(bool, same))


@dataclass(frozen=True)
class _Fold:
    """Rows that candidates are fitted on, and rows that judge them."""

    number: int
    train: DataFrame
    held_out: DataFrame
    stages: tuple[Transformer, ...] = ()


def _folds(dataset: Dataset, tuning: TuningConfig, seed: int) -> list[_Fold]:
    """Parts by a hash of content and seed, so that a row is in the same part wherever it stands."""
    from pyspark.sql import functions as F

    names = [dataset.group] if dataset.group else [*dataset.features, *([dataset.label] if dataset.label else [])]
    number = F.xxhash64(F.lit(seed), F.lit(FOLD), *(F.col(quoted(name)) for name in names))
    if tuning.method is TuningMethod.cross_validation:
        key, parts, judging = "folds", tuning.folds, range(tuning.folds)
        part = F.pmod(number, F.lit(parts))
    else:
        key, parts, judging = "train_fraction", 2, range(1)
        share = F.shiftrightunsigned(number, 11) / float(1 << 53)
        late = latest(dataset.train, dataset.time, 1 - tuning.train_fraction) if dataset.time else None
        part = F.when(share < tuning.train_fraction if late is None else ~late, 1).otherwise(0)
    rows = dataset.train.withColumn(FOLD, part.cast("int"))
    if rows.select(FOLD).distinct().count() < parts:
        raise ExperimentError(
            f"tuning.{key} must leave rows in every part, got {getattr(tuning, key)} for {dataset.train_rows} training "
            "rows; use fewer folds or more rows"
        )
    return [
        _Fold(index, rows.where(f"{FOLD} != {index}").drop(FOLD), rows.where(f"{FOLD} = {index}").drop(FOLD))
        for index in judging
    ]


@contextlib.contextmanager
def _prepared(fold: _Fold, shared: Sequence[Wired]) -> Iterator[_Fold]:
    """The fold behind the stages that all candidates share, cached."""
    fitted, train = fit_stages(shared, fold.train)
    held_out = fold.held_out
    for stage in fitted:
        held_out = stage.transform(held_out)
    if fitted:
        train = fitted[-1].transform(train)
    with cached(train) as train, cached(held_out) as held_out:
        yield _Fold(fold.number, train, held_out, tuple(fitted))


def _judge(candidate: Candidate, rest: Sequence[Wired], fold: _Fold, dataset: Dataset, metric: str | None) -> str:
    """Fit a candidate on a fold's rows and measure it on those held out; returns the metric's name."""
    from pyspark.ml import PipelineModel
    from pyspark.sql import functions as F

    started = time.perf_counter()
    task = candidate.config.model.task
    chosen = ", ".join(f"{key}={value}" for key, value in candidate.values.items())
    try:
        fitted, _ = fit_stages(rest, fold.train)
    except ExperimentError as error:
        raise ExperimentError(f"{error} (with {chosen})") from error
    transformed = PipelineModel(fitted).transform(fold.held_out.withColumn(HELD_OUT, F.lit(True)))
    scored = scored_rows(PipelineModel([*fold.stages, *fitted]), transformed, dataset, task)
    metrics = metrics_of(scored, True)
    name = metric or next((name for name in OBJECTIVES[task] if name in metrics), OBJECTIVES[task][0])
    if name not in metrics:
        raise ExperimentError(
            f"tuning.metric must be one that every candidate has in every fold, got '{name}', which fold "
            f"{fold.number + 1} does not have with {chosen}"
        )
    candidate.by_fold[fold.number] = metrics[name]
    candidate.seconds += time.perf_counter() - started
    return name
