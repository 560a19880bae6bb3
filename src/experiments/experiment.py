"""The one path: from a config to a tracked run of a fitted model."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from experiments import reports
from experiments.config import Config, TuningMethod
from experiments.data.checks import check_data
from experiments.data.dataset import Dataset
from experiments.data.loading import load_data
from experiments.errors import ConfigError
from experiments.evaluation import evaluate, objective
from experiments.inspection import inspect
from experiments.inspection.tuned import candidates
from experiments.pipeline.fitting import Prepared, check_estimator, fit_stages
from experiments.pipeline.stages import check_stages, stages_of
from experiments.pipeline.wiring import Wired, wire
from experiments.progress import Progress
from experiments.registry import check_registry, register
from experiments.scored import score
from experiments.session import name_jobs, starting_session
from experiments.store import check_store
from experiments.tracking import TrackedRun, tracked_run
from experiments.tuning import check_tuning, tune

if TYPE_CHECKING:
    from pyspark.ml import PipelineModel
    from pyspark.sql import DataFrame, SparkSession

    from experiments.sweep.trials import Trials

Prepare = Callable[[Sequence[Wired], Dataset], Prepared | None]


@dataclass(frozen=True)
class Result:
    """What a finished run yielded.

    Attributes:
        run_id: of MLflow.
        model_uri: `models:/…`, for `mlflow.spark.load_model`; None where no model was logged.
        metrics: of the predictions, as recorded.
        rows: `train_rows` and `test_rows`.
        seconds: `seconds_…` of each phase.
        objective: the metric that decides for the task, or None.
        registered: name and version in the model registry, or None.
    """

    run_id: str
    model_uri: str | None
    metrics: dict[str, float]
    rows: dict[str, int]
    seconds: dict[str, float]
    objective: float | None
    registered: str | None


def validate(config: Config) -> None:
    """Everything that can be known without Java.

    Raises:
        ConfigError: all problems together.
    """
    problems = check_stages(config)
    problems += [] if problems else check_tuning(config)
    problems += check_data(config)
    problems += check_registry(config)
    if problems:
        raise ConfigError(problems)


def run(
    config: Config, run_name: str | None = None, progress: Progress | None = None, trials: Trials | None = None
) -> Result:
    """Fit, evaluate and record one experiment. Uses the running SparkSession, or starts one that stays.

    Args:
        run_name: in MLflow; the model's name if none is given here or in the config.
        progress: told of every phase.
        trials: those that this is one of.

    Raises:
        ConfigError: before Spark starts.
        ExperimentError: afterwards; the run is then FAILED, with this reason.
    """
    progress = progress or Progress(config.model.name)
    starting = starting_session(config.cluster)
    try:
        validate(config)
        if trials is None or trials.parent is None:  # whose store was asked
            check_store(config.tracking)
        starting.allow()
        name = config.tracking.run or run_name or config.model.name
        with tracked_run(config, name, trials.parent_of(config) if trials else None) as tracked, _stopped_by(trials):
            with progress.phase("start"):
                progress.spark = starting.result()
            name_jobs(progress.spark, tracked.run_id, name)
            tracked.log_spark_conf(progress.spark)
            return _fitted_and_recorded(config, progress.spark, tracked, progress, trials)
    finally:
        starting.abandon()


@contextlib.contextmanager
def _stopped_by(trials: Trials | None) -> Iterator[None]:
    """An error that comes of the trials being stopped is an interruption of this one.

    Raises:
        KeyboardInterrupt: in its place.
    """
    try:
        yield
    except Exception as error:
        if trials is not None and trials.stopping.is_set():
            raise KeyboardInterrupt from error
        raise


def _fitted_and_recorded(
    config: Config, spark: SparkSession, tracked: TrackedRun, progress: Progress, trials: Trials | None
) -> Result:
    from pyspark import inheritable_thread_target

    model, data = config.model, config.data
    is_logged = trials is None or trials.logs_models
    with contextlib.ExitStack() as stack:
        with progress.phase("load"):
            loading = trials.shared.use(spark, config) if trials else load_data(spark, data, model.task, config.seed)
            dataset = stack.enter_context(loading)
        tracked.log_warnings(dataset.warnings)
        progress.warn(dataset.warnings)
        tuned = None
        if config.tuning.method is not TuningMethod.none:
            with progress.phase("tune"):
                tuned = tune(config, dataset, progress)
            tracked.log_best(tuned.best.values)
        with progress.phase("fit"):
            chosen = tuned.best.config if tuned else config
            prepare = functools.partial(trials.shared.prepared, chosen) if trials else None
            with reports.heard(functools.partial(_epoch, tracked, progress)):
                fitted, transformed = fit(chosen, dataset, stack, prepare)
        # Saving the model waits for disks, judging it for a processor. `score` is left first: it ends Spark's jobs when
        # the run is interrupted, so that there is no wait for the saving.
        beside = stack.enter_context(ThreadPoolExecutor(1, "save-model"))
        save = inheritable_thread_target(spark)(tracked.log_model)
        saved = beside.submit(save, fitted, dataset, config.cluster.shared_folder) if is_logged else None
        with progress.phase("evaluate"):
            scored = stack.enter_context(score(fitted, transformed, dataset, model.task))
            metrics = evaluate(scored)
            outputs = [*inspect(scored), *(candidates(tuned) if tuned else ())]
        with progress.phase("log"):
            tracked.log_data(dataset, data.name)
            tracked.log_outputs(outputs)
            model_uri = saved.result() if saved else None
    rows = {"train_rows": dataset.train_rows, "test_rows": dataset.test_rows}
    seconds = {f"seconds_{phase}": value for phase, value in progress.seconds.items()}
    tracked.log_metrics({**metrics, **rows, **seconds})
    if trials is not None:
        trials.offer(config, fitted, spark, tracked, {**metrics, **seconds})
    # Of several trials none is the best yet.
    is_registered = config.registry.register and trials is None
    registered = register(tracked, model_uri, config) if model_uri and is_registered else None
    decides = objective(metrics, model.task)
    return Result(tracked.run_id, model_uri, metrics, rows, seconds, decides, registered)


def _epoch(tracked: TrackedRun, progress: Progress, epoch: int, epochs: int, values: Mapping[str, float]) -> None:
    """Record and show an epoch of a fit that goes on."""
    progress.epoch(epoch, epochs, values)
    tracked.log_step(epoch, values)


def fit(
    config: Config, dataset: Dataset, keeping: contextlib.ExitStack, prepare: Prepare | None = None
) -> tuple[PipelineModel, DataFrame]:
    """The config's pipeline, fitted on the training rows. Runs on the driver.

    Args:
        keeping: what is cached for the fit and for the rows that are returned is freed at its end.
        prepare: fits the stages before the estimator where other trials have them too, or returns None.

    Returns:
        The pipeline and what it makes of all rows, which is not computed yet.

    Raises:
        ExperimentError: columns, values or rows that do not suit a stage.
    """
    from pyspark.ml import PipelineModel

    wired = wire(stages_of(config), dataset.label, dataset.feature_types, config.seed)
    check_estimator(wired[-1], config.model.task, dataset.train_rows, dataset.classes)
    least = config.model.least_partitions
    parts = least if config.data.partitions is None and least > dataset.partitions else None
    prepared = prepare(wired[:-1], dataset) if prepare is not None else None
    if prepared is None:
        fitted, read = fit_stages(wired, dataset.train, dataset.rows, parts, keeping)
    else:
        fitted, read = fit_stages(wired[-1:], prepared.train, prepared.rows, parts, keeping)
        fitted = [*prepared.stages, *fitted]
    return PipelineModel(fitted), fitted[-1].transform(read)
