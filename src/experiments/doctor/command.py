"""`experiments doctor`: look at all that a run needs, and say what is missing."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from experiments.config.schema import Config
from experiments.doctor.findings import Finding, State, looked
from experiments.doctor.here import findings_here
from experiments.doctor.there import findings_there
from experiments.errors import EXIT_FAILED
from experiments.terminal.progress import Progress
from experiments.terminal.screen import say, screen, show_table
from experiments.tracking.health import ask_artifacts, ask_registry, ask_tracking
from experiments.tracking.store import check_store, open_store, sqlite_file
from experiments.tracking.sweeps import close_gone


def examine(config: Config, as_json: bool) -> int:
    """Show what is found on standard output; returns the exit code, 1 where something has failed.

    Args:
        as_json: a list of `subject`, `state`, `found` and `way_out` in place of the table.
    """
    # Who waits for a picture of all there is does not wait for one of its parts.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    found: list[Finding] = []
    waiting = ""

    def wait(what: str) -> None:
        nonlocal waiting
        waiting = what

    progress = Progress("doctor", screen(stderr=True))
    progress.watch(lambda: waiting)
    with progress.phase("this machine"):
        found += findings_here(config)
    with progress.phase("tracking"):
        found += findings_of_tracking(config)
    # Without a Java that runs it there is no Spark to be asked.
    if not any(each.subject == "Java" and each.state is State.failed for each in found):
        with progress.phase("Spark and its executors"):
            found += findings_there(config, wait)
    show(found, as_json)
    return EXIT_FAILED if any(each.state is State.failed for each in found) else 0


def show(found: Sequence[Finding], as_json: bool) -> None:
    """On standard output."""
    if as_json:
        say(json.dumps([{**asdict(each), "state": each.state.value} for each in found], ensure_ascii=False))
        return
    rows = [(each.subject, each.state.value, each.found, each.way_out) for each in found]
    show_table(("", "state", "found", "to mend it"), rows, folded=(2, 3))
    of = {state: sum(each.state is state for each in found) for state in State}
    say(f"{of[State.ok]} ok, {of[State.warning]} to look at, {of[State.failed]} failed")


def findings_of_tracking(config: Config) -> Iterator[Finding]:
    """Where the store does not answer the others are not asked: each would wait for the same."""
    of_store = list(looked("tracking", lambda: ask_tracking(config)))
    yield from of_store
    if of_store[0].state is State.ok:
        yield from looked("registry", lambda: ask_registry(config))
        yield from looked("artifacts", lambda: ask_artifacts(config))


def close_gone_runs(config: Config) -> int:
    """Close runs that look as if they ran while their process is gone; returns the exit code.

    Raises:
        ConfigError: no store that answers.
    """
    file = sqlite_file(config.tracking)
    if file is not None and not file.exists():  # which opening it would make
        say(f"0 runs were closed; there is no store at {file}")
        return 0
    check_store(config.tracking)
    closed = close_gone(open_store(config))
    for run_id in closed:
        say(f"run {run_id} is closed: its process is gone")
    say(f"{len(closed)} runs were closed; runs of other machines are looked at by `doctor --close` there")
    return 0
