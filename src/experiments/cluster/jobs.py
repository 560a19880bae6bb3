"""Spark's jobs of this process: named, counted, and ended when somebody says so."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# For the trials of a sweep to know that they were stopped.
SECONDS_TO_STOP = 1.0
_POOL = "spark.scheduler.pool"
_OF_THREADS = ("spark.jobGroup.id", "spark.job.description", "spark.job.interruptOnCancel", _POOL)
# Groups that are named now. In a session of others only what has these is ours to end.
_groups: set[str] = set()
_are_others_there = threading.Event()


def share_jobs(with_others: bool) -> None:
    """Say whether the session has jobs of others."""
    (_are_others_there.set if with_others else _are_others_there.clear)()


@contextlib.contextmanager
def named_jobs(session: SparkSession, group: str, description: str) -> Iterator[None]:
    """Within it Spark's jobs of this thread, and of those that inherit from it, have a group and a scheduler pool of
    their own; afterwards those that they had before.

    Pools share the cores evenly, so that a short trial does not wait for a long one.
    """
    context = session.sparkContext
    before = {key: context.getLocalProperty(key) for key in _OF_THREADS}
    _groups.add(group)
    context.setJobGroup(group, description, interruptOnCancel=True)
    context.setLocalProperty(_POOL, group)
    try:
        yield
    finally:
        _groups.discard(group)
        with contextlib.suppress(Exception):  # of a session that has ended
            for key, value in before.items():
                context.setLocalProperty(key, value)  # None unsets it


def active_tasks(session: SparkSession) -> str:
    """Done and all tasks of the stages that Spark is at, as a line says them; empty where it is at none."""
    tracker = session.sparkContext.statusTracker()
    stages = [tracker.getStageInfo(stage) for stage in tracker.getActiveStageIds()]
    known = [stage for stage in stages if stage is not None]
    if not known:
        return ""
    done, tasks = sum(stage.numCompletedTasks for stage in known), sum(stage.numTasks for stage in known)
    return f" · Spark stage {max(stage.stageId for stage in known)}: {done} of {tasks} tasks"


def end_jobs_soon() -> threading.Timer:
    """Have Spark end what it is at in a second, and what begins after that, by another thread, as this one's connection
    to Java is in use.

    For signals: rows that are collected as Arrow are waited for even then. What is returned can be cancelled.
    """
    later = _Repeated(SECONDS_TO_STOP, end_jobs)
    later.daemon = True
    later.start()
    return later


class _Repeated(threading.Timer):
    """Again and again, until it is cancelled."""

    def run(self) -> None:
        while not self.finished.wait(self.interval):
            self.function()


def end_jobs() -> None:
    """Have Spark end what it is at for us, if it is there."""
    from pyspark import SparkContext

    context = SparkContext._active_spark_context
    if context is not None:
        with contextlib.suppress(Exception):  # a session that is ending has nothing left to cancel
            if not _are_others_there.is_set():
                context.cancelAllJobs()
            for group in tuple(_groups):
                context.cancelJobGroup(group)
