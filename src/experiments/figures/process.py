"""A process that draws for all runs of this one, as drawing takes as long as a small fit and Python does one thing at a
time."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from experiments.figures import charts
from experiments.figures.output import Output

_process: ProcessPoolExecutor | None = None


@contextlib.contextmanager
def drawing_process() -> Iterator[None]:
    """Have `draw` draw elsewhere until the end of the block. The process starts with the first figure."""
    global _process
    # Spawned: a fork would have the sockets to Java and the locks of other threads.
    _process = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=_begin)
    try:
        yield
    finally:
        process, _process = _process, None
        process.shutdown(wait=False, cancel_futures=True)


def draw(output: Output, path: Path) -> None:
    """The output's figure as a PNG."""
    process = _process
    if process is not None:
        # Where the process has died, or is ending with the sweep, this one draws.
        with contextlib.suppress(BrokenProcessPool, CancelledError, RuntimeError):
            with _uninterrupted(), _without_main():
                drawn = process.submit(charts.save, output, path)
            drawn.result()
            return
    charts.save(output, path)


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """What is started in the block never hears Ctrl-C, which is for the one that it works for."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """What is spawned in the block does not run the caller's script once more, as it would to find its functions."""
    main = vars(sys.modules["__main__"])
    names: list[str] = [name for name in ("__file__", "__spec__") if name in main]
    hidden = {name: main[name] for name in names}
    main.update(dict.fromkeys(names))
    try:
        yield
    finally:
        main.update(hidden)


def _begin() -> None:
    """In the process: end with the one that it works for, however that ends."""
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(0)
