"""How trials ended, and which of them is the best."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from experiments.config.schema import Config, Task
from experiments.evaluation.objectives import deciding, judging, larger_is_better, merit
from experiments.sweeps.plan import Trial

if TYPE_CHECKING:
    from mlflow.entities import Run

Kind = tuple[str, str | None, Task]
Standing = tuple[float, int]


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


def outcome_of(run: Run) -> Outcome:
    """The outcome of a run of an earlier command."""
    info = run.info
    seconds = (info.end_time - info.start_time) / 1000 if info.end_time else None
    outputs = run.outputs.model_outputs if run.outputs is not None else []
    uri = f"models:/{outputs[0].model_id}" if outputs else ""
    return Outcome(info.status, info.run_id, dict(run.data.metrics), seconds, model_uri=uri)


def deciding_of(trial: Trial, metrics: Mapping[str, float]) -> str | None:
    """Name of the metric by which the trial is judged, if it has it."""
    names = judging(trial.config)
    return deciding(metrics, trial.config.model.task, names[:1] if trial.config.sweep.objectives else names)


def standing_of(trial: Trial, metrics: Mapping[str, float]) -> Standing | None:
    """Larger is better, what is no number is the worst; of equals the first of the plan, whichever ended first."""
    metric = deciding_of(trial, metrics)
    if metric is None:
        return None
    return merit(metrics[metric], larger_is_better(metric, trial.config.model.task)), -trial.number


def kind_of(config: Config) -> Kind:
    """Trials of one kind can be compared."""
    return config.data.name, config.data.label, config.model.task


def best_of(trials: Iterable[Trial], outcomes: Mapping[str, Outcome]) -> dict[Kind, Trial]:
    """The best finished trial of each kind."""
    best: dict[Kind, tuple[Standing, Trial]] = {}
    for trial in trials:
        outcome, kind = outcomes.get(trial.hash), kind_of(trial.config)
        standing = standing_of(trial, outcome.metrics) if outcome is not None and outcome.status == "FINISHED" else None
        if standing is not None and (kind not in best or standing > best[kind][0]):
            best[kind] = (standing, trial)
    return {kind: trial for kind, (_, trial) in best.items()}
