"""The model of the best trial: kept from its own fit until no other can be better, then logged and registered."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from experiments.config.schema import LoggedModels
from experiments.config.values import plain
from experiments.errors import ExperimentError
from experiments.sweeps.outcome import Kind, Outcome, Standing, kind_of, standing_of
from experiments.sweeps.plan import Trial
from experiments.sweeps.shared_data import SharedData
from experiments.tracking.registry import Registered, Registration, register, registered_before
from experiments.tracking.run import TrackedRun

if TYPE_CHECKING:
    from pyspark.ml import PipelineModel
    from pyspark.sql import SparkSession


@dataclass
class _Best:
    """The best trial of one kind that has run here, with what its model is saved from."""

    trial: Trial
    standing: Standing
    fitted: PipelineModel
    run: TrackedRun
    kept: contextlib.ExitStack
    spark: SparkSession


class BestModels:
    """The best fitted pipeline of each kind. Safe for several threads."""

    def __init__(self, models: LoggedModels, shared: SharedData) -> None:
        self._models, self._shared = models, shared
        self._best: dict[Kind, _Best] = {}
        self._lock = threading.Lock()

    def offer(
        self, trial: Trial, fitted: PipelineModel, spark: SparkSession, run: TrackedRun, metrics: Mapping[str, float]
    ) -> None:
        """Keep the pipeline, with the data that its example is taken from, if it is the best of its kind so far."""
        kind, standing = kind_of(trial.config), standing_of(trial, metrics)
        if self._models is LoggedModels.none or standing is None:
            return
        kept = contextlib.ExitStack()
        with self._lock:
            worse = self._best.get(kind)
            if worse is not None and worse.standing >= standing:
                return
            kept.enter_context(self._shared.use(spark, trial.config))
            self._best[kind] = _Best(trial, standing, fitted, run, kept, spark)
        if worse is not None:
            worse.kept.close()

    def drop(self, trial: Trial) -> None:
        """Forget a trial that was offered and has failed all the same, as its run could not be closed."""
        with self._lock:
            lost = [kind for kind, best in self._best.items() if best.trial.hash == trial.hash]
            stacks = [self._best.pop(kind).kept for kind in lost]
        for stack in stacks:
            stack.close()

    def has(self, trial: Trial) -> bool:
        best = self._best.get(kind_of(trial.config))
        return best is not None and best.trial.hash == trial.hash

    def close(self) -> None:
        """Let go of the data."""
        for best in self._best.values():
            best.kept.close()

    def log(self, trial: Trial, outcome: Outcome, sweep: TrackedRun) -> Registered | None:
        """The model of a best trial, from its own fit, in its own run; registered where the config says so.

        Returns:
            The version that was registered, now or by an earlier command.

        Raises:
            ExperimentError: a model that should be there is not.
        """
        if self._models is LoggedModels.none:
            return None
        best = self._best.get(kind_of(trial.config))
        if not outcome.model_uri:
            if best is None or best.trial.hash != trial.hash:
                raise ExperimentError(f"the best trial, {trial.name}, has no model; sweep.rerun=true fits it again")
            outcome.model_uri = self._log_model(best, outcome)
        run = best.run if best is not None and self.has(trial) else sweep.other(outcome.run_id)
        if not trial.config.registry.register:
            return None
        return registered_before(run) or register(run, outcome.model_uri, Registration.of(plain(trial.config)))

    def _log_model(self, best: _Best, outcome: Outcome) -> str:
        with self._shared.use(best.spark, best.trial.config) as dataset:
            try:
                uri = best.run.log_model(best.trial.config, best.fitted, dataset)
            except BaseException:
                best.run.forget_model()
                raise
        best.run.log_metrics(outcome.metrics)  # once more, so that they are the model's too
        return uri
