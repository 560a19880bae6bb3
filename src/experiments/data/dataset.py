"""What is known about loaded rows, from the one aggregate that fills their cache, counts, checks and digests them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from experiments.config import DataConfig, Missing, Task
from experiments.errors import ExperimentError, readable_cause

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

HASH = "_row_hash"
HELD_OUT = "_held_out"
DEFAULT_TEST_FRACTION = 0.2
MOST_CLASSES = 10_000


@dataclass(frozen=True)
class Dataset:
    """Rows of one data set, cached.

    Attributes:
        rows: the features, the label (float64) where there is one, and boolean `_held_out`.
        label: name of the label column, or None.
        features: names of the feature columns, in order.
        train_rows, test_rows: row counts.
        train_digest, test_digest: 16 hex digits of the content, whatever its order.
        classes: number of classes of a classification, else None.
        judged_classes: how many of them are among the test rows, or the training rows where none are held out.
    """

    rows: DataFrame
    label: str | None
    features: list[str]
    train_rows: int
    test_rows: int
    train_digest: str
    test_digest: str
    classes: int | None
    judged_classes: int | None

    @property
    def feature_types(self) -> dict[str, str]:
        """Feature columns in order, with Spark's short type names."""
        types: dict[str, str] = dict(self.rows.dtypes)
        return {name: types[name] for name in self.features}

    @property
    def train(self) -> DataFrame:
        return self.rows.where(f"NOT {HELD_OUT}").drop(HELD_OUT)

    @property
    def test(self) -> DataFrame:
        return self.rows.where(HELD_OUT).drop(HELD_OUT)


def test_fraction(data: DataConfig, task: Task) -> float:
    """Share of rows held out: what the config says, else 0.2 where there is a label to predict."""
    if data.test_fraction is not None:
        return data.test_fraction
    return DEFAULT_TEST_FRACTION if task.supervised else 0.0


def is_missing(rows: DataFrame, name: str) -> Column:
    """Null, NaN or infinite; for a vector, one such entry is enough."""
    from pyspark.ml.functions import vector_to_array
    from pyspark.ml.linalg import VectorUDT
    from pyspark.sql import functions as F
    from pyspark.sql.types import DoubleType, FloatType

    def not_finite(value: Column) -> Column:
        return F.isnan(value) | (F.abs(value) == float("inf"))

    column, kind = F.col(name), rows.schema[name].dataType
    if isinstance(kind, DoubleType | FloatType):
        return column.isNull() | not_finite(column)
    if isinstance(kind, VectorUDT):
        return column.isNull() | F.exists(vector_to_array(column), not_finite)
    return column.isNull()


def checked_dataset(rows: DataFrame, data: DataConfig, task: Task, label: str | None, features: list[str]) -> Dataset:
    """One aggregate per split (and class): counts, digests and missing values."""
    from pyspark.sql import functions as F

    used = [*features, *([label] if label else [])]
    # Two 31-bit halves: their sums stay exact in 64 bits up to 4 billion rows.
    halves = (F.pmod(F.col(HASH), F.lit(2147483647)), F.shiftrightunsigned(HASH, 33))
    missing = [F.count_if(is_missing(rows, name)).alias(f"missing_{index}") for index, name in enumerate(used)]
    keys = [F.col(HELD_OUT)]
    if task is Task.classification and label is not None:
        keys.append(F.col(label).alias("_class"))
    summary = rows.groupBy(*keys).agg(
        F.count("*").alias("rows"), F.sum(halves[0]).alias("low"), F.sum(halves[1]).alias("high"), *missing
    )
    try:
        groups = summary.limit(2 * MOST_CLASSES + 1).collect()
    except Exception as error:  # Spark raises Py4J and its own kinds
        raise ExperimentError(f"data={data.name} must be readable, but: {readable_cause(error)}") from error
    _no_missing(data, used, groups)
    counts = {side: sum(row["rows"] for row in groups if row[HELD_OUT] is side) for side in (False, True)}
    classes = _classes(label, groups) if len(keys) == 2 else None
    judged_classes = len({row["_class"] for row in groups if row[HELD_OUT]}) if classes else None
    _not_empty(data, task, counts)
    digests = {side: _digest([row for row in groups if row[HELD_OUT] is side]) for side in (False, True)}
    return Dataset(
        rows.drop(HASH),
        label,
        features,
        *(counts[False], counts[True], digests[False], digests[True]),
        classes,
        judged_classes if counts[True] else classes,
    )


def _no_missing(data: DataConfig, used: list[str], groups: list[Any]) -> None:
    counts = {name: sum(row[f"missing_{index}"] for row in groups) for index, name in enumerate(used)}
    found = ", ".join(f"{name} {count}" for name, count in counts.items() if count)
    if found:
        way_out = "set data.missing=fill (numbers among the features get data.fill_value) or data.missing=drop"
        if data.missing is Missing.fill:
            way_out = "data.missing=fill fills numbers among the features only; set data.missing=drop"
        raise ExperimentError(
            f"data={data.name} must have a finite value in every row, got null, NaN or infinity in: {found}; {way_out}"
        )


def _not_empty(data: DataConfig, task: Task, counts: dict[bool, int]) -> None:
    for side, name in ((False, "train"), (True, "test")):
        if counts[side] == 0 and (not side or test_fraction(data, task) > 0):
            raise ExperimentError(
                f"data.test_fraction must leave rows on both sides, got {sum(counts.values())} rows and an empty "
                f"{name} split; change data.test_fraction or use more rows"
            )


def _classes(label: str | None, groups: list[Any]) -> int:
    """The number of classes; all must be among the training rows, or the model could not predict them."""
    values = sorted({row["_class"] for row in groups})
    if len(values) < 2:
        raise ExperimentError(
            f"data.label must have two classes or more for a classification, got {values} in '{label}'"
        )
    if values != list(range(len(values))):
        raise ExperimentError(
            f"data.label must be classes numbered 0 to {len(values) - 1}, got {values[:10]} in '{label}'"
        )
    unseen = sorted(set(values) - {row["_class"] for row in groups if not row[HELD_OUT]})
    if unseen:
        raise ExperimentError(
            f"data.label must have every class among the training rows, got none of {unseen[:10]} in '{label}'; "
            "set data.stratified=true or a smaller data.test_fraction, or give data.test_path rows of known classes"
        )
    return len(values)


def _digest(groups: list[Any]) -> str:
    low, high = (sum(row[half] for row in groups) for half in ("low", "high"))
    return f"{high % (1 << 32):08x}{low % (1 << 32):08x}"
