"""The best of a grid of parameters, found on the training rows alone.

Spark's own `CrossValidator` fits the whole pipeline for each candidate and fold. Here the stages that no candidate
changes are fitted once for each fold and what they make is cached; only the rest is fitted for each candidate, several
at a time, and each fitted candidate is let go once it is judged.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextvars import copy_context
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from experiments.config.schema import Config, TuningConfig, TuningMethod
from experiments.data.caching import cached
from experiments.data.dataset import FOLD, HELD_OUT, Dataset
from experiments.data.names import quoted
from experiments.data.roles import latest
from experiments.errors import ExperimentError
from experiments.evaluation.judged import scored_rows
from experiments.evaluation.metrics import metrics_of
from experiments.evaluation.objectives import OBJECTIVES, OF_CURVES, deciding, larger_is_better
from experiments.pipeline.fitting import check_estimator, fit_stages
from experiments.pipeline.wiring import Wired, wire_to
from experiments.terminal import interruption
from experiments.terminal.progress import Progress
from experiments.tuning.grid import Candidate, Tuned, candidates_of

if TYPE_CHECKING:
    from pyspark.ml import Transformer
    from pyspark.sql import DataFrame

MOST_PARALLEL = 8


def tune(config: Config, dataset: Dataset, progress: Progress) -> Tuned:
    """Judge every candidate on parts of the training rows. Runs on the driver.

    Raises:
        ExperimentError: too few rows, or a candidate that cannot be fitted.
    """
    from pyspark import inheritable_thread_target

    candidates = candidates_of(config)
    wired = [wire_to(dataset, each.config) for each in candidates]
    for stages in wired:
        check_estimator(stages[-1], config.model.task, dataset.train_rows, dataset.classes)
    # What is prepared for one candidate alone would be cached to be read once.
    shared = _shared_stages(wired) if len(candidates) > 1 else 0
    with contextlib.ExitStack() as stack:
        folds = _folds(dataset, config.tuning, config.seed)
        if len(candidates) > 1:
            folds = [stack.enter_context(_prepared(fold, wired[0][:shared])) for fold in folds]
        tasks = [(candidate, rest, fold) for candidate, rest in zip(candidates, wired, strict=True) for fold in folds]
        workers = config.tuning.parallelism or min(
            MOST_PARALLEL, dataset.rows.sparkSession.sparkContext.defaultParallelism
        )
        pool = stack.enter_context(_ended_early(ThreadPoolExecutor(min(workers, len(tasks)), "tune")))
        judge = inheritable_thread_target(dataset.rows.sparkSession)(_judge)  # in the job group and pool of this run
        running = [
            pool.submit(copy_context().run, judge, candidate, rest[shared:], fold, dataset)
            for candidate, rest, fold in tasks
        ]
        for done in as_completed(running):
            interruption.go_on()
            done.result()
            progress.step(len(running), "fits")
    metric = _deciding_of(candidates, config)
    for candidate in candidates:
        candidate.metric = metric
    tuned = Tuned(metric, larger_is_better(metric, config.model.task), candidates, config.tuning.method)
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
    classes = [dataset.label] if dataset.classes is not None and dataset.label is not None else []
    found = {tuple(row) for row in rows.select(FOLD, *classes).distinct().collect()}
    if len({place for place, *_ in found}) < parts:
        raise ExperimentError(
            f"tuning.{key} must leave rows in every part, got {getattr(tuning, key)} for {dataset.train_rows} training "
            "rows; use fewer folds or more rows, or in a sweep sweep.judged_by=test"
        )
    for index in judging if classes else ():
        left = {label for place, label in found if place != index}
        if len(left) < 2:  # of one class Spark makes a model that always says the other
            raise ExperimentError(
                f"tuning.{key} must leave two classes to fit on, got only '{dataset.class_name(int(left.pop()))}' "
                f"where part {index + 1} judges; use more rows or other parts, or in a sweep sweep.judged_by=test"
            )
    return [
        _Fold(index, rows.where(f"{FOLD} != {index}").drop(FOLD), rows.where(f"{FOLD} = {index}").drop(FOLD))
        for index in judging
    ]


@contextlib.contextmanager
def _prepared(fold: _Fold, shared: Sequence[Wired]) -> Iterator[_Fold]:
    """The fold behind the stages that all candidates share, cached."""
    fitted, read = fit_stages(shared, fold.train)
    train, held_out = read.rows, fold.held_out
    for stage in fitted:
        held_out = stage.transform(held_out)
    if fitted:
        train = fitted[-1].transform(train)
    with cached(train) as train, cached(held_out) as held_out:
        yield _Fold(fold.number, train, held_out, tuple(fitted))


def _judge(candidate: Candidate, rest: Sequence[Wired], fold: _Fold, dataset: Dataset) -> None:
    """Fit a candidate on a fold's rows and measure it on those held out."""
    from pyspark.ml import PipelineModel
    from pyspark.sql import functions as F

    started = time.perf_counter()
    task = candidate.config.model.task
    try:
        fitted, _ = fit_stages([*rest[:-1], _alone(rest[-1])], fold.train)
    except ExperimentError as error:
        raise ExperimentError(f"{error}{candidate.said}") from error
    dataset = replace(dataset, test_rows=dataset.test_rows or dataset.train_rows)  # here some are held out
    transformed = PipelineModel(fitted).transform(fold.held_out.withColumn(HELD_OUT, F.lit(True)))
    scored = scored_rows(PipelineModel([*fold.stages, *fitted]), transformed, dataset, task)
    # Of an experiment that is judged itself all metrics are told; of a grid's candidates what they are compared by.
    wanted = {candidate.config.tuning.metric, *candidate.config.sweep.objectives}
    candidate.measured[fold.number] = metrics_of(scored, True, not candidate.values or bool(wanted & {*OF_CURVES}))
    candidate.seconds += time.perf_counter() - started


def _alone(estimator: Wired) -> Wired:
    """An estimator that leaves nothing for the fit on all training rows to go on from."""
    return replace(estimator, params={key: value for key, value in estimator.params.items() if key != "checkpointDir"})


def _deciding_of(candidates: Sequence[Candidate], config: Config) -> str:
    """The metric that decides, which all have in every fold."""
    task = config.model.task
    first = candidates[0].measured[min(candidates[0].measured)]
    metric = config.tuning.metric or deciding(first, task) or OBJECTIVES[task][0]
    for candidate in candidates:
        lacking = [fold for fold, found in candidate.measured.items() if metric not in found]
        if lacking:
            raise ExperimentError(
                f"tuning.metric must be one that every candidate has in every fold, got '{metric}', which fold "
                f"{lacking[0] + 1} does not have{candidate.said}; there are {', '.join(first)}"
            )
    return metric
