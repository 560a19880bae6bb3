"""Phases are timed, and shown as suits the place."""

import io
import re
import threading
import time

import pytest
from rich.console import Console

from experiments.terminal.progress import Progress


def test_phases_are_timed_and_a_log_gets_a_line_for_each():
    shown = io.StringIO()
    progress = Progress("ridge", Console(file=shown, width=80))
    with progress.phase("fit"):
        time.sleep(0.05)
    assert progress.seconds["fit"] >= 0.05
    assert re.fullmatch(r"ridge: fit \d+\.\d s\n", shown.getvalue())


def test_a_log_is_told_of_a_phase_that_takes_long(monkeypatch):
    monkeypatch.setattr("experiments.terminal.progress.SECONDS_TO_A_LINE", 0.02)
    shown, asked, third = io.StringIO(), [], threading.Event()

    def work():
        asked.append(threading.current_thread())
        if len(asked) == 3:
            third.set()
        return " · 0 of 2 executors"

    progress = Progress("ridge", Console(file=shown, width=80))
    progress.watch(work)
    with progress.phase("start"):
        assert third.wait(30)
    asked[0].join(30)
    assert not asked[0].is_alive()
    *lines, last = shown.getvalue().splitlines()
    assert len(lines) >= 2
    assert all(re.fullmatch(r"ridge: still at start, \d+ s · 0 of 2 executors", line) for line in lines)
    assert re.fullmatch(r"ridge: start \d+\.\d s", last)


def test_a_terminal_gets_a_line_that_lives_and_goes():
    shown = io.StringIO()
    progress = Progress("ridge", Console(file=shown, width=80, force_terminal=True))
    with progress.phase("fit"):
        time.sleep(0.4)
    assert "ridge: fit 0 s" in shown.getvalue()
    assert not shown.getvalue().rstrip().endswith("s")


def test_a_phase_that_fails_has_no_time():
    progress = Progress("ridge")
    with pytest.raises(ValueError, match="no"), progress.phase("fit"):
        raise ValueError("no")
    assert progress.seconds == {}
