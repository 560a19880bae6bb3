"""Curves over thresholds, from rows that Spark has counted by their score."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray
    from pyspark.sql import Column, DataFrame

from experiments.data.dataset import HELD_OUT

MOST_CURVES = 20
# Scores are counted in steps of 1/20,000 around zero and of half a per cent of their size further out: some thousands
# of steps, whatever the scale of a margin. Rows within a step count as ties, which errs by the square of its width.
STEPS = 200.0
UNIT = 100.0
# Log odds beyond this are of probabilities that are 0 or 1 in floating point.
MOST_LOG_ODDS = 700.0


def area_under(x: ArrayLike, y: ArrayLike) -> float:
    """Area under the line through points, by trapezoids."""
    return float(np.trapezoid(y, x))  # type: ignore[attr-defined]  # the types of NumPy 2.0 leave it out


@dataclass(frozen=True)
class Curve:
    """Rows by the score of a class, the highest first; each array has an entry for each step with rows.

    Attributes:
        score: log odds where the model has probabilities, else its margin.
        rows: row counts.
        positives: how many of them are of the class.
        probability: the sum of their probabilities; NaN for a margin.
    """

    score: NDArray[np.float64]
    rows: NDArray[np.float64]
    positives: NDArray[np.float64]
    probability: NDArray[np.float64]

    @property
    def has_both(self) -> bool:
        """Whether there are rows of the class and others, without which there is no curve."""
        return bool(0 < self.positives.sum() < self.rows.sum())

    @property
    def has_probability(self) -> bool:
        return bool(np.isfinite(self.probability).all())

    @property
    def threshold(self) -> NDArray[np.float64]:
        """The probability or the margin at each step."""
        return 1 / (1 + np.exp(-self.score)) if self.has_probability else self.score

    @property
    def recall(self) -> NDArray[np.float64]:
        """Share of the class at or above each step."""
        share: NDArray[np.float64] = np.cumsum(self.positives) / self.positives.sum()
        return share

    @property
    def false_positive_rate(self) -> NDArray[np.float64]:
        """Share of the others at or above each step."""
        share: NDArray[np.float64] = np.cumsum(self.rows - self.positives) / (self.rows - self.positives).sum()
        return share

    @property
    def precision(self) -> NDArray[np.float64]:
        """Share of the rows at or above each step that are of the class."""
        share: NDArray[np.float64] = np.cumsum(self.positives) / np.cumsum(self.rows)
        return share

    def area_under_roc(self) -> float:
        x, y = self.false_positive_rate, self.recall
        return area_under(np.concatenate([[0.0], x]), np.concatenate([[0.0], y]))

    def area_under_precision_recall(self) -> float:
        x, y = self.recall, self.precision
        return area_under(np.concatenate([[0.0], x]), np.concatenate([y[:1], y]))

    def average_precision(self) -> float:
        """Precision by the recall that each step adds, without lines between steps."""
        return float(np.sum(np.diff(np.concatenate([[0.0], self.recall])) * self.precision))


def has_scores(rows: DataFrame, classes: int | None) -> bool:
    """Whether the model gives each class of a row a number, and whether they are few enough for curves."""
    return classes is not None and classes <= MOST_CURVES and bool({"probability", "rawPrediction"} & set(rows.columns))


def by_score(rows: DataFrame, label: str, classes: int, *keys: str, **sums: Column) -> DataFrame:
    """Rows of each class by the step of their score and by other keys; of two classes the second alone.

    Returns:
        `class`, `step`, the keys and sums, `rows`, `positives` (rows of the class), and `probability` (its sum, null of
        a margin).
    """
    from pyspark.ml.functions import vector_to_array
    from pyspark.sql import functions as F

    has_probability = "probability" in rows.columns
    values = vector_to_array("probability" if has_probability else "rawPrediction").alias("_values")
    known = rows.select(
        F.col(label).alias("_true"), values, *keys, *(column.alias(name) for name, column in sums.items())
    )
    if classes == 2:
        # A class that the model was fitted without has no score.
        scored = known.selectExpr("*", "1 AS class", *(f"coalesce(get(_values, {i}), 0D) AS _{i}" for i in (0, 1)))
        value, rest = "_1", "_0"
    else:
        scored = known.selectExpr("*", "posexplode(_values) AS (class, _value)")
        value, rest = "_value", "1 - _value"
    score = _log_odds(value, rest) if has_probability else value
    return scored.groupBy("class", F.expr(f"round(asinh({score} * {UNIT}) * {STEPS})").alias("step"), *keys).agg(
        F.expr("count(*)").alias("rows"),
        F.expr("count_if(_true = class)").alias("positives"),
        F.expr(f"sum({value if has_probability else 'CAST(NULL AS DOUBLE)'})").alias("probability"),
        *(F.sum(name).alias(name) for name in sums),
    )


def _log_odds(value: str, rest: str) -> str:
    """Of a probability and what is left of 1, exact for both near 0; in SQL."""
    odds = f"ln(greatest({value}, 1e-300D)) - ln(greatest({rest}, 1e-300D))"
    return f"greatest(least({odds}, {MOST_LOG_ODDS}D), -{MOST_LOG_ODDS}D)"


def curves_of(groups: Iterable[Any]) -> dict[tuple[bool, int], Curve]:
    """From collected rows of `by_score` with the key `_held_out`, whatever other keys they have.

    Returns:
        By side (`_held_out`) and class.
    """
    steps: dict[tuple[bool, int], dict[float, NDArray[np.float64]]] = {}
    for row in groups:
        probability = np.nan if row["probability"] is None else row["probability"]
        counts = steps.setdefault((row[HELD_OUT], row["class"]), {})
        counts[row["step"]] = counts.get(row["step"], 0.0) + np.array([row["rows"], row["positives"], probability])
    return {key: _curve(counts) for key, counts in sorted(steps.items())}


def _curve(counts: dict[float, NDArray[np.float64]]) -> Curve:
    steps = sorted(counts, reverse=True)
    score = np.sinh(np.array(steps) / STEPS) / UNIT
    return Curve(score, *np.array([counts[step] for step in steps]).T)
