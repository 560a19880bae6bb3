"""What a run is doing, on standard error: one live line in a terminal, elsewhere lines of each phase."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from experiments.redaction import redact_text
from experiments.terminal.harmless import harmless
from experiments.terminal.screen import say
from experiments.tracking import run_log

# Where nobody sees a line that lives, a phase is told of after so long, and then after twice as long each time.
SECONDS_TO_A_LINE, MOST_SECONDS_TO_A_LINE = 10.0, 600.0


class Progress:
    """The phases of one run, timed and shown.

    Args:
        console: where to show them; nothing is shown without one.
        of_warnings: where to show warnings, if not there.

    Attributes:
        seconds: of each phase that has ended.
    """

    def __init__(self, title: str, console: Console | None = None, of_warnings: Console | None = None) -> None:
        self.title = title
        self.seconds: dict[str, float] = {}
        self._work: Callable[[], str] | None = None
        self._name, self._started = "", time.perf_counter()
        self._console = console
        self._of_warnings = of_warnings or console
        self._phase_thread = 0
        self._steps = ""
        self._steps_done = 0

    def watch(self, work: Callable[[], str]) -> None:
        """Ask from now on what there is to tell of the work in a phase, as in ` · 3 of 8 tasks`."""
        self._work = work

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time a phase, and say that it runs."""
        started = time.perf_counter()
        self._name, self._started = name, started
        self._phase_thread = threading.get_ident()
        self._steps, self._steps_done = "", 0
        with self._shown():
            yield
        self.seconds[name] = time.perf_counter() - started
        run_log.write(f"{name} {self.seconds[name]:.2f} s{self._steps}")
        if self._console is not None and not self._console.is_terminal:
            say(f"{self.title}: {name} {self.seconds[name]:.1f} s", self._console)

    def step(self, steps: int, unit: str) -> None:
        """Count one more of the steps of this phase."""
        self._steps_done += 1
        self._steps = f" · {self._steps_done} of {steps} {unit}"

    def epoch(self, epoch: int, epochs: int, values: Mapping[str, float]) -> None:
        """Say how an epoch of the fit went."""
        told = " ".join(f"{name.removeprefix('epoch_')} {value:.4g}" for name, value in values.items())
        self._steps = f" · epoch {epoch} of {epochs} · {told}"
        run_log.write(f"{self._name}{self._steps}")
        if self._console is not None and not self._console.is_terminal:
            say(f"{self.title}: {self._name}{self._steps}", self._console)

    def line(self) -> str:
        """The phase that runs, for how long, and its steps."""
        return f"{self.title}: {self._name} {time.perf_counter() - self._started:.0f} s{self._steps}"

    def warn(self, warnings: Sequence[str]) -> None:
        """Say what a person should know before believing the numbers."""
        for warning in warnings:
            run_log.write(f"warning: {redact_text(warning)}")
        if self._of_warnings is not None:
            for warning in warnings:
                say(f"warning: {warning}", self._of_warnings)

    def _shown(self) -> contextlib.AbstractContextManager[object]:
        if self._console is None:
            return contextlib.nullcontext()
        if not self._console.is_terminal:
            return self._told_now_and_then(self._console)
        spinner = Spinner("dots")

        def line() -> Spinner:
            spinner.update(text=Text(harmless(self.line() + self._tasks())))
            return spinner

        return Live(get_renderable=line, console=self._console, refresh_per_second=4, transient=True)

    @contextlib.contextmanager
    def _told_now_and_then(self, console: Console) -> Iterator[None]:
        """A line for a log where a phase takes long, as while a cluster has no executors to give, ever more seldom."""
        ended = threading.Event()

        def tell() -> None:
            seconds = SECONDS_TO_A_LINE
            while not ended.wait(seconds):
                # Not as the line of a phase that has ended.
                spent = time.perf_counter() - self._started
                told = f"{self.title}: still at {self._name}, {spent:.0f} s{self._steps}{self._tasks()}"
                if not ended.is_set():
                    say(told, console)
                seconds = min(2 * seconds, MOST_SECONDS_TO_A_LINE)

        threading.Thread(target=tell, daemon=True).start()
        try:
            yield
        finally:
            ended.set()

    def _tasks(self) -> str:
        """What is told of the work, asked for by a thread that shows it, and by no other.

        When a phase ends rich draws once more in the phase's own thread, whose connection to Java may still wait
        for the answer to a call that was interrupted.
        """
        if self._work is None or threading.get_ident() == self._phase_thread:
            return ""
        with contextlib.suppress(Exception):  # a line that fails must not fail the run
            return self._work()
        return ""
