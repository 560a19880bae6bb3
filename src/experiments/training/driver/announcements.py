"""What a fit says while it goes on, for whoever listens in the same context."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar

# Of an epoch: its number from 1, how many there are to be, and values by the names that they are to have as metrics.
Listener = Callable[[int, int, Mapping[str, float]], None]

_listener: ContextVar[Listener | None] = ContextVar("announcements", default=None)


def announce(epoch: int, epochs: int, values: Mapping[str, float]) -> None:
    """Say how an epoch went."""
    listener = _listener.get()
    if listener is not None:
        listener(epoch, epochs, values)


@contextlib.contextmanager
def heard(listener: Listener) -> Iterator[None]:
    """Have `listener` called, maybe in another thread, for each announcement until the end of the block."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)
