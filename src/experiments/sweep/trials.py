"""What the trials of one launch share, beside the Spark session. A sweep of ours makes more of it; see `sweep.py`."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING

from experiments.config import Config
from experiments.sweep.shared import SharedData

if TYPE_CHECKING:
    from pyspark.ml import PipelineModel
    from pyspark.sql import SparkSession

    from experiments.tracking import Parent, TrackedRun


class Trials:
    """Trials that run at the same time.

    Attributes:
        shared: the data sets that they load.
        stopping: set when no trial may start any more and the running ones end as KILLED.
        parent: the MLflow run that theirs are children of, or None.
        logs_models: whether each trial logs its model itself.
    """

    parent: Parent | None = None
    logs_models = True

    def __init__(self, shared: SharedData | None = None) -> None:
        self.shared = shared or SharedData()
        self.stopping = threading.Event()

    def parent_of(self, config: Config) -> Parent | None:
        """The run that the run of a config is a child of, or None."""
        return self.parent

    def offer(
        self, config: Config, fitted: PipelineModel, spark: SparkSession, run: TrackedRun, metrics: Mapping[str, float]
    ) -> None:
        """A trial's fitted pipeline, which may be the best so far."""

    def cancel(self) -> None:
        """End what Spark is at; each trial then finds that it was stopped."""
        from pyspark import SparkContext

        context = SparkContext._active_spark_context
        if context is not None:
            with contextlib.suppress(Exception):  # a session that is ending has nothing left to cancel
                context.cancelAllJobs()


# Those that the job of this thread is one of, or None.
current: ContextVar[Trials | None] = ContextVar("trials", default=None)
