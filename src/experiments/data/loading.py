"""From a data set's config to cached rows, split into train and test, with what is known about them.

Rows are read once: the cache is filled by the single aggregate that counts, checks and digests them.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from experiments.config import BundledData, DataConfig, GeneratedData, Missing, TableData, Task
from experiments.data.bundled import read_bundled
from experiments.data.caching import cached
from experiments.data.generators import generate
from experiments.data.table import read_table
from experiments.errors import ExperimentError, readable_cause, suggest

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

HASH = "_row_hash"
HELD_OUT = "_held_out"
DEFAULT_TEST_FRACTION = 0.2
MOST_CLASSES = 10_000
BYTES_PER_PARTITION = 4 * 1024 * 1024
MOST_PARTITIONS = 1_000_000


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


@contextlib.contextmanager
def load_data(spark: SparkSession, data: DataConfig, task: Task, seed: int) -> Iterator[Dataset]:
    """Read, check, split and cache a data set; the cache is freed at the end of the block.

    Raises:
        ExperimentError: a column that is not there, missing values, an empty split, labels that do not suit the task.
    """
    source = _read(spark, data, seed)
    label = _label(data, source.columns)
    features = _features(data, label, source.columns)
    _check_names([*features, *([label] if label else [])])
    rows = _clean(_narrow(source, label, features, HELD_OUT in source.columns), data, features, label)
    rows = _repartitioned(rows, data)
    fraction = test_fraction(data, task)
    with cached(rows.withColumn(HASH, _row_hash(features, label)), data.cache) as kept:
        if HELD_OUT not in kept.columns:
            kept = kept.withColumn(HELD_OUT, _split(kept, data, label, fraction, seed))
        yield _checked(kept, data, task, label, features)


def test_fraction(data: DataConfig, task: Task) -> float:
    """Share of rows held out: what the config says, else 0.2 where there is a label to predict."""
    if data.test_fraction is not None:
        return data.test_fraction
    return DEFAULT_TEST_FRACTION if task.supervised else 0.0


def _read(spark: SparkSession, data: DataConfig, seed: int) -> DataFrame:
    """The source's rows; with `_held_out` where the data has a test set of its own."""
    from pyspark.sql import functions as F

    if isinstance(data, GeneratedData):
        return generate(spark, data.generator, data.rows, seed, data.parameters)
    if isinstance(data, BundledData):
        return read_bundled(spark, data.bundled)
    assert isinstance(data, TableData)
    rows = read_table(spark, data, data.path)
    if data.test_path is None:
        return rows
    held_out = read_table(spark, data, data.test_path)
    return rows.withColumn(HELD_OUT, F.lit(False)).unionByName(held_out.withColumn(HELD_OUT, F.lit(True)))


def _label(data: DataConfig, columns: list[str]) -> str | None:
    if data.label is not None and data.label not in columns:
        raise ExperimentError(_not_there("data.label", data.label, columns))
    return data.label


def _features(data: DataConfig, label: str | None, columns: list[str]) -> list[str]:
    """Columns named or matched, in the order of the data; all but the label when none are."""
    candidates = [column for column in columns if column not in (label, HELD_OUT)]
    for key, patterns in (("data.features", data.features), ("data.exclude", data.exclude)):
        for pattern in patterns:
            if not any(fnmatchcase(column, pattern) for column in candidates):
                raise ExperimentError(_not_there(key, pattern, candidates))
    chosen = [
        column
        for column in candidates
        if any(fnmatchcase(column, pattern) for pattern in data.features or ["*"])
        and not any(fnmatchcase(column, pattern) for pattern in data.exclude)
    ]
    if not chosen:
        raise ExperimentError("data.features must leave at least one column, got none; look at data.exclude")
    return chosen


def _check_names(columns: list[str]) -> None:
    """Spark's assembler takes a dot for a path into a structure, whatever the quoting."""
    bad = [name for name in columns if "." in name or "`" in name]
    if bad:
        renamed = re.sub("[.`]", "_", bad[0])
        raise ExperimentError(
            f"data.features and data.label must be columns without '.' and '`' in their names, got {', '.join(bad)}; "
            f"leave them out by data.exclude, or rename them: data.query='SELECT *, `{bad[0]}` AS {renamed} FROM "
            "source' with the old one in data.exclude"
        )


def _not_there(key: str, name: str, columns: list[str]) -> str:
    return f"{key} must be in the data ({', '.join(columns[:50])}), got '{name}'{suggest(name, columns)}"


def _narrow(source: DataFrame, label: str | None, features: list[str], has_split: bool) -> DataFrame:
    """Only what is used; the label as float64, which every Spark estimator takes."""
    from pyspark.sql import functions as F
    from pyspark.sql.types import BooleanType, NumericType

    columns = [F.col(name) for name in features]
    if label is not None:
        kind = source.schema[label].dataType
        if not isinstance(kind, NumericType | BooleanType):
            raise ExperimentError(
                f"data.label must be a column of numbers, got '{label}' of type {kind.simpleString()}"
            )
        columns.append(F.col(label).cast("double").alias(label))
    return source.select(*columns, *([HELD_OUT] if has_split else []))


def _is_missing(rows: DataFrame, name: str) -> Column:
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


def _clean(rows: DataFrame, data: DataConfig, features: list[str], label: str | None) -> DataFrame:
    """Fill or drop what is missing; `fail` is checked later, in the pass that fills the cache."""
    from pyspark.sql import functions as F
    from pyspark.sql.types import NumericType

    if data.missing is Missing.drop:
        for name in [*features, *([label] if label else [])]:
            rows = rows.where(~_is_missing(rows, name))
    if data.missing is Missing.fill:
        for name in features:
            kind = rows.schema[name].dataType
            if isinstance(kind, NumericType):
                filled = F.when(_is_missing(rows, name), F.lit(data.fill_value).cast(kind)).otherwise(F.col(name))
                rows = rows.withColumn(name, filled)
    return rows


def _repartitioned(rows: DataFrame, data: DataConfig) -> DataFrame:
    """As many partitions as the config says, else no more than the data is worth: each costs every job a task."""
    if data.partitions is not None:
        return rows.repartition(data.partitions)
    # The plan's own estimate, which reads nothing; it is enormous where Spark cannot know.
    estimate = int(rows._jdf.queryExecution().optimizedPlan().stats().sizeInBytes())
    return rows.coalesce(max(1, math.ceil(min(estimate / BYTES_PER_PARTITION, MOST_PARTITIONS))))


def _row_hash(features: list[str], label: str | None) -> Column:
    from pyspark.sql import functions as F

    return F.xxhash64(*features, *([label] if label else []))


def _split(rows: DataFrame, data: DataConfig, label: str | None, fraction: float, seed: int) -> Column:
    """Held out by a hash of seed and content: the same row is on the same side wherever it stands.

    Stratified: the threshold is each class's own quantile, so that every class gives the same share.
    """
    from pyspark.sql import functions as F

    share = F.shiftrightunsigned(F.xxhash64(F.lit(seed), HASH), 11) / float(1 << 53)
    if not data.stratified or label is None or fraction == 0:
        return share < fraction
    column = F.col(label)
    quantiles = rows.groupBy(column.alias("class")).agg(
        F.percentile_approx(share, fraction, 100_000).alias("threshold")
    )
    thresholds = {row["class"]: row["threshold"] for row in quantiles.limit(MOST_CLASSES).collect()}
    held_out = F.lit(False)
    for value, threshold in thresholds.items():
        held_out = F.when(column == value, share <= threshold).otherwise(held_out)
    return held_out


def _checked(rows: DataFrame, data: DataConfig, task: Task, label: str | None, features: list[str]) -> Dataset:
    """One aggregate per split (and class): counts, digests and missing values."""
    from pyspark.sql import functions as F

    used = [*features, *([label] if label else [])]
    # Two 31-bit halves: their sums stay exact in 64 bits up to 4 billion rows.
    halves = (F.pmod(F.col(HASH), F.lit(2147483647)), F.shiftrightunsigned(HASH, 33))
    missing = [F.count_if(_is_missing(rows, name)).alias(f"missing_{index}") for index, name in enumerate(used)]
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
