"""Curves over thresholds, from rows that Spark has counted by their score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import integrate

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pyspark.sql import Column, DataFrame

from experiments.data.dataset import HELD_OUT

MOST_CURVES = 20
# Scores are counted in steps of 1/20,000 around zero and of half a per cent of their size further out: some thousands
# of steps, whatever the scale of a margin. Rows within a step count as ties, which errs by the square of its width.
STEPS = 200.0
UNIT = 100.0
# Log odds beyond this are of probabilities that are 0 or 1 in floating point.
MOST_LOG_ODDS = 700.0


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
        return float(integrate.trapezoid(np.concatenate([[0.0], y]), np.concatenate([[0.0], x])))

    def area_under_precision_recall(self) -> float:
        x, y = self.recall, self.precision
        return float(integrate.trapezoid(np.concatenate([y[:1], y]), np.concatenate([[0.0], x])))


def count_by_score(rows: DataFrame, label: str | None, classes: int | None) -> dict[tuple[bool, int], Curve]:
    """One aggregate over the scored rows. Of two classes the second is counted, of up to `MOST_CURVES` each.

    Returns:
        By side (`_held_out`) and class; empty without scores or with too many classes.
    """
    if label is None or classes is None or classes > MOST_CURVES:
        return {}
    if not {"probability", "rawPrediction"} & set(rows.columns):
        return {}
    found: dict[tuple[bool, int], list[Any]] = {}
    for row in _counted(rows, label, classes).collect():
        found.setdefault((row["side"], row["class"]), []).append(row)
    return {key: _curve(steps) for key, steps in sorted(found.items())}


def _counted(rows: DataFrame, label: str, classes: int) -> DataFrame:
    from pyspark.ml.functions import vector_to_array
    from pyspark.sql import functions as F

    has_probability = "probability" in rows.columns
    values = vector_to_array("probability" if has_probability else "rawPrediction")
    kept = [F.col(HELD_OUT).alias("_side"), F.col(label).alias("_true")]
    if classes == 2:
        pairs = rows.select(*kept, values.alias("_values")).select(
            "*", F.lit(1).alias("_class"), _entry(1).alias("_value"), _entry(0).alias("_rest")
        )
    else:
        pairs = rows.select(*kept, F.posexplode(values).alias("_class", "_value"))
        pairs = pairs.withColumn("_rest", 1 - F.col("_value"))
    value = F.col("_value")
    step = F.round(F.asinh((_log_odds(value, F.col("_rest")) if has_probability else value) * UNIT) * STEPS)
    return pairs.groupBy(F.col("_side").alias("side"), F.col("_class").alias("class"), step.alias("step")).agg(
        F.count("*").alias("rows"),
        F.count_if(F.col("_true") == F.col("_class")).alias("positives"),
        F.sum(value if has_probability else F.lit(None).cast("double")).alias("probability"),
    )


def _entry(index: int) -> Column:
    """Of the scores by class; 0 where the model was fitted without that class."""
    from pyspark.sql import functions as F

    return F.coalesce(F.get("_values", F.lit(index)), F.lit(0.0))


def _log_odds(value: Column, rest: Column) -> Column:
    """Of a probability and what is left of 1, exact for both near 0."""
    from pyspark.sql import functions as F

    tiny = F.lit(1e-300)
    odds = F.log(F.greatest(value, tiny)) - F.log(F.greatest(rest, tiny))
    return F.greatest(F.least(odds, F.lit(MOST_LOG_ODDS)), F.lit(-MOST_LOG_ODDS))


def _curve(steps: list[Any]) -> Curve:
    steps = sorted(steps, key=lambda row: -row["step"])
    score = np.sinh(np.array([row["step"] for row in steps]) / STEPS) / UNIT
    rows, positives = (np.array([row[name] for row in steps], dtype=float) for name in ("rows", "positives"))
    probability = np.array([np.nan if row["probability"] is None else row["probability"] for row in steps])
    return Curve(score, rows, positives, probability)
