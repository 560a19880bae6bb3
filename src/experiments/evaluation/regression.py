"""How far the predictions of a regression are from the truth: of few rows on the driver, of more by Spark.

On cold Java each new expression costs more than all that is asked of few rows (docs/decisions/0012).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.data.dataset import HELD_OUT

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pyspark.sql import Column, DataFrame

# Up to so many are looked at on the driver.
MOST_ROWS = 20_000
# The rank of the median of errors is right to one part in so many.
MEDIAN_STEPS = 10_000


@dataclass(frozen=True)
class Errors:
    """Of the rows of one side of the split.

    Attributes:
        mse, mae: means of squared and of absolute errors.
        variance: of the label.
        rows: row count.
        relative: mean of errors by the label's size; None where a label is 0, or rows count by weights.
        error_variance: the same.
        median: of absolute errors; None of a side that is not judged.
    """

    mse: float
    mae: float
    variance: float
    rows: int
    relative: float | None = None
    error_variance: float = math.nan
    median: float | None = None


@dataclass(frozen=True)
class Predicted:
    """Few rows, on the driver: arrays of shape (rows,).

    Attributes:
        weight: None of data without weights.
        features: of some training rows, shape (some rows, features); None where nobody asked for them.
    """

    true: NDArray[np.float64]
    predicted: NDArray[np.float64]
    held_out: NDArray[np.bool_]
    weight: NDArray[np.float64] | None
    features: NDArray[np.float64] | None = None

    @classmethod
    def of(cls, rows: DataFrame, label: str, weight: str | None, sampled: tuple[str, float] | None = None) -> Predicted:
        """All rows of a frame with a label, `prediction` and `_held_out`.

        Args:
            sampled: a column of vectors, and of which share of the training rows it is wanted.
        """
        from pyspark.ml.functions import vector_to_array
        from pyspark.sql import functions as F

        named = {
            "true": F.col(label),
            "predicted": F.col("prediction"),
            **({"weight": F.col(weight)} if weight else {}),
        }
        numbers = [column.cast("double").alias(name) for name, column in named.items()]
        if sampled is not None:
            column, share = sampled
            numbers.append(F.when(~F.col(HELD_OUT) & (F.rand(0) < share), vector_to_array(column)).alias("features"))
        table = rows.select(*numbers, F.col(HELD_OUT).alias("held_out")).toArrow()
        columns = {name: table[name].to_numpy() for name in (*named, "held_out")}
        features = None
        if sampled is not None:
            found = table["features"].drop_null()
            features = found.combine_chunks().flatten().to_numpy().reshape(len(found), -1) if len(found) else None
        held_out = columns["held_out"].astype(bool)
        return cls(columns["true"], columns["predicted"], held_out, columns.get("weight"), features)

    def side(self, held_out: bool) -> Predicted:
        """The rows that are held out, or the others."""
        on = self.held_out == held_out
        return Predicted(
            self.true[on], self.predicted[on], self.held_out[on], None if self.weight is None else self.weight[on]
        )

    def errors(self, judged_side: bool) -> dict[bool, Errors]:
        """By `_held_out`, of the sides that have rows."""
        return {side: _of_few(self.side(side), side is judged_side) for side in np.unique(self.held_out).tolist()}

    def weighted_errors(self) -> dict[bool, Errors]:
        """The same by the weights, of the sides that weigh something; empty without."""
        if self.weight is None:
            return {}
        sides = ((side, self.side(side)) for side in np.unique(self.held_out).tolist())
        return {side: _of_few_weighted(rows) for side, rows in sides if rows.weight is not None and rows.weight.any()}


def _variance(values: NDArray[np.float64], weights: NDArray[np.float64] | None = None) -> float:
    """Exactly 0 of values that are all alike, whose mean may be another number by rounding."""
    if values.min() == values.max():
        return 0.0
    return float(np.average((values - np.average(values, weights=weights)) ** 2, weights=weights))


def _of_few(rows: Predicted, is_judged: bool) -> Errors:
    error = rows.true - rows.predicted
    size = np.abs(error)
    return Errors(
        mse=float(np.mean(error * error)),
        mae=float(size.mean()),
        variance=_variance(rows.true),
        rows=len(error),
        relative=float(np.mean(size / np.abs(rows.true))) if rows.true.all() else None,
        error_variance=_variance(error),
        median=float(np.median(size)) if is_judged else None,
    )


def _of_few_weighted(rows: Predicted) -> Errors:
    error, weights = rows.true - rows.predicted, rows.weight
    mse, mae = (float(np.average(of, weights=weights)) for of in (error**2, np.abs(error)))
    return Errors(mse, mae, _variance(rows.true, weights), len(error))


def errors_of_many(rows: DataFrame, label: str, judged_side: bool) -> dict[bool, Errors]:
    """By `_held_out`, of any number of rows, by one aggregate."""
    from pyspark.sql import functions as F

    true = F.col(label)
    error = true - F.col("prediction")
    is_judged = F.col(HELD_OUT) == judged_side
    return _grouped(
        rows,
        {
            "mse": F.avg(error * error),
            "mae": F.avg(F.abs(error)),
            "variance": F.var_pop(true),
            "relative": F.when(F.min(F.abs(true)) > 0, F.avg(F.try_divide(F.abs(error), F.abs(true)))),
            "error_variance": F.var_pop(error),
            "median": F.percentile_approx(F.when(is_judged, F.abs(error)), 0.5, MEDIAN_STEPS),
        },
    )


def errors_of_many_weighted(rows: DataFrame, label: str, weight: str) -> dict[bool, Errors]:
    """The same by the weights. The mean of the label is asked first, as sums of squares lose digits."""
    from pyspark.sql import functions as F

    true, counted = F.col(label), F.col(weight)
    error, total = true - F.col("prediction"), F.sum(counted)
    means = rows.where(counted > 0).groupBy(HELD_OUT).agg((F.sum(true * counted) / total).alias("mean"))
    mean = {row[HELD_OUT]: row["mean"] for row in means.collect()}
    distance = true - F.when(F.col(HELD_OUT), mean.get(True)).otherwise(mean.get(False))
    summed = {"mse": error * error, "mae": F.abs(error), "variance": distance * distance}
    return _grouped(rows.where(counted > 0), {name: F.sum(value * counted) / total for name, value in summed.items()})


def _grouped(rows: DataFrame, measures: Mapping[str, Column]) -> dict[bool, Errors]:
    from pyspark.sql import functions as F

    columns = [measure.alias(name) for name, measure in measures.items()]
    found: list[Any] = rows.groupBy(HELD_OUT).agg(*columns, F.count("*").alias("rows")).collect()
    return {row[HELD_OUT]: Errors(**{name: row[name] for name in (*measures, "rows")}) for row in found}
