"""Being told to end, by Ctrl-C or a signal.

A handler raises in whatever the main thread is at. Where that is a finalizer, as Py4J has for each Java object, or a
library that catches everything, Python drops what was raised. So it is kept here too, and a run asks between its phases
and for each of its errors.
"""

from __future__ import annotations

import logging
import sys

from experiments.errors import causes

_told: list[KeyboardInterrupt] = []


class Terminated(KeyboardInterrupt):
    """The process was told to end by a signal; the one argument is the exit code.

    A KeyboardInterrupt, as Py4J gives up a call that waits for Java for nothing else: it would be heard only once
    Spark's job has ended.
    """


def kept(told: KeyboardInterrupt) -> KeyboardInterrupt:
    """What a handler raises, once it is kept."""
    _told.append(told)
    return told


def forget() -> None:
    """Let work begin that nobody has told to end."""
    _told.clear()


def go_on() -> None:
    """Do nothing where nobody has told the process to end.

    Raises:
        KeyboardInterrupt: a new one of what was told.
    """
    if _told:
        raise _anew(_told[-1])


def leave_quietly() -> None:
    """From now on what Py4J has to say of connections to a Java that ends, in pages of traces, is no news."""
    logging.getLogger("py4j").setLevel(logging.CRITICAL + 1)
    shown = sys.unraisablehook

    def hook(raised: sys.UnraisableHookArgs) -> None:
        if not str(getattr(raised.object, "__module__", "")).startswith("py4j"):
            shown(raised)

    sys.unraisablehook = hook


def interruption_of(error: BaseException) -> KeyboardInterrupt | SystemExit | None:
    """A new one of what told the process to end, where an error is only what came of it.

    Py4J drops the connection that an interrupted call waits on, and whatever asks Java next may find it dead.
    """
    found = next((cause for cause in causes(error) if isinstance(cause, KeyboardInterrupt | SystemExit)), None)
    told = found or (_told[-1] if _told else None)
    return None if told is None else _anew(told)


def _anew(told: KeyboardInterrupt | SystemExit) -> KeyboardInterrupt | SystemExit:
    return type(told)(*told.args)
