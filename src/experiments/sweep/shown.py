"""A sweep in the terminal: a line for each running trial, the plan of a dry run, the table at the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from experiments.figures.output import Rows
from experiments.sweep.outcome import Kind
from experiments.sweep.plan import Plan, Trial
from experiments.sweep.report import by_metric
from experiments.tracking import run_log
from experiments.tracking.store import how_to_compare

if TYPE_CHECKING:
    from mlflow.entities import Run

    from experiments.terminal.progress import Progress

MOST_LINES = 50
# After so many trials there is a guess of how long the rest takes.
FEWEST_FOR_A_GUESS = 2


class Shown:
    """Done, failed, left, the time that is left, and what each running trial is at: live in a terminal, else a line for
    each that has ended. On standard error."""

    def __init__(self, trials: int, done_before: int) -> None:
        self._console = Console(stderr=True)
        self._lock = threading.Lock()
        self._running: dict[str, Progress] = {}
        self._left, self._done, self._failed = trials - done_before, 0, 0
        self._before = done_before
        self._started = time.perf_counter()
        self._live = Live(get_renderable=self._lines, console=self._console, refresh_per_second=4, transient=True)

    def __enter__(self) -> Shown:
        if self._before:
            self._console.print(f"{self._before} trials are done already, {self._left} to run", highlight=False)
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
        self._console.print(text, highlight=False)

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
        self._console.print(line, highlight=False)

    def _counts(self) -> str:
        ended, spent = self._done + self._failed, time.perf_counter() - self._started
        guess = f", about {spent / ended * self._left:.0f} s" if ended >= FEWEST_FOR_A_GUESS and self._left else ""
        return f"{self._done} done, {self._failed} failed, {self._left} left{guess}"

    def _lines(self) -> Group:
        with self._lock:
            return Group(*(Text(progress.line()) for progress in self._running.values()), Text(self._counts()))


def dry_run(plan: Plan, done: Mapping[str, Run]) -> None:
    """Which trials there are, which are done already, and which would run."""
    if not plan.is_grid:
        _dry_run_of_choices(plan, len(done))
        return
    table = Table("trial", "name", "state")
    for number, trial in enumerate(plan.trials):
        run = done.get(trial.hash)
        table.add_row(str(number), trial.name, f"done in run {run.info.run_id}" if run else "new")
    console = Console()
    console.print(table)
    console.print(f"{len(plan.trials)} trials, {len(done)} done already, {len(plan.trials) - len(done)} to run")


def _dry_run_of_choices(plan: Plan, done: int) -> None:
    """What values are chosen from. Which they are is not known yet."""
    table = Table("chosen from", "values")
    for key, values in plan.swept.items():
        table.add_row(key, values)
    console = Console()
    console.print(table)
    console.print(f"{plan.size} trials, {done} done already, {max(plan.size - done, 0)} to run")


def print_table(plan: Plan, rows: Rows, best: Mapping[Kind, Trial], run_id: str) -> None:
    """The trials by their metric, the best of each kind first, on standard output."""
    numbers = {trial.number for trial in best.values()}
    table = Table("", "trial", "metric", "value", "status", "seconds", title=f"{len(rows)} trials")
    table.columns[1].overflow = "fold"
    for row in by_metric(plan, rows, numbers)[:MOST_LINES]:
        value = f"{row['value']:.6g}" if isinstance(row["value"], float) else ""
        mark = "best" if row["trial"] in numbers else ""
        table.add_row(mark, row["name"], row["metric"], value, row["status"], str(row["seconds"]))
    console = Console()
    console.print(table)
    if len(rows) > MOST_LINES:
        console.print(f"{len(rows) - MOST_LINES} more are in trials.csv of the sweep's run")
    lines = [f"best     {row['run_id']}  {row['name']}" for row in rows if row["trial"] in numbers]
    lines += [f"sweep    {run_id}"]
    lines += [f"compare  {how_to_compare(plan.config.tracking)}"]
    console.print("\n".join(lines), soft_wrap=True, highlight=False)
