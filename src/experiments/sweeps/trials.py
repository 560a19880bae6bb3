"""What surrounds the trials of one launch. A sweep of ours makes more of it; see `sweep.py`."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING

from experiments.cluster.jobs import end_jobs
from experiments.config.schema import Config
from experiments.experiment import Alone
from experiments.sweeps.shared_data import SharedData

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from experiments.data.dataset import Dataset
    from experiments.pipeline.fitting import Prepared
    from experiments.pipeline.wiring import Wired
    from experiments.tracking.lifecycle import Parent
    from experiments.tracking.registry import Registered
    from experiments.tracking.run import TrackedRun


class Trials(Alone):
    """Trials that run at the same time, of which each is surrounded by the others.

    Attributes:
        shared: the data sets that they load.
        stopping: set when no trial may start any more and the running ones end as KILLED.
        parent: the MLflow run that theirs are children of, or None.
    """

    parent: Parent | None = None

    def __init__(self, shared: SharedData | None = None) -> None:
        self.shared = shared or SharedData()
        self.stopping = threading.Event()

    def check_store(self, config: Config) -> None:
        if self.parent is None:  # whose store was asked
            super().check_store(config)

    def parent_of(self, config: Config) -> Parent | None:
        return self.parent

    def go_on(self) -> None:
        super().go_on()
        if self.stopping.is_set():
            raise KeyboardInterrupt

    def interruption_of(self, error: Exception) -> KeyboardInterrupt | SystemExit | None:
        return KeyboardInterrupt() if self.stopping.is_set() else super().interruption_of(error)

    def data(self, spark: SparkSession, config: Config) -> contextlib.AbstractContextManager[Dataset]:
        return self.shared.use(spark, config)

    def prepared(self, config: Config, wired: Sequence[Wired], dataset: Dataset) -> Prepared | None:
        return self.shared.prepared(config, wired, dataset)

    def register(self, run: TrackedRun, model_uri: str | None, config: Config) -> Registered | None:
        return None  # of several none is the best yet

    def cancel(self) -> None:
        """End what Spark is at; each trial then finds that it was stopped."""
        end_jobs()


# Those that the job of this thread is one of, or None.
current: ContextVar[Trials | None] = ContextVar("trials", default=None)
