"""A few of many, for figures and tables of bounded size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from experiments.evaluation.judged import Scored

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pyspark.sql import DataFrame


def sample(scored: Scored, most: int) -> DataFrame:
    """About `most` judged rows at the most, the same at each run over the same partitions."""
    share = most / max(scored.judged_rows, 1)
    return scored.judged if share >= 1 else scored.judged.sample(share, seed=0).limit(2 * most)


def thinned(count: int, most: int) -> NDArray[np.int64]:
    """Which places of a long row to keep: all, or `most` of them, as far apart as each other, with both ends."""
    kept: NDArray[np.int64] = np.unique(np.linspace(0, count - 1, most).astype(int))
    return kept
