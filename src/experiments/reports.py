"""What a fit says while it goes on, for whoever listens in the same context: a value for each of its steps."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar

Listener = Callable[[int, Mapping[str, float]], None]

_listener: ContextVar[Listener | None] = ContextVar("reports", default=None)


def report(step: int, values: Mapping[str, float]) -> None:
    """Say the values of a step, by the names that they are to have as metrics."""
    listener = _listener.get()
    if listener is not None:
        listener(step, values)


@contextlib.contextmanager
def heard(listener: Listener) -> Iterator[None]:
    """Have `listener` called, maybe in another thread, for each report until the end of the block."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)
