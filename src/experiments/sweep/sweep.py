"""A sweep from its plan to the end: what is done already, what runs, what the best is, and how it all ended."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.config import Config, LoggedModels, Task, config_hash
from experiments.errors import ExperimentError, readable_cause
from experiments.evaluation import METRICS, deciding
from experiments.inspection.output import Output, Rows
from experiments.redaction import redact_text
from experiments.registry import register
from experiments.session import StartingSession, starting_session
from experiments.store import check_store, tracking_uri
from experiments.sweep.plan import Plan, Trial
from experiments.sweep.record import close_gone, experiments_of, finished_runs, sweep_run
from experiments.sweep.shared import SharedData, data_key
from experiments.sweep.show import Shown, dry_run, print_table
from experiments.sweep.summary import log_summary
from experiments.sweep.threads import SECONDS_TO_LOOK
from experiments.sweep.trials import Trials, current
from experiments.tracking import Parent, TrackedRun, given_experiment, open_store

if TYPE_CHECKING:
    from mlflow.entities import Run
    from pyspark.ml import PipelineModel
    from pyspark.sql import SparkSession

    from experiments.experiment import Result
    from experiments.progress import Progress

Launch = Callable[[Sequence[Sequence[str]], int], Any]
SECONDS_BETWEEN_TABLES = 2.0


@dataclass
class Outcome:
    """How far a trial is.

    Attributes:
        status: `waiting`, `running`, `FINISHED`, `FAILED` or `KILLED`.
        run_id: of MLflow.
        metrics: as recorded.
        seconds: that it took.
        reason: why it failed.
        model_uri: of its logged model, empty without one.
    """

    status: str = "waiting"
    run_id: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    seconds: float | None = None
    reason: str = ""
    model_uri: str = ""


@dataclass
class _Best:
    """The best trial of one kind that has run here, with what its model is saved from."""

    trial: Trial
    rank: tuple[float, int]
    fitted: PipelineModel
    run: TrackedRun
    kept: contextlib.ExitStack
    spark: SparkSession


class SweepFailed(ExperimentError):
    """Some trials failed; says which and why."""


def run_sweep(plan: Plan, launch: Launch) -> None:
    """Run what is not done yet, and record all of it as one run with a child for each trial.

    Raises:
        ConfigError: nothing was started.
        SweepFailed: once all others have ended.
    """
    config = plan.config
    if config.sweep.dry_run:
        dry_run(plan, _done_without_writing(plan))
        return
    starting = starting_session(config.cluster)
    try:
        _run(plan, launch, starting)
    finally:
        starting.abandon()


def _run(plan: Plan, launch: Launch, starting: StartingSession) -> None:
    config = plan.config
    check_store(config.tracking)
    client = open_store(config)
    close_gone(client, sorted(set(experiments_of(client, plan).values())))
    done = {} if config.sweep.rerun else finished_runs(client, plan)
    if len(done) < len(plan.trials):
        starting.allow()
    given = given_experiment(client)
    with sweep_run(client, plan) as run:
        sweep = Sweep(plan, run, Parent(run.run_id, given), done)
        token = current.set(sweep)
        try:
            with sweep.shown:
                sweep.go(launch)
        finally:
            current.reset(token)
            sweep.shared.close()
            print_table(plan, sweep.table(), sweep.best_of_all(), run.run_id)
        sweep.check()


def _done_without_writing(plan: Plan) -> dict[str, Run]:
    """What is done; of a local store that is not there yet nothing is, and asking MLflow would make it."""
    uri = tracking_uri(plan.config.tracking)
    if plan.config.sweep.rerun or (uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).exists()):
        return {}
    check_store(plan.config.tracking)
    return finished_runs(open_store(plan.config), plan)


class Sweep(Trials):
    """The trials of a plan with their outcomes. Trials report from their threads."""

    def __init__(self, plan: Plan, run: TrackedRun, parent: Parent, done: dict[str, Run]) -> None:
        missing = [trial for trial in plan.trials if trial.hash not in done]
        super().__init__(SharedData(Counter(data_key(trial.config) for trial in missing)))
        self.parent = parent
        self.logs_models = plan.config.sweep.models is LoggedModels.all
        self.plan = plan
        self.run = run
        self.outcomes = {trial.hash: Outcome() for trial in plan.trials}
        for key, earlier in done.items():
            self.outcomes[key] = _earlier(earlier)
        self.shown = Shown(len(plan.trials), len(done))
        self._by_hash = {trial.hash: trial for trial in plan.trials}
        self._by_words = {trial.words: trial for trial in plan.trials}
        self._best: dict[tuple[str, Task], _Best] = {}
        self._lock = threading.Lock()
        self._written = 0.0

    def go(self, launch: Launch) -> None:
        """Everything that is left, then the models and the summary."""
        try:
            launch([trial.words for trial in self.plan.trials if self._is(trial, "waiting")], 0)
            if not self.stopping.is_set():
                self._refit_earlier_bests(launch)
                self._beside(self._log_best_models)
        finally:
            for best in self._best.values():
                best.kept.close()
            log_summary(self.run, self.plan, self.table(), self.best_of_all())

    def check(self) -> None:
        """
        Raises:
            SweepFailed: with each trial that did not finish and why.
        """
        missing = [trial for trial in self.plan.trials if not self._is(trial, "FINISHED")]
        if missing:
            failed = sum(self._is(trial, "FAILED") for trial in missing)
            lines = [
                f"{failed} of {len(self.plan.trials)} trials failed"
                + (f" and {len(missing) - failed} did not run to their end" if failed < len(missing) else "")
                + "; the same command runs them again"
            ]
            reasons = [(trial.name, self.outcomes[trial.hash].reason) for trial in missing]
            raise SweepFailed("\n".join([*lines, *(f"{name}: {reason}" for name, reason in reasons if reason)]))

    def _beside(self, work: Callable[[], None]) -> None:
        """Done in another thread, as an interruption must not find this one waiting for an answer of Java's."""
        with ThreadPoolExecutor(1, "best-model") as pool:
            done = pool.submit(work)
            try:
                while not wait([done], timeout=SECONDS_TO_LOOK).done:
                    pass
            except BaseException:
                self.stopping.set()
                while not wait([done], timeout=SECONDS_TO_LOOK).done:
                    self.cancel()
                raise
            done.result()

    def trial_of(self, words: Sequence[str]) -> Trial:
        return self._by_words[tuple(words)]

    def started(self, trial: Trial, progress: Progress) -> None:
        with self._lock:
            self.outcomes[trial.hash].status = "running"
        self.shown.started(trial.hash, progress)

    def finished(self, trial: Trial, result: Result, seconds: float) -> None:
        outcome = Outcome("FINISHED", result.run_id, result.metrics, seconds, model_uri=result.model_uri or "")
        self._ended(trial, outcome)

    def failed(self, trial: Trial, error: BaseException, seconds: float) -> None:
        """Also stops the sweep once too many have failed."""
        killed = not isinstance(error, Exception)
        reason = "" if killed else redact_text(readable_cause(error))
        self._ended(
            trial,
            Outcome("KILLED" if killed else "FAILED", getattr(error, "run_id", ""), seconds=seconds, reason=reason),
        )
        with self._lock:  # a run that could not be closed was offered all the same
            lost = [kind for kind, best in self._best.items() if best.trial.hash == trial.hash]
            stacks = [self._best.pop(kind).kept for kind in lost]
        for stack in stacks:
            stack.close()
        most = self.plan.config.sweep.max_failures
        if most is not None and sum(each.status == "FAILED" for each in self.outcomes.values()) > most:
            self.stopping.set()
            self.cancel()

    def _ended(self, trial: Trial, outcome: Outcome) -> None:
        self.shared.ended(trial.config)
        with self._lock:
            self.outcomes[trial.hash] = outcome
            self.shown.ended(trial.hash, trial.name, outcome.status, outcome.reason)
            if time.monotonic() - self._written < SECONDS_BETWEEN_TABLES:
                return
            self._written = time.monotonic()
            rows = self.table()
        # A store that is gone is found by the next trial, and said at the end.
        with contextlib.suppress(Exception):
            self.run.log_outputs([Output("trials", rows)])

    def table(self) -> Rows:
        """A row for each trial: its name, what was swept, how it ended, what it is judged by, its run."""
        rows = []
        for trial in self.plan.trials:
            outcome = self.outcomes[trial.hash]
            metric = deciding(outcome.metrics, trial.config.model.task)
            rows.append(
                {
                    "trial": trial.number,
                    "name": trial.name,
                    **{key: trial.values.get(key, "") for key in self.plan.swept},
                    "status": outcome.status,
                    "metric": metric or "",
                    "value": outcome.metrics[metric] if metric else "",
                    "seconds": "" if outcome.seconds is None else round(outcome.seconds, 2),
                    "run_id": outcome.run_id,
                    "reason": outcome.reason,
                }
            )
        return rows

    def best_of_all(self) -> dict[tuple[str, Task], Trial]:
        """The best finished trial, earlier ones included, for each data set and task."""
        best: dict[tuple[str, Task], tuple[tuple[float, int], Trial]] = {}
        for trial in self.plan.trials:
            rank, kind = _rank(trial, self.outcomes[trial.hash].metrics), _kind(trial.config)
            if self._is(trial, "FINISHED") and rank is not None and (kind not in best or rank > best[kind][0]):
                best[kind] = (rank, trial)
        return {kind: trial for kind, (_, trial) in best.items()}

    def offer(
        self, config: Config, fitted: PipelineModel, spark: SparkSession, run: TrackedRun, metrics: dict[str, float]
    ) -> None:
        """Keep the pipeline, with the data that its example is taken from, if it is the best of its kind so far."""
        trial, kind = self._by_hash[config_hash(config)], _kind(config)
        rank = _rank(trial, metrics)
        if self.plan.config.sweep.models is LoggedModels.none or rank is None:
            return
        kept = contextlib.ExitStack()
        with self._lock:
            worse = self._best.get(kind)
            if worse is not None and worse.rank >= rank:
                return
            kept.enter_context(self.shared.use(spark, config))
            self._best[kind] = _Best(trial, rank, fitted, run, kept, spark)
        if worse is not None:
            worse.kept.close()

    def _refit_earlier_bests(self, launch: Launch) -> None:
        """A best trial of an earlier command, of whose fit nothing is left to log, is run once more."""
        if self.plan.config.sweep.models is not LoggedModels.best:
            return
        lost = [
            trial
            for kind, trial in self.best_of_all().items()
            if not self.outcomes[trial.hash].model_uri
            and (kind not in self._best or self._best[kind].trial.hash != trial.hash)
        ]
        for trial in lost:
            self.shared.expect(trial.config)
        if lost:
            self.shown.expect(len(lost))
            launch([trial.words for trial in lost], len(self.plan.trials))

    def _log_best_models(self) -> None:
        """The model of each best trial, from its own fit, in its own run; registered where the config says so.

        Raises:
            ExperimentError: a model that should be there is not.
        """
        if self.plan.config.sweep.models is LoggedModels.none:
            return
        for kind, trial in self.best_of_all().items():
            best, outcome = self._best.get(kind), self.outcomes[trial.hash]
            if not outcome.model_uri:
                if best is None or best.trial.hash != trial.hash:
                    raise ExperimentError(f"the best trial, {trial.name}, has no model; sweep.rerun=true fits it again")
                outcome.model_uri = self._log_model(best, outcome)
            if trial.config.registry.register and not self._is_registered(outcome):
                client = self.run.client
                register(TrackedRun(client, client.get_run(outcome.run_id)), outcome.model_uri, trial.config)

    def _log_model(self, best: _Best, outcome: Outcome) -> str:
        with self.shared.use(best.spark, best.trial.config) as dataset:
            try:
                uri = best.run.log_model(best.fitted, dataset, best.trial.config.cluster.shared_folder)
            except BaseException:
                best.run.forget_model()
                raise
        best.run.log_metrics(outcome.metrics)  # once more, so that they are the model's too
        return uri

    def _is_registered(self, outcome: Outcome) -> bool:
        return bool(self.run.client.search_model_versions(f"run_id='{outcome.run_id}'"))

    def _is(self, trial: Trial, status: str) -> bool:
        return self.outcomes[trial.hash].status == status


def _earlier(run: Run) -> Outcome:
    info = run.info
    seconds = (info.end_time - info.start_time) / 1000 if info.end_time else None
    outputs = run.outputs.model_outputs if run.outputs is not None else []
    uri = f"models:/{outputs[0].model_id}" if outputs else ""
    return Outcome(info.status, info.run_id, dict(run.data.metrics), seconds, model_uri=uri)


def _rank(trial: Trial, metrics: dict[str, float]) -> tuple[float, int] | None:
    """Larger is better, what is no number is the worst; of equals the first of the plan, whichever ended first."""
    task = trial.config.model.task
    metric = deciding(metrics, task)
    if metric is None:
        return None
    value = metrics[metric] if METRICS[task][metric] else -metrics[metric]
    return (value if math.isfinite(value) else -math.inf, -trial.number)


def _kind(config: Config) -> tuple[str, Task]:
    """Trials of one kind can be compared."""
    return config.data.name, config.model.task
