"""A sweep in the terminal: a line for each running trial, the plan of a dry run, the table at the end."""

from __future__ import annotations

import shlex
import statistics
import threading
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.live import Live
from rich.text import Text

from experiments.evaluation.objectives import base_name
from experiments.figures.output import Rows
from experiments.sweeps.outcome import Kind
from experiments.sweeps.plan import Plan, Trial, holds_out
from experiments.sweeps.report import by_metric, other_metrics
from experiments.terminal.harmless import harmless
from experiments.terminal.screen import say, screen, show_table
from experiments.tracking import run_log
from experiments.tracking.spool import said_of
from experiments.tracking.store import how_to_look, words_of

if TYPE_CHECKING:
    from mlflow.entities import Run

    from experiments.terminal.progress import Progress
    from experiments.tracking.run import TrackedRun

MOST_LINES = 50
# After so many trials there is a guess of how long the rest takes.
FEWEST_FOR_A_GUESS = 2
_UNSEEN = "; whether the data suits them is not looked at"


class Shown:
    """Done, failed, left, the time that is left, and what each running trial is at: live in a terminal, else a line for
    each that has ended. On standard error."""

    def __init__(self, trials: int, done_before: int) -> None:
        self._console = screen(stderr=True)
        self._lock = threading.Lock()
        self._running: dict[str, Progress] = {}
        self._left, self._done, self._failed = trials - done_before, 0, 0
        self._before = done_before
        self._started = time.perf_counter()
        self._live = Live(get_renderable=self._lines, console=self._console, refresh_per_second=4, transient=True)

    def __enter__(self) -> Shown:
        known = f"{_trials(self._before)} done already, " if self._before else ""
        lines = ", a line for each as it ends" if self._left and not self._console.is_terminal else ""
        if known or lines:
            say(f"{known}{self._left} to run{lines}", self._console)
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def expect(self, trials: int) -> None:
        """So many more trials are to run."""
        with self._lock:
            self._left += trials

    def say(self, text: str) -> None:
        """A line of its own."""
        say(text, self._console)

    def started(self, key: str, progress: Progress) -> None:
        with self._lock:
            self._running[key] = progress

    def ended(self, key: str, name: str, status: str, reason: str) -> None:
        with self._lock:
            self._running.pop(key, None)
            self._left -= 1
            self._done += status == "FINISHED"
            self._failed += status == "FAILED"
            counts = self._counts()
        line = f"{name}: {status}{f': {reason}' if reason else ''} ({counts})"
        run_log.write(line)
        say(line, self._console)

    def _counts(self) -> str:
        ended, spent = self._done + self._failed, time.perf_counter() - self._started
        guess = f", about {spent / ended * self._left:.0f} s" if ended >= FEWEST_FOR_A_GUESS and self._left else ""
        return f"{self._done} done, {self._failed} failed, {self._left} left{guess}"

    def _lines(self) -> Group:
        with self._lock:
            return Group(
                *(Text(harmless(progress.line())) for progress in self._running.values()), Text(self._counts())
            )


def dry_run(plan: Plan, done: Mapping[str, Run]) -> None:
    """Which trials there are, which are done already, and which would run."""
    if not plan.is_grid:
        _dry_run_of_choices(plan, len(done))
        return
    states = (f"done in run {run.info.run_id}" if (run := done.get(trial.hash)) else "new" for trial in plan.trials)
    rows = [(number, trial.name, state) for number, (trial, state) in enumerate(zip(plan.trials, states, strict=True))]
    show_table(("trial", "name", "state"), rows, folded=1)
    say(f"{_trials(len(plan.trials))}, {len(done)} done already, {len(plan.trials) - len(done)} to run{_UNSEEN}")


def _dry_run_of_choices(plan: Plan, done: int) -> None:
    """What values are chosen from. Which they are is not known yet."""
    show_table(("chosen from", "values"), list(plan.swept.items()), folded=1)
    say(f"{_trials(plan.size)}, {done} done already, {max(plan.size - done, 0)} to run{_UNSEEN}")


def print_table(plan: Plan, rows: Rows, best: Mapping[Kind, Trial], run: TrackedRun, models: Mapping[int, str]) -> None:
    """The trials by their metric, the best of each kind first, on standard output.

    Args:
        models: URIs by the numbers of the trials, empty of those without a model.
    """
    numbers, others = {trial.number for trial in best.values()}, other_metrics(plan.config)
    metric = _metric(rows)
    # Of several kinds a value says nothing of the other's; a seed is no setting to choose.
    top = {row["value"] for row in rows if row["trial"] in numbers and len(best) == 1 and list(plan.swept) != ["seed"]}
    tied = {row["trial"] for row in rows if row["value"] in top} - numbers
    made = [
        (
            "best" if row["trial"] in numbers else "as good" if row["trial"] in tied else "",
            row["name"],
            *([row["metric"]] if metric is None else []),
            _number(row["value"]),
            *(_number(row.get(name)) for name in others),
            row["status"],
            row["seconds"],
        )
        for row in by_metric(plan, rows, numbers)[:MOST_LINES]
    ]
    headers = ("", "trial", *(("metric", "value") if metric is None else (metric,)), *others, "status", "seconds")
    show_table(headers, made, title=_trials(len(rows)), folded=1)
    _say_of_table(rows, others if all(holds_out(trial.config) for trial in best.values()) else [])
    for row in rows:
        if row["trial"] in numbers:
            _say_of_best(plan, row, run, models.get(row["trial"], ""))
    if tied:
        say(f"{len(tied)} other{' is' if len(tied) == 1 else 's are'} as good: of equals the first is taken")
    if list(plan.swept) == ["seed"]:
        _say_over_seeds(rows)
    elif "seed" in plan.swept and best:
        command = shlex.join(["experiments", "compare", run.run_id, *words_of(plan.config.tracking)])
        say(f"seeds    the best is one trial, of one seed; means over the seeds: {command}")
    say(f"sweep    {run.run_id}")
    say(f"look     {how_to_look(plan.config.tracking, run.experiment_id, run.run_id)}")
    for line in said_of(run.spool):
        say(line)


def _say_of_table(rows: Rows, others: Sequence[str]) -> None:
    """What is not in it, and that the best is not chosen by what is reported.

    Args:
        others: metrics beside the value, of trials that hold rows out.
    """
    if len(rows) > MOST_LINES:
        say(f"{len(rows) - MOST_LINES} more are in trials.csv of the sweep's run")
    for name in others:
        if any(name == base_name(row["metric"]) != row["metric"] for row in rows if row["metric"]):
            value = _metric(rows) or "the value"
            say(f"the best is chosen by {value}; {name} is of the held-out rows, which have no say in it")


def _metric(rows: Rows) -> str | None:
    """By which all trials are judged that have a value; None where that is not one."""
    metrics = {row["metric"] for row in rows if row["metric"]}
    return metrics.pop() if len(metrics) == 1 else None


def _say_of_best(plan: Plan, row: Mapping[str, Any], run: TrackedRun, model: str) -> None:
    """A trial that was chosen, what is doubtful about it, and how its model is used."""
    say(f"best     {row['run_id']}  {row['name']}")
    for warning in run.warnings_of(row["run_id"]):
        say(f"warning  {warning}")
    if model:
        where = words_of(plan.config.tracking)
        said = f", {where!r}" if where else ""
        say(f"score    experiments.load_model('{model}'{said}).predict(frame)")


def _say_over_seeds(rows: Rows) -> None:
    """What trials that differ in their seed yield together: one of them is no better choice than another."""
    values: dict[str, list[float]] = {}
    for row in rows:
        if isinstance(row["value"], float):
            values.setdefault(row["metric"], []).append(row["value"])
    for metric, found in values.items():
        if len(found) > 1:
            mean, deviation = statistics.fmean(found), statistics.stdev(found)
            say(f"seeds    {metric} {mean:.6g} ± {deviation:.2g} over {len(found)}; a seed is no setting to choose by")


def _trials(count: int) -> str:
    return f"{count} trial{'' if count == 1 else 's'}"


def _number(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else ""
