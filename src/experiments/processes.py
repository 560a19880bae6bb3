"""Which process a run belongs to, so that one whose process is gone can be told from one that still runs."""

from __future__ import annotations

import os
import socket

PROCESS_TAG = "experiments.process"
# By which a machine's clock may have been set since.
SECONDS_OF_A_CLOCK = 10.0


def process_tag() -> dict[str, str]:
    """Tag of the runs of this process: machine, process id, and when that process began."""
    return {PROCESS_TAG: f"{socket.gethostname()} {os.getpid()} {_began(os.getpid()):.2f}"}


def is_gone(tag: str) -> bool | None:
    """Whether the process of a tag has ended; None where that cannot be seen from this machine."""
    host, _, process = tag.partition(" ")
    number, _, began = process.partition(" ")
    if host != socket.gethostname() or not number.isdigit():
        return None
    return abs(_began(int(number)) - float(began)) > SECONDS_OF_A_CLOCK


def _began(process: int) -> float:
    """When a process began, in seconds since 1970, minus infinity if there is none. Numbers are given again."""
    import psutil

    try:
        return float(psutil.Process(process).create_time())
    except psutil.NoSuchProcess:
        return float("-inf")
