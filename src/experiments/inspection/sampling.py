"""A few of many rows, for figures of points."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.scored import Scored

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def sample(scored: Scored, most: int) -> DataFrame:
    """About `most` judged rows at the most, the same at each run over the same partitions."""
    share = most / max(scored.judged_rows, 1)
    return scored.judged if share >= 1 else scored.judged.sample(share, seed=0).limit(2 * most)
