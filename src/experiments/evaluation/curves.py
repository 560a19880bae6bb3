"""Curves over thresholds, from rows that Spark has counted by their score."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray
    from pyspark.sql import Column, DataFrame

from experiments.data.caching import cached
from experiments.data.dataset import HELD_OUT

MOST_CURVES = 20
# Up to so many rows, times classes, each score counts for itself. More are counted in steps of 1/20,000 around zero and
# of half a per cent of their size further out: some thousands of steps, whatever the scale of a margin. Rows within a
# step count as ties.
MOST_EXACT = 20_000
STEPS = 200.0
UNIT = 100.0
# A step with a larger share of the rows, whose scores differ, is counted again in finer ones: a model that is sure of
# nothing has all its scores close together.
MOST_OF_A_STEP = 0.002
FINER_STEPS = 20_000
# Steps are some thousands to both sides of zero.
_CLASS = 1_000_000
# Log odds beyond this are of probabilities that are 0 or 1 in floating point.
MOST_LOG_ODDS = 700.0


def area_under(x: ArrayLike, y: ArrayLike) -> float:
    """Area under the line through points, by trapezoids."""
    return float(np.trapezoid(y, x))  # type: ignore[attr-defined]  # the types of NumPy 2.0 leave it out


@dataclass(frozen=True)
class Curve:
    """Rows by the score of a class, the highest first; each array has an entry for each step with rows.

    Attributes:
        score: log odds where the model has probabilities, else its margin; the lowest of the step.
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


def by_score(
    rows: DataFrame, label: str, classes: int, count: int, keys: Sequence[str], sums: Mapping[str, Column]
) -> list[dict[str, Any]]:
    """Rows of each class by the step of their score and by other keys; of two classes the second alone.

    One look at the rows, and another where many scores are close together.

    Args:
        count: how many rows there are.

    Returns:
        `class`, `step`, the keys and sums, `rows`, `positives` (rows of the class), `low` and `high` (the ends of the
        scores), and `probability` (its sum, null of a margin).
    """
    scored = _scored(rows, label, classes, keys, sums)
    if count * (1 if classes == 2 else classes) <= MOST_EXACT:
        return _fetched(_grouped(scored, "_score", keys, sums))
    step = f"round(asinh(_score * {UNIT}) * {STEPS})"
    # Of more classes the model's own answers are kept already, and these rows are many times as many.
    with cached(scored, "MEMORY_AND_DISK" if classes == 2 else "NONE") as kept:
        counted = _fetched(_grouped(kept, step, keys, sums))
        crowded = _crowded(counted)
        if not crowded:
            return counted
        entries = ", ".join(f"{key}D, struct({low!r}D, {width!r}D, {parts}D)" for key, low, width, parts in crowded)
        ends = f"try_element_at(map({entries}), class * {_CLASS}D + {step})"
        place = f"floor(least((_score - {ends}.col1) / {ends}.col2, 0.9999D) * {ends}.col3) / {ends}.col3"
        return _fetched(_grouped(kept, f"{step} + coalesce({place}, 0D)", keys, sums))


def _fetched(groups: DataFrame) -> list[dict[str, Any]]:
    """Some thousands of rows: by Arrow they come in two thirds of the time."""
    found: list[dict[str, Any]] = groups.toArrow().to_pylist()
    return found


def _crowded(counted: Sequence[Any]) -> list[tuple[float, float, float, int]]:
    """Steps that hold much: class and step in one number, where their scores begin, how far they go, and how many finer
    steps are worth it."""
    ends: dict[float, tuple[float, float, int]] = {}
    total: Counter[int] = Counter()
    for row in counted:
        key = row["class"] * _CLASS + row["step"] + 0.0  # no zero below zero
        low, high, rows = ends.get(key, (math.inf, -math.inf, 0))
        ends[key] = min(low, row["low"]), max(high, row["high"]), rows + row["rows"]
        total[row["class"]] += row["rows"]
    shares = {key: rows / total[round(key / _CLASS)] for key, (_, _, rows) in ends.items()}
    return [
        (key, low, high - low, math.ceil(shares[key] * FINER_STEPS))
        for key, (low, high, _) in ends.items()
        if high > low and shares[key] > MOST_OF_A_STEP
    ]


def _scored(rows: DataFrame, label: str, classes: int, keys: Sequence[str], sums: Mapping[str, Column]) -> DataFrame:
    """Each row and class: the keys, the sums, `_true`, `class`, `_score` and `_probability` (null of a margin)."""
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
    probability = value if has_probability else "CAST(NULL AS DOUBLE)"
    others = (f"`{name}`" for name in dict.fromkeys((*keys, *sums)))
    return scored.selectExpr("_true", "class", f"{score} AS _score", f"{probability} AS _probability", *others)


def _grouped(scored: DataFrame, step: str, keys: Sequence[str], sums: Mapping[str, Column]) -> DataFrame:
    """`by_score` with steps of one's own.

    Args:
        step: SQL of `_score`, the score of a row for a class.
    """
    from pyspark.sql import functions as F

    return scored.groupBy("class", F.expr(step).alias("step"), *keys).agg(
        F.expr("count(*)").alias("rows"),
        F.expr("count_if(_true = class)").alias("positives"),
        F.expr("min(_score)").alias("low"),
        F.expr("max(_score)").alias("high"),
        F.expr("sum(_probability)").alias("probability"),
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
    lows: dict[tuple[bool, int], dict[float, float]] = {}
    for row in groups:
        probability = np.nan if row["probability"] is None else row["probability"]
        counts = steps.setdefault((row[HELD_OUT], row["class"]), {})
        counts[row["step"]] = counts.get(row["step"], 0.0) + np.array([row["rows"], row["positives"], probability])
        ends = lows.setdefault((row[HELD_OUT], row["class"]), {})
        ends[row["step"]] = min(ends.get(row["step"], math.inf), row["low"])
    return {key: _curve(counts, lows[key]) for key, counts in sorted(steps.items())}


def _curve(counts: dict[float, NDArray[np.float64]], lows: dict[float, float]) -> Curve:
    steps = sorted(counts, reverse=True)
    return Curve(np.array([lows[step] for step in steps]), *np.array([counts[step] for step in steps]).T)
