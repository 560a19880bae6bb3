"""From a data set's config to cached rows, split into train and test. Rows are read once."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from experiments.config.schema import BundledData, DataConfig, GeneratedData, Missing, TableData, Task
from experiments.data.bundled import read_bundled
from experiments.data.caching import cached
from experiments.data.dataset import (
    FOLD,
    HASH,
    HELD_OUT,
    MOST_CLASSES,
    SPLIT,
    Dataset,
    checked_dataset,
    is_missing,
    test_fraction,
)
from experiments.data.generators import generate
from experiments.data.table import read_table
from experiments.errors import ExperimentError, suggest

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

BYTES_PER_PARTITION = 4 * 1024 * 1024
MOST_PARTITIONS = 1_000_000
# Columns that Spark's models and we add, by their names without capitals.
ADDED = {
    name.casefold(): name
    for name in ("prediction", "probability", "rawPrediction", "topicDistribution", HASH, FOLD, SPLIT)
}


@contextlib.contextmanager
def load_data(spark: SparkSession, data: DataConfig, task: Task, seed: int) -> Iterator[Dataset]:
    """Read, check, split and cache a data set; the cache is freed at the end of the block.

    Raises:
        ExperimentError: a column that is not there, missing values, an empty split, labels that do not suit the task.
    """
    from pyspark.sql import functions as F

    source = _read(spark, data, seed)
    label = _label(data, source.columns)
    features = _features(data, label, source.columns)
    _check_names([*features, *([label] if label else [])])
    rows = _clean(_narrow(source, task, label, features), data, features, label)
    partitions = _partitions(rows, data)
    rows = rows.repartition(partitions) if data.partitions else rows.coalesce(partitions)
    fraction = test_fraction(data, task)
    # Spark keeps equal rows once, and frees them for all: two splits of the same rows must not look equal.
    whose = F.lit(f"{task.value} {seed} {fraction} {data.stratified}").alias(SPLIT)
    with cached(rows.withColumn(HASH, _row_hash(features, label)).select("*", whose), data.cache) as both:
        kept = both.drop(SPLIT)
        if HELD_OUT not in kept.columns:
            kept = kept.withColumn(HELD_OUT, _split(kept, data, label, fraction, seed))
        yield replace(checked_dataset(kept, data, task, label, features), partitions=partitions)


def _read(spark: SparkSession, data: DataConfig, seed: int) -> DataFrame:
    """The source's rows; with `_held_out` where the data has a test set of its own."""
    from pyspark.sql import functions as F

    if isinstance(data, GeneratedData):
        return generate(spark, data.generator, data.rows, seed, data.parameters)
    if isinstance(data, BundledData):
        return read_bundled(spark, data.bundled)
    assert isinstance(data, TableData)
    rows = read_table(spark, data, data.path)
    if HELD_OUT in (name.casefold() for name in rows.columns):
        raise ExperimentError(
            f"data must be without a column {HELD_OUT}, which we add, got one; rename it: "
            f"data.query='SELECT * EXCEPT ({HELD_OUT}), {HELD_OUT} AS my{HELD_OUT} FROM source'"
        )
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
    """Spark takes a name for the same in other capitals, and its assembler a dot for a path into a structure."""
    taken = [name for name in columns if name.casefold() in ADDED]
    if taken:
        raise ExperimentError(
            f"data.features and data.label must be columns that no model adds ({', '.join(ADDED.values())}, "
            f"in any capitals), got {', '.join(taken)}; leave them out by data.exclude, or rename them: "
            f"data.query='SELECT *, `{taken[0]}` AS my_{taken[0]} FROM source' with the old one in data.exclude"
        )
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


def _narrow(source: DataFrame, task: Task, label: str | None, features: list[str]) -> DataFrame:
    """Only what is used; numbers to predict as float64, which every Spark estimator takes."""
    from pyspark.sql import functions as F
    from pyspark.sql.types import BooleanType, NumericType, StringType

    columns = [F.col(name) for name in features]
    if label is not None:
        kind = source.schema[label].dataType
        is_number = isinstance(kind, NumericType | BooleanType)
        if not is_number and (task is Task.regression or not isinstance(kind, StringType)):
            law = "numbers" if task is Task.regression else "numbers or texts"
            raise ExperimentError(
                f"data.label must be a column of {law} for {task.value}, got '{label}' of type {kind.simpleString()}"
            )
        columns.append(F.col(label).cast("double").alias(label) if is_number else F.col(label))
    return source.select(*columns, *([HELD_OUT] if HELD_OUT in source.columns else []))


def _clean(rows: DataFrame, data: DataConfig, features: list[str], label: str | None) -> DataFrame:
    """Fill, drop or mark what is missing; `fail` is checked later, in the pass that fills the cache."""
    from pyspark.sql import functions as F
    from pyspark.sql.types import NumericType

    if data.missing is Missing.drop:
        for name in [*features, *([label] if label else [])]:
            rows = rows.where(~is_missing(rows, name))
    if data.missing in (Missing.fill, Missing.keep):
        value = data.fill_value if data.missing is Missing.fill else None
        for name in features:
            kind = rows.schema[name].dataType
            if isinstance(kind, NumericType):
                filled = F.when(is_missing(rows, name), F.lit(value).cast(kind)).otherwise(F.col(name))
                rows = rows.withColumn(name, filled)
    return rows


def _partitions(rows: DataFrame, data: DataConfig) -> int:
    """As many as the config says, else no more than the data is worth: each costs every job a task."""
    if data.partitions is not None:
        return data.partitions
    # The plan's own estimate, which reads nothing; it is enormous where Spark cannot know.
    estimate = int(rows._jdf.queryExecution().optimizedPlan().stats().sizeInBytes())
    return max(1, math.ceil(min(estimate / BYTES_PER_PARTITION, MOST_PARTITIONS)))


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
        F.percentile_approx(share, fraction, 100_000).alias("threshold"), F.max(share).alias("most")
    )
    # A class whose rows are one, or all alike, is one to learn from.
    thresholds = {
        row["class"]: row["threshold"]
        for row in quantiles.limit(MOST_CLASSES).collect()
        if row["threshold"] < row["most"]
    }
    held_out = F.lit(False)
    for value, threshold in thresholds.items():
        held_out = F.when(column == value, share <= threshold).otherwise(held_out)
    return held_out
