"""The one path: from a config to a tracked run of a fitted model."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from experiments.cluster.jobs import active_tasks, named_jobs
from experiments.cluster.session import StartingSession, starting_session
from experiments.config.identity import stage_columns
from experiments.config.schema import Config, TuningMethod
from experiments.config.values import plain
from experiments.data.dataset import Dataset
from experiments.data.loading import load_data
from experiments.errors import lists_of
from experiments.evaluation.judged import score
from experiments.evaluation.metrics import evaluate
from experiments.evaluation.objectives import key_metrics, objective
from experiments.inspection import inspect
from experiments.inspection.candidates import candidates
from experiments.inspection.doubts import doubts, is_a_guess
from experiments.pipeline.fitting import Made, Prepared, check_estimator, fit_stages
from experiments.pipeline.wiring import Wired, wire_to
from experiments.terminal import interruption
from experiments.terminal.harmless import markdown
from experiments.terminal.progress import Progress
from experiments.tracking.lifecycle import Parent, tracked_run
from experiments.tracking.registry import Registered, Registration, register
from experiments.tracking.run import TrackedRun
from experiments.tracking.store import check_store, words_of
from experiments.training.driver import announcements
from experiments.tuning.grid import Tuned
from experiments.tuning.judge import tune
from experiments.validation import validate

if TYPE_CHECKING:
    from pyspark.ml import PipelineModel
    from pyspark.sql import SparkSession

Prepare = Callable[[Sequence[Wired], Dataset], Prepared | None]


@dataclass(frozen=True)
class Result:
    """What a finished run yielded.

    Attributes:
        run_id, experiment_id, experiment: ids, and the name of the latter, of MLflow.
        model_uri: `models:/…`, for `mlflow.spark.load_model`; None where no model was logged.
        metrics: of the predictions, as recorded.
        rows: `train_rows` and `test_rows`.
        seconds: `seconds_…` of each phase.
        objective: the metric that decides for the task, or None.
        registered: the model's version in the registry, or None.
        is_spooled: whether the store did not take all of it, and the spool has the rest.
        positive: the class of two that precision, recall and f1 are about, else None.
        where: words that lead to the store; none where nobody chose one.
    """

    run_id: str
    experiment_id: str
    experiment: str
    model_uri: str | None
    metrics: dict[str, float]
    rows: dict[str, int]
    seconds: dict[str, float]
    objective: float | None
    registered: Registered | None
    is_spooled: bool = False
    positive: str | None = None
    where: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """On a line or two, as a notebook shows it; the attributes have the rest."""
        judged = [f"{name}={value:.4g}" for name, value in self.metrics.items() if not name.startswith("train_")]
        version = [f"registered={'{} {}: {}'.format(*self.registered)!r}"] if self.registered else []
        return f"Result({', '.join([f'run_id={self.run_id!r}', f'model_uri={self.model_uri!r}', *version, *judged])})"


class Alone:
    """What surrounds a run. Here there is nothing around it; runs of one sweep share more, see `sweeps.trials`.

    Attributes:
        logs_models: whether the run logs its model itself.
    """

    logs_models = True

    def check_store(self, config: Config) -> None:
        """Ask the store whether it is there.

        Raises:
            ConfigError: it does not answer.
        """
        check_store(config.tracking)

    def parent_of(self, config: Config) -> Parent | None:
        """The run that the run of a config is a child of."""
        return None

    def go_on(self) -> None:
        """Let the next phase begin.

        Raises:
            KeyboardInterrupt: the run was told to stop.
        """
        interruption.go_on()

    def interruptible(self) -> contextlib.AbstractContextManager[None]:
        """Within it an error that comes of being told to stop is an interruption."""
        return interruption.interruptible(self.interruption_of)

    def interruption_of(self, error: Exception) -> KeyboardInterrupt | SystemExit | None:
        """A new one of what told the run to stop, where an error came of that."""
        return interruption.interruption_of(error)

    def data(self, spark: SparkSession, config: Config) -> contextlib.AbstractContextManager[Dataset]:
        """The loaded data set, for as long as the block lasts."""
        return load_data(spark, config.data, config.model.task, config.seed, stage_columns(config))

    def prepared(self, config: Config, wired: Sequence[Wired], dataset: Dataset) -> Prepared | None:
        """The stages before the estimator fitted already, or None where the run is to fit them."""
        return None

    def finished(
        self, config: Config, fitted: PipelineModel, spark: SparkSession, run: TrackedRun, metrics: Mapping[str, float]
    ) -> None:
        """Told of a run that has recorded everything, with what its model can be saved from."""

    def register(self, run: TrackedRun, model_uri: str | None, config: Config) -> Registered | None:
        """The registered model, None where the run registers none."""
        if not model_uri or not config.registry.register:
            return None
        return register(run, model_uri, Registration.of(plain(config)))


def run(
    config: Config, run_name: str | None = None, progress: Progress | None = None, around: Alone | None = None
) -> Result:
    """Fit, evaluate and record one experiment. Uses the running SparkSession, or starts one that stays.

    Args:
        run_name: in MLflow; the model's name if none is given here or in the config.
        progress: told of every phase.
        around: what surrounds the run; nothing by default.

    Raises:
        ConfigError: before Spark starts.
        ExperimentError: afterwards; the run is then FAILED, with this reason.
    """
    around = around or Alone()
    progress = progress or Progress(config.model.name)
    starting = starting_session(config.cluster)
    try:
        validate(config)
        around.check_store(config)
        starting.allow()
        name = config.tracking.run or run_name or config.model.name
        with tracked_run(config, name, around.parent_of(config)) as tracked, around.interruptible():
            progress.watch(starting.waiting)
            with _phase("start", progress, around):
                spark = starting.result()
            progress.watch(functools.partial(active_tasks, spark))
            with named_jobs(spark, tracked.run_id, name):
                tracked.log_spark_conf(spark)
                return _fitted_and_recorded(config, starting, tracked, progress, around)
    finally:
        starting.abandon()


@contextlib.contextmanager
def _phase(name: str, progress: Progress, around: Alone, spark: SparkSession | None = None) -> Iterator[None]:
    """Time a phase, show that it runs, and name Spark's jobs after it."""
    around.go_on()
    if spark is not None:
        spark.sparkContext.setJobDescription(f"{progress.title}: {name}")
    with progress.phase(name):
        yield


def _fitted_and_recorded(
    config: Config, starting: StartingSession, tracked: TrackedRun, progress: Progress, around: Alone
) -> Result:
    from pyspark import inheritable_thread_target

    spark = starting.result()
    phase = functools.partial(_phase, progress=progress, around=around, spark=spark)
    with contextlib.ExitStack() as stack, lists_of(config.data):
        with phase("load"):
            dataset = _with_warnings(stack.enter_context(around.data(spark, config)), starting.warnings)
        _warn(dataset.warnings, 0, tracked, progress)
        tuned = _tuned(config, dataset, tracked, progress, phase)
        with phase("fit"), announcements.heard(functools.partial(_epoch, tracked, progress)):
            chosen = tuned.best.config if tuned else config
            fitted, made = fit(chosen, dataset, stack, functools.partial(around.prepared, chosen))
        # Saving the model waits for disks, judging it for a processor. `score` is left first: it ends Spark's jobs when
        # the run is interrupted, so that there is no wait for the saving.
        beside = stack.enter_context(ThreadPoolExecutor(1, "save-model"))
        save = inheritable_thread_target(spark)(tracked.log_model)
        saved = beside.submit(save, config, fitted, dataset) if around.logs_models else None
        with phase("evaluate"):
            scored = stack.enter_context(score(fitted, made, dataset, config.model.task))
            metrics = {**evaluate(scored), **(tuned.metrics if tuned else {})}
            outputs = [*inspect(scored), *(candidates(tuned) if tuned else ())]
            doubtful, is_guess = doubts(scored, metrics, outputs), is_a_guess(scored, metrics)
        _warn([*dataset.warnings, *doubtful], len(dataset.warnings), tracked, progress, is_guess)
        with phase("log"):
            tracked.log_data(dataset, config)
            tracked.log_outputs(outputs)
            model_uri = saved.result() if saved else None
    seconds = {f"seconds_{phase}": value for phase, value in progress.seconds.items()}
    tracked.log_metrics({**metrics, **dataset.counts, **seconds})
    said = "".join(f"\n\n- {markdown(each)}" for each in [*dataset.warnings, *doubtful])
    tracked.describe(note(config, metrics, dataset) + said)
    around.finished(config, fitted, spark, tracked, {**metrics, **seconds})
    registered = around.register(tracked, model_uri, config)
    ids = (tracked.run_id, tracked.experiment_id, tracked.experiment)
    best = objective(metrics, config.model.task)
    more = (tracked.is_spooled, dataset.positive, tuple(words_of(config.tracking)))
    return Result(*ids, model_uri, metrics, dataset.counts, seconds, best, registered, *more)


def _tuned(
    config: Config,
    dataset: Dataset,
    tracked: TrackedRun,
    progress: Progress,
    phase: Callable[[str], contextlib.AbstractContextManager[None]],
) -> Tuned | None:
    """The best of the config's grid, recorded; None where nothing is tuned."""
    if config.tuning.method is TuningMethod.none:
        return None
    with phase("tune"):
        tuned = tune(config, dataset, progress)
    tracked.log_best(tuned.best.values)
    return tuned


def note(config: Config, metrics: Mapping[str, float], dataset: Dataset) -> str:
    """What was done and what came of it, as MLflow's page of a run begins; in Markdown."""
    names = key_metrics(metrics, config.model.task)
    figures = ", ".join(f"{name} {metrics[name]:.6g}" for name in names)
    of = ", ".join(filter(None, (config.data.name, config.data.label)))
    figures += f", of '{markdown(dataset.positive)}'" if "f1" in names and dataset.positive else ""
    rows = f"{dataset.train_rows:,} training rows, {dataset.test_rows:,} held-out rows"
    return f"{markdown(config.model.name)} on {markdown(of)}{': ' if figures else ''}{figures} ({rows})"


def _with_warnings(dataset: Dataset, more: Sequence[str]) -> Dataset:
    """What else is to be said of a run, before what is said of its data."""
    return replace(dataset, warnings=(*more, *dataset.warnings)) if more else dataset


def _warn(warnings: Sequence[str], known: int, tracked: TrackedRun, progress: Progress, is_guess: bool = False) -> None:
    """Record all warnings, and that a model is a guess, and show the warnings that are new."""
    if is_guess:
        tracked.mark_as_guess()
    if len(warnings) > known:
        tracked.log_warnings(warnings)
        progress.warn(warnings[known:])


def _epoch(tracked: TrackedRun, progress: Progress, epoch: int, epochs: int, values: Mapping[str, float]) -> None:
    """Record and show an epoch of a fit that goes on."""
    progress.epoch(epoch, epochs, values)
    tracked.log_step(epoch, values)


def fit(
    config: Config, dataset: Dataset, keeping: contextlib.ExitStack, prepare: Prepare | None = None
) -> tuple[PipelineModel, Made]:
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

    wired = wire_to(dataset, config)
    check_estimator(wired[-1], config.model.task, dataset.train_rows, dataset.classes)
    least = config.model.least_partitions
    parts = least if config.data.partitions is None and least > dataset.partitions else None
    prepared = prepare(wired[:-1], dataset) if prepare is not None else None
    if prepared is None:
        fitted, read = fit_stages(wired, dataset.train, dataset.rows, parts, keeping)
    else:
        fitted, read = fit_stages(wired[-1:], prepared.train, prepared.rows, parts, keeping)
        fitted = [*prepared.stages, *fitted]
    return PipelineModel(fitted), read.by(fitted[-1])
