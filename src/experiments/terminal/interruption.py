"""Being told to end, by Ctrl-C or a signal.

A handler raises in whatever the main thread is at. Where that is a finalizer, as Py4J has for each Java object, or a
library that catches everything, Python drops what was raised. So it is remembered here too: runs and sweeps ask between
their phases and where they fail.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Callable, Iterator

from experiments.errors import causes

_told: list[KeyboardInterrupt] = []
# What `leave_quietly` has changed, to be undone.
_quiet = contextlib.ExitStack()
_PY4J = f"{os.sep}py4j{os.sep}"


class Terminated(KeyboardInterrupt):
    """The process was told to end by a signal; the one argument is the exit code.

    A KeyboardInterrupt, as Py4J gives up a call that waits for Java for nothing else: it would be heard only once
    Spark's job has ended.
    """


def remembered(told: KeyboardInterrupt) -> KeyboardInterrupt:
    """What a handler is about to raise, once it is remembered."""
    _told.append(told)
    return told


def forget() -> None:
    """Let work begin that nobody has told to end."""
    _told.clear()
    _quiet.close()


def go_on() -> None:
    """Do nothing where nobody has told the process to end.

    Raises:
        KeyboardInterrupt: a new one of what was told.
    """
    if _told:
        raise _anew(_told[-1])


def interruption_of(error: BaseException) -> KeyboardInterrupt | SystemExit | None:
    """A new one of what told the process to end, where an error is only what came of it.

    Py4J drops the connection that an interrupted call waits on, and whatever asks Java next may find it dead.
    """
    found = next((cause for cause in causes(error) if isinstance(cause, KeyboardInterrupt | SystemExit)), None)
    told = found or (_told[-1] if _told else None)
    return None if told is None else _anew(told)


@contextlib.contextmanager
def interruptible(
    of: Callable[[Exception], KeyboardInterrupt | SystemExit | None] = interruption_of,
) -> Iterator[None]:
    """Within it an error that comes of being told to end is an interruption.

    Args:
        of: what told it, by the error; None of any other error.

    Raises:
        KeyboardInterrupt, SystemExit: in its place.
    """
    try:
        yield
    except Exception as error:
        if (told := of(error)) is not None:
            raise told from error
        raise


def leave_quietly() -> None:
    """From now on what Py4J has to say of calls and connections that end is no news, in pages of traces."""
    root, py4j, shown = logging.getLogger(), logging.getLogger("py4j"), sys.unraisablehook

    def is_news(record: logging.LogRecord) -> bool:
        return _PY4J not in record.pathname

    def hook(raised: sys.UnraisableHookArgs) -> None:
        is_of_java = str(getattr(raised.object, "__module__", "")).startswith(("py4j", "pyspark"))
        if not is_of_java and not isinstance(raised.exc_value, KeyboardInterrupt):
            shown(raised)

    _quiet.callback(setattr, sys, "unraisablehook", shown)
    _quiet.callback(py4j.setLevel, py4j.level)
    _quiet.callback(root.removeFilter, is_news)
    sys.unraisablehook = hook
    py4j.setLevel(logging.CRITICAL + 1)
    root.addFilter(is_news)


def _anew(told: KeyboardInterrupt | SystemExit) -> KeyboardInterrupt | SystemExit:
    return type(told)(*told.args)
