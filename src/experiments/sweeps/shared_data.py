"""Data sets that trials share: each is read once, stages that they begin with are fitted once, and all of it is freed
when the last trial that needs it has ended."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from experiments.config.identity import data_key, stage_columns, stages_key
from experiments.config.schema import Config
from experiments.data.dataset import Dataset
from experiments.data.loading import load_data
from experiments.pipeline.fitting import Prepared, is_worth_sharing, prepare
from experiments.pipeline.wiring import Wired

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

MOST_IDLE = 4


@dataclass
class _Loaded:
    """One data set on its way through the trials that use it."""

    loading: threading.Lock = field(default_factory=threading.Lock)
    kept: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    dataset: Dataset | None = None
    users: int = 0
    preparing: threading.Lock = field(default_factory=threading.Lock)
    prepared: dict[str, Prepared] = field(default_factory=dict)


class SharedData:
    """Loaded data sets by what they are loaded from. Safe for several threads.

    Args:
        expected: how many trials will need each data set, by `data_key`; None where that is not known.
        begin_alike: of several trials, what they do before their estimator, by `stages_key`.
        most_idle: so many that nobody uses are kept while it is not known how many trials will need them.
    """

    def __init__(
        self,
        expected: Mapping[str, int] | None = None,
        begin_alike: Container[str] = (),
        most_idle: int = MOST_IDLE,
    ) -> None:
        self._left = None if expected is None else Counter(expected)
        self._begin_alike = begin_alike
        self._most_idle = most_idle
        self._loaded: dict[str, _Loaded] = {}
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def use(self, spark: SparkSession, config: Config) -> Iterator[Dataset]:
        """The config's data set, loaded by whoever asks first; it stays cached until the end of the block.

        Raises:
            ExperimentError: as `load_data`.
        """
        key = data_key(config)
        with self._lock:
            loaded = self._loaded.setdefault(key, _Loaded())
            loaded.users += 1
        try:
            with loaded.loading:
                if loaded.dataset is None:
                    loading = load_data(spark, config.data, config.model.task, config.seed, stage_columns(config))
                    loaded.dataset = loaded.kept.enter_context(loading)
            yield loaded.dataset
        finally:
            with self._lock:
                loaded.users -= 1
            self._free()

    def prepared(self, config: Config, wired: Sequence[Wired], dataset: Dataset) -> Prepared | None:
        """The stages before the config's estimator, fitted on its data set, which must be in use, by whoever asks
        first; None where no other trial begins with the same, or that would not be worth it.

        Raises:
            ExperimentError: as `prepare`.
        """
        key = stages_key(config)
        if key not in self._begin_alike or not is_worth_sharing(wired):
            return None
        with self._lock:
            loaded = self._loaded[data_key(config)]
        with loaded.preparing:
            if key not in loaded.prepared:
                loaded.prepared[key] = prepare(wired, dataset.train, dataset.rows, loaded.kept)
            return loaded.prepared[key]

    def expect(self, config: Config) -> None:
        """One more trial will need its data."""
        if self._left is not None:
            with self._lock:
                self._left[data_key(config)] += 1

    def ended(self, config: Config) -> None:
        """A trial that was expected to need its data will not need it any more."""
        if self._left is not None:
            with self._lock:
                self._left[data_key(config)] -= 1
            self._free()

    def close(self) -> None:
        """Free what is left."""
        self._left = Counter()
        self._free()

    def _free(self) -> None:
        with self._lock:
            idle = [key for key, loaded in self._loaded.items() if loaded.users == 0]
            freed = idle[: -self._most_idle] if self._left is None else [key for key in idle if self._left[key] <= 0]
            stacks = [self._loaded.pop(key).kept for key in freed]
        for stack in stacks:
            stack.close()
