"""How far rows and their projections are spread: what a projection keeps of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from experiments.pipeline.known import known_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class Spread:
    """Of rows and of their projections on orthonormal directions: mean squared distance from what is projected on.

    Attributes:
        total: of the rows, from their mean (PCA) or from zero (SVD).
        components: of the projections, shape (k,).
    """

    total: float
    components: NDArray[np.float64]

    @property
    def kept(self) -> float:
        return float(self.components.sum())


def spread_of(rows: DataFrame, features: str | None, model: Any) -> Spread:
    """One pass over the rows. The directions are orthonormal, so that what is lost is the difference."""
    from pyspark.ml.stat import Summarizer
    from pyspark.sql import functions as F

    summary = Summarizer.metrics("count", "variance", "normL2")
    both = [summary.summary(F.col(name)) for name in (features, model.getOutputCol())]
    wide, narrow = rows.select(*both).first()
    count = wide["count"]
    if known_of(type(model)).is_from_mean:
        scale = (count - 1) / count  # Spark divides by one less
        return Spread(float(wide["variance"].toArray().sum() * scale), narrow["variance"].toArray() * scale)
    return Spread(float((wide["normL2"].toArray() ** 2).sum() / count), narrow["normL2"].toArray() ** 2 / count)
