"""Which process a run belongs to, so that one whose process is gone can be told from one that still runs."""

from __future__ import annotations

import os
import socket

PROCESS_TAG = "experiments.process"
# By which a machine's clock may have been set since.
SECONDS_OF_A_CLOCK = 10.0


def process_tag() -> dict[str, str]:
    """Tag of the runs of this process: machine, process id, and when that process began."""
    return {PROCESS_TAG: f"{_machine()} {os.getpid()} {_began(os.getpid()):.2f}"}


def is_gone(tag: str) -> bool | None:
    """Whether the process of a tag has ended; None where that cannot be seen from this machine."""
    host, _, process = tag.partition(" ")
    number, _, began = process.partition(" ")
    if host != _machine() or not number.isdigit():
        return None
    return abs(_began(int(number)) - float(began)) > SECONDS_OF_A_CLOCK


def _machine() -> str:
    """Name of the machine, and of the space in which numbers of processes count: containers have their own."""
    try:
        return f"{socket.gethostname()}/{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return socket.gethostname()


def _began(process: int) -> float:
    """When a process began, in seconds since 1970, minus infinity if there is none. Numbers are given again."""
    import psutil

    try:
        found = psutil.Process(process)
        # One that has ended and whose parent has not asked how.
        return float("-inf") if found.status() == psutil.STATUS_ZOMBIE else float(found.create_time())
    except psutil.NoSuchProcess:
        return float("-inf")
