"""What happens in a run, kept as its artifact `run.log`: phases, warnings, and what libraries log meanwhile.

Kept apart by context variable, so that each of several runs in threads has its own.
"""

from __future__ import annotations

import contextlib
import io
import logging
import threading
import time
from collections.abc import Iterator
from contextvars import ContextVar

from experiments.redaction import redact_text

NAME = "run.log"
_current: ContextVar[io.StringIO | None] = ContextVar("run_log", default=None)


class _Handler(logging.Handler):
    """Sends what any library logs to the log of the run that its thread is at."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            write(f"{record.levelname} {record.name}: {record.getMessage()}")
        except Exception:  # of a message that does not fit its values
            self.handleError(record)


_listening = 0
_lock = threading.Lock()
_HANDLER = _Handler(logging.WARNING)


def write(text: str) -> None:
    """A line of the log of the run that this thread is at, if it is at one."""
    log = _current.get()
    if log is not None:
        log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {redact_text(text)}\n")


@contextlib.contextmanager
def kept() -> Iterator[io.StringIO]:
    """Keep what is written in this thread until the end of the block."""
    log = io.StringIO()
    token = _current.set(log)
    _listen(1)
    try:
        yield log
    finally:
        _listen(-1)
        _current.reset(token)


def _listen(more: int) -> None:
    """Listen to all libraries for as long as there is a log; afterwards logging is as it was."""
    global _listening
    with _lock:
        _listening += more
        if _listening:
            logging.getLogger().addHandler(_HANDLER)  # once, however often it is added
        else:
            logging.getLogger().removeHandler(_HANDLER)
