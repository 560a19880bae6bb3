"""What a sweep's run shows at its end: table, best parameters, figures, and a report that stands alone."""

from __future__ import annotations

import base64
import math
import tempfile
from collections.abc import Container, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from experiments.config.schema import Config, JudgedBy, Task
from experiments.evaluation.objectives import base_name, judging, larger_is_better, merit
from experiments.figures import charts
from experiments.figures.output import Output, Rows
from experiments.sweeps import figures
from experiments.sweeps.importance import FEWEST_PARAMETERS, FEWEST_TRIALS, importances
from experiments.sweeps.outcome import Kind
from experiments.sweeps.plan import Plan, Trial
from experiments.terminal.harmless import markdown
from experiments.tracking.run import TrackedRun, write_outputs
from experiments.tracking.store import run_link

# How the rows are called by which the best is chosen.
JUDGED_BY = {
    JudgedBy.validation: "a part of the training rows, where rows are held out",
    JudgedBy.folds: "the mean over parts of the training rows, where rows are held out",
    JudgedBy.test: "the rows that its metrics are of, so that it looks better than it is",
}
WHY_NO_IMPORTANCE = (
    f"How much each parameter matters is shown from {FEWEST_TRIALS} finished trials on, of parameters that all of them "
    f"have, where at least {FEWEST_PARAMETERS} differ."
)
TEMPLATE = Path(__file__).with_name("report.html")


def log_summary(run: TrackedRun, plan: Plan, rows: Rows, best: Mapping[Kind, Trial], models: Mapping[int, str]) -> None:
    """Table, figures, report, description and counts of the sweep's run.

    Args:
        models: URI of the model of each trial that has one, by the trial's number.
    """
    outputs = [Output("trials", rows), *_figures(plan, rows)]
    with tempfile.TemporaryDirectory() as folder:
        write_outputs(outputs, Path(folder))
        (Path(folder) / "report.html").write_text(report(plan, rows, best, Path(folder), run), encoding="utf-8")
        run.log_files(Path(folder))
    ended = {status: sum(row["status"] == status for row in rows) for status in ("FINISHED", "FAILED", "KILLED")}
    metrics = {f"trials_{status.lower()}": float(count) for status, count in ended.items()}
    metrics |= _best_values(rows, best)
    run.log_metrics({"trials": float(len(rows)), **metrics})
    run.describe(_note(run, rows, best, models))


def other_metrics(config: Config) -> list[str]:
    """Metrics that are shown of a trial beside the one by which it is judged: further objectives, and the same of the
    held-out rows."""
    names = judging(config)
    wanted = names[1:] if config.sweep.objectives else []
    return [*wanted, *([base_name(names[0])] if base_name(names[0]) != names[0] else [])]


def log_best(run: TrackedRun, best: Mapping[Kind, Trial]) -> None:
    """The best parameters, where all trials can be compared, as params: of a sweep that is complete, as a param never
    changes. Those that the run has, as it was complete before it was given more trials, stay."""
    if len(best) == 1 and not any(key.startswith("best.") for key in run.params()):
        (trial,) = best.values()
        run.log_best(trial.values)


def _best_values(rows: Rows, best: Mapping[Kind, Trial]) -> dict[str, float]:
    """The best trial's metrics under their names, where all trials can be compared."""
    if len(best) != 1:
        return {}
    (trial,) = best.values()
    row = next(row for row in rows if row["trial"] == trial.number)
    others = {name: row[name] for name in other_metrics(trial.config) if isinstance(row[name], float)}
    return {row["metric"]: row["value"], **others}


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
    names = judging(plan.config) if plan.config.sweep.objectives else []
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


def _note(run: TrackedRun, rows: Rows, best: Mapping[Kind, Trial], models: Mapping[int, str]) -> str:
    """The best trials as MLflow's description of the run, in Markdown, with links to them and to their models."""
    lines = []
    for row in rows:
        if row["trial"] not in {trial.number for trial in best.values()}:
            continue
        place = f"#/experiments/{run.experiment_of(row['run_id'])}"
        said = f"- [{markdown(row['name'])}]({place}/runs/{row['run_id']}): {row['metric']} {row['value']:.6g}"
        said += "".join(
            f", {name} {row[name]:.6g}" for name in (base_name(row["metric"]),) if isinstance(row.get(name), float)
        )
        model = models.get(row["trial"], "").removeprefix("models:/")
        lines.append(f"{said}, [model]({place}/models/{model})" if model else said)
    return "\n".join(["Best of the sweep:", *lines]) if lines else "No trial has finished that could be judged."


def report(plan: Plan, rows: Rows, best: Mapping[Kind, Trial], figures: Path, run: TrackedRun | None = None) -> str:
    """One HTML page that needs nothing else: what was swept, the best, the figures, all trials from the best on.

    Args:
        figures: folder of PNG files.
        run: the sweep's own.
    """
    # Only a sweep's end needs it, and every command would wait for it.
    from jinja2 import Environment

    numbers = {trial.number for trial in best.values()}
    environment = Environment(autoescape=True)
    environment.filters["short"] = _short
    others, ends = other_metrics(plan.config), ("seconds", "run_id", "reason")
    pictures = sorted(figures.glob("*.png"))
    is_explained = any(path.stem == "parameter_importance" for path in pictures)
    page: str = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        rows=rows,
        rows_by_metric=by_metric(plan, rows, numbers),
        best=numbers,
        columns=["trial", "status", "metric", "value", *others, *plan.swept, *ends],
        swept=plan.swept,
        others=others,
        date=f"{datetime.now():%Y-%m-%d %H:%M}",
        seed=plan.swept.get("seed", plan.config.seed),
        run_id=run.run_id if run else "",
        link=run_link(plan.config.tracking, run.experiment_id, run.run_id) if run else "",
        judged_by=JUDGED_BY[plan.config.sweep.judged_by],
        why_no_importance="" if is_explained or len(plan.swept) < 2 else WHY_NO_IMPORTANCE,
        fixed=" ".join(f"{key}={value}" for key, value in plan.fixed.items()),
        pictures=[(path.stem, base64.b64encode(path.read_bytes()).decode()) for path in pictures],
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
