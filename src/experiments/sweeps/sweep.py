"""The trials of a sweep with their outcomes: what is left, how each ended, and the best of them."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from experiments.config.identity import data_key, stages_key
from experiments.config.schema import Config, LoggedModels
from experiments.errors import ExperimentError, is_of_infrastructure, readable_cause
from experiments.evaluation.objectives import base_name, judging
from experiments.figures.output import Output, Rows
from experiments.redaction import redact_text
from experiments.sweeps.best_model import BestModels
from experiments.sweeps.launcher import SECONDS_TO_LOOK
from experiments.sweeps.outcome import Kind, Outcome, best_of, deciding_of, outcome_of
from experiments.sweeps.plan import Plan, Trial
from experiments.sweeps.report import log_best, log_summary, other_metrics
from experiments.sweeps.shared_data import MOST_IDLE, SharedData
from experiments.sweeps.shown import Shown
from experiments.sweeps.trials import Trials
from experiments.terminal import interruption
from experiments.tracking.lifecycle import Parent
from experiments.tracking.run import TrackedRun
from experiments.tracking.sweeps import Choice
from experiments.tracking.tags import CHOSEN_BY_TAG

if TYPE_CHECKING:
    from mlflow.entities import Run
    from pyspark.ml import PipelineModel
    from pyspark.sql import SparkSession

    from experiments.experiment import Result
    from experiments.sweeps.search import Search
    from experiments.terminal.progress import Progress

Launch = Callable[[Iterable[Sequence[str]], int], Any]
SECONDS_BETWEEN_TABLES = 2.0
SECONDS_TO_RETRY = 1.0


class SweepFailed(ExperimentError):
    """Some trials failed; says which and why."""


class Sweep(Trials):
    """The trials of a plan with their outcomes. Trials report from their threads.

    Args:
        done: finished runs of earlier commands, by the hash of what they computed.
        choices: what earlier commands chose, by place.
    """

    def __init__(
        self, plan: Plan, run: TrackedRun, parent: Parent, done: dict[str, Run], choices: Mapping[int, Choice]
    ) -> None:
        missing = [trial for trial in plan.trials if trial.hash not in done]
        # Of values that are not chosen yet nobody knows what data they will need.
        needed = Counter(data_key(trial.config) for trial in missing) if plan.is_grid else None
        begin = Counter(stages_key(trial.config) for trial in plan.checked)
        alike = {key for key, trials in begin.items() if trials > 1}
        super().__init__(SharedData(needed, alike, max(MOST_IDLE, len(plan.space.seeds()))))
        self.parent: Parent = parent
        self.logs_models = plan.config.sweep.models is LoggedModels.all
        self.plan = plan
        self.run = run
        self.shown = Shown(plan.size, len(done))
        self.outcomes = {key: outcome_of(run) for key, run in done.items()}
        self._by_words: dict[tuple[str, ...], Trial] = {}
        self._best = BestModels(plan.config.sweep.models, self.shared)
        self._search = None if plan.is_grid else _search(plan, choices)
        self._lock = threading.Lock()
        self._written = 0.0

    def go(self, launch: Launch) -> None:
        """Everything that is left, then the models and the summary."""
        try:
            launch((trial.words for trial in self._missing()), 0)
            interruption.go_on()
            if not self.stopping.is_set():
                self._refit_earlier_bests(launch)
                self._beside(self._log_best_models)
        finally:
            self._best.close()
            self._log_summary()
        if all(self._outcome(trial).status == "FINISHED" for trial in self.plan.trials):
            log_best(self.run, self.best)

    def _missing(self) -> Iterator[Trial]:
        """The trials that are to run. A search chooses when it is asked, and is told of what is done already."""
        for trial in self._search.trials() if self._search is not None else self.plan.trials:
            self._by_words[trial.words] = trial
            if trial.hash not in self.outcomes:
                self.outcomes[trial.hash] = Outcome()
                yield trial
            elif self._search is not None:
                self._search.ended(trial, self.outcomes[trial.hash])
        if len(self.plan.trials) < self.plan.size:
            self.shown.say(f"there are no more than {len(self.plan.trials)} trials that differ")

    def _log_summary(self) -> None:
        try:
            log_summary(self.run, self.plan, self.table(), self.best, self.models)
        except Exception:
            self.check()  # which trials failed is told before what came of it
            raise

    def check(self) -> None:
        """Be content only with trials that have all finished, and of which one is the best.

        Raises:
            SweepFailed: with each trial that did not finish and why; none has the metric that decides.
        """
        missing = [trial for trial in self.plan.trials if self._outcome(trial).status != "FINISHED"]
        if missing:
            failed = sum(self._outcome(trial).status == "FAILED" for trial in missing)
            lines = [
                f"{failed} of {len(self.plan.trials)} trials failed"
                + (f" and {len(missing) - failed} did not run to their end" if failed < len(missing) else "")
                + "; the same command runs them again"
            ]
            reasons = [(trial.name, self._outcome(trial).reason) for trial in missing]
            raise SweepFailed("\n".join([*lines, *(f"{name}: {reason}" for name, reason in reasons if reason)]))
        if not self.best and self.plan.config.sweep.objectives:
            there = sorted({base_name(name) for outcome in self.outcomes.values() for name in outcome.metrics})
            raise SweepFailed(
                f"sweep.objectives must begin with a metric that trials have, got "
                f"'{self.plan.config.sweep.objectives[0]}', by which none could be judged; there are {', '.join(there)}"
            )

    def _beside(self, work: Callable[[], None]) -> None:
        """Done in another thread, as an interruption must not find this one waiting for an answer of Java's."""
        with ThreadPoolExecutor(1, "best-model") as pool:
            done = pool.submit(work)
            try:
                while not wait([done], timeout=SECONDS_TO_LOOK).done:
                    interruption.go_on()
            except BaseException:
                self.stopping.set()
                while not wait([done], timeout=SECONDS_TO_LOOK).done:
                    self.cancel()
                raise
            done.result()

    def trial_of(self, words: Sequence[str]) -> Trial:
        return self._by_words[tuple(words)]

    def parent_of(self, config: Config) -> Parent:
        chosen_by = {CHOSEN_BY_TAG: judging(config)[0]}
        if self._search is None:
            return replace(self.parent, tags=chosen_by)
        return replace(self.parent, tags={**chosen_by, **self._search.tags(self.plan.trial_of(config))})

    def started(self, trial: Trial, progress: Progress) -> None:
        self.outcomes[trial.hash] = Outcome("running")
        self.shown.started(trial.hash, progress)

    def is_tried_again(self, trial: Trial, error: BaseException, attempt: int) -> bool:
        """Whether a trial that was failed by what it runs on has another attempt, after a while."""
        if attempt >= self.plan.config.sweep.retries or self.stopping.is_set() or not is_of_infrastructure(error):
            return False
        self._best.drop(trial)  # a run that could not be closed was offered all the same
        self.shown.say(f"{trial.name}: is tried again after {redact_text(readable_cause(error))}")
        return not self.stopping.wait(SECONDS_TO_RETRY * 2**attempt)

    def succeeded(self, trial: Trial, result: Result, seconds: float) -> None:
        metrics = {**result.metrics, **result.seconds}
        self._ended(trial, Outcome("FINISHED", result.run_id, metrics, seconds, model_uri=result.model_uri or ""))

    def failed(self, trial: Trial, error: BaseException, seconds: float) -> None:
        """Also stops the sweep once too many have failed."""
        killed = not isinstance(error, Exception)
        reason = "" if killed else redact_text(readable_cause(error))
        self._ended(
            trial,
            Outcome("KILLED" if killed else "FAILED", getattr(error, "run_id", ""), seconds=seconds, reason=reason),
        )
        self._best.drop(trial)  # a run that could not be closed was offered all the same
        most = self.plan.config.sweep.max_failures
        if most is not None and sum(each.status == "FAILED" for each in list(self.outcomes.values())) > most:
            self.stopping.set()
            self.cancel()

    def _ended(self, trial: Trial, outcome: Outcome) -> None:
        self.shared.ended(trial.config)
        if self._search is not None:
            self._search.ended(trial, outcome)
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
        for trial in list(self.plan.trials):
            outcome = self._outcome(trial)
            metric = deciding_of(trial, outcome.metrics)
            rows.append(
                {
                    "trial": trial.number,
                    "name": trial.name,
                    **{key: trial.values.get(key, "") for key in self.plan.swept},
                    "status": outcome.status,
                    "metric": metric or "",
                    "value": outcome.metrics[metric] if metric else "",
                    **{name: outcome.metrics.get(name, "") for name in other_metrics(self.plan.config)},
                    "seconds": "" if outcome.seconds is None else round(outcome.seconds, 2),
                    "run_id": outcome.run_id,
                    "reason": outcome.reason,
                }
            )
        return rows

    @property
    def models(self) -> dict[int, str]:
        """URIs by the numbers of the trials, empty of those without a model."""
        return {trial.number: self._outcome(trial).model_uri for trial in self.plan.trials}

    @property
    def best(self) -> dict[Kind, Trial]:
        """The best finished trial, earlier ones included, for each data set and task."""
        return best_of(self.plan.trials, self.outcomes)

    def finished(
        self, config: Config, fitted: PipelineModel, spark: SparkSession, run: TrackedRun, metrics: Mapping[str, float]
    ) -> None:
        self._best.offer(self.plan.trial_of(config), fitted, spark, run, metrics)

    def _refit_earlier_bests(self, launch: Launch) -> None:
        """A best trial of an earlier command, of whose fit nothing is left to log, is run once more."""
        if self.plan.config.sweep.models is not LoggedModels.best:
            return
        lost = [
            trial for trial in self.best.values() if not self._outcome(trial).model_uri and not self._best.has(trial)
        ]
        for trial in lost:
            self.shared.expect(trial.config)
        if lost:
            self.shown.expect(len(lost))
            launch([trial.words for trial in lost], len(self.plan.trials))

    def _log_best_models(self) -> None:
        for trial in self.best.values():
            made = self._best.log(trial, self._outcome(trial), self.run)
            if made is not None:
                self.shown.say(f"registered {made.name} {made.version}: {made.alias}")

    def _outcome(self, trial: Trial) -> Outcome:
        return self.outcomes.get(trial.hash) or Outcome()


def _search(plan: Plan, choices: Mapping[int, Choice]) -> Search:
    # Half a second that a grid does not need.
    from experiments.sweeps.search import Search

    return Search(plan, {number: choice.params for number, choice in choices.items()})
