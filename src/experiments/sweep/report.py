"""What a sweep's run shows at its end: table, best parameters, figures, and a report that stands alone."""

from __future__ import annotations

import base64
import math
import tempfile
from collections.abc import Container, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from experiments.config.schema import Task
from experiments.evaluation.objectives import larger_is_better, merit
from experiments.figures import charts
from experiments.figures.output import Output, Rows
from experiments.sweep import figures
from experiments.sweep.importance import importances
from experiments.sweep.outcome import Kind
from experiments.sweep.plan import Plan, Trial
from experiments.terminal.harmless import markdown
from experiments.tracking.run import TrackedRun, write_outputs

TEMPLATE = Path(__file__).with_name("report.html")


def log_summary(run: TrackedRun, plan: Plan, rows: Rows, best: Mapping[Kind, Trial]) -> None:
    """Table, figures, report, description and counts of the sweep's run."""
    outputs = [Output("trials", rows), *_figures(plan, rows)]
    with tempfile.TemporaryDirectory() as folder:
        write_outputs(outputs, Path(folder))
        (Path(folder) / "report.html").write_text(report(plan, rows, best, Path(folder)), encoding="utf-8")
        run.log_files(Path(folder))
    ended = {status: sum(row["status"] == status for row in rows) for status in ("FINISHED", "FAILED", "KILLED")}
    metrics = {f"trials_{status.lower()}": float(count) for status, count in ended.items()}
    metrics |= _best_values(rows, best)
    run.log_metrics({"trials": float(len(rows)), **metrics})
    run.describe(_note(rows, best))


def log_best(run: TrackedRun, best: Mapping[Kind, Trial]) -> None:
    """The best parameters, where all trials can be compared, as params: of a sweep that is complete, as a param never
    changes. Those that the run has, as it was complete before it was given more trials, stay."""
    if len(best) == 1 and not any(key.startswith("best.") for key in run.params()):
        (trial,) = best.values()
        run.log_best(trial.values)


def _best_values(rows: Rows, best: Mapping[Kind, Trial]) -> dict[str, float]:
    """The best value under its metric's name, where all trials can be compared."""
    if len(best) != 1:
        return {}
    number = next(iter(best.values())).number
    return {row["metric"]: row["value"] for row in rows if row["trial"] == number}


def _figures(plan: Plan, rows: Rows) -> list[Output]:
    """Of the finished trials of one metric: each parameter against it, all parameters side by side, how much each
    matters, and where there are several objectives which trials trade one for another."""
    finished = [row for row in rows if row["metric"] and row["status"] == "FINISHED" and math.isfinite(row["value"])]
    if len(finished) < 2 or not plan.swept or len({row["metric"] for row in finished}) > 1:
        return []
    keys = [key for key in plan.swept if any(row[key] != "" for row in finished)]
    outputs = [
        Output("parameters", finished, partial(figures.parameters, keys=keys)),
        Output("parallel_coordinates", finished, partial(figures.parallel_coordinates, keys=keys)),
    ]
    if not plan.is_grid:
        draw = partial(
            figures.history, larger_is_better=larger_is_better(finished[0]["metric"], plan.config.model.task)
        )
        outputs.append(Output("history", finished, draw))
    shares = importances(finished, keys)
    if shares:
        draw = partial(charts.bars, name="parameter", value="importance", title="importance", unit="share of variance")
        outputs.append(Output("parameter_importance", shares, draw))
    names = plan.config.sweep.objectives
    if len(names) > 1:
        judged = [{**row, names[0]: row["value"]} for row in finished if all(row[name] != "" for name in names[1:])]
        draw = partial(figures.objectives, names=names, front=front(judged, names, plan.config.model.task))
        outputs += [Output("objectives", judged, draw)] if judged else []
    return outputs


def front(rows: Rows, objectives: Sequence[str], task: Task) -> Rows:
    """The rows than which no other is at least as good in every objective and better in one."""
    points = np.array([[merit(row[name], larger_is_better(name, task)) for name in objectives] for row in rows])
    return [
        row
        for row, point in zip(rows, points, strict=True)
        if not ((points >= point).all(axis=1) & (points > point).any(axis=1)).any()
    ]


def _note(rows: Rows, best: Mapping[Kind, Trial]) -> str:
    """The best trials as MLflow's description of the run, in Markdown."""
    numbers = {trial.number for trial in best.values()}
    lines = [
        f"- **{markdown(row['name'])}**: {row['metric']} {row['value']:.6g}" for row in rows if row["trial"] in numbers
    ]
    return "\n".join(["Best of the sweep:", *lines]) if lines else "No trial has finished that could be judged."


def report(plan: Plan, rows: Rows, best: Mapping[Kind, Trial], figures: Path) -> str:
    """One HTML page that needs nothing else: what was swept, the best, the figures, all trials from the best on.

    Args:
        figures: folder of PNG files.
    """
    # Only a sweep's end needs it, and every command would wait for it.
    from jinja2 import Environment

    numbers = {trial.number for trial in best.values()}
    environment = Environment(autoescape=True)
    environment.filters["short"] = _short
    objectives, ends = plan.config.sweep.objectives[1:], ("seconds", "reason")
    page: str = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        rows=rows,
        rows_by_metric=by_metric(plan, rows, numbers),
        best=numbers,
        columns=["trial", "status", "metric", "value", *objectives, *plan.swept, *ends],
        swept=plan.swept,
        fixed=" ".join(f"{key}={value}" for key, value in plan.fixed.items()),
        pictures=[(path.stem, base64.b64encode(path.read_bytes()).decode()) for path in sorted(figures.glob("*.png"))],
    )
    return page


def by_metric(plan: Plan, rows: Rows, best: Container[int]) -> Rows:
    """The trials, the best on top; those without a value, which failed or were stopped, come last."""
    task = plan.config.model.task

    def place(row: dict[str, Any]) -> tuple[bool, bool, float]:
        value = row["value"] if isinstance(row["value"], float) else math.nan
        reached = merit(value, larger_is_better(row["metric"], task))
        return (row["trial"] not in best, False, -reached) if math.isfinite(reached) else (True, True, 0.0)

    return sorted(rows, key=place)


def _short(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
