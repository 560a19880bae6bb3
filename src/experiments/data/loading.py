"""From a data set's config to cached rows, split into train and test. Rows are read once."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from experiments.config.schema import BundledData, DataConfig, GeneratedData, Missing, TableData, Task
from experiments.data.bundled import label_names, read_bundled, said_of_classes
from experiments.data.caching import cached
from experiments.data.checking import checked_dataset
from experiments.data.classes import with_names
from experiments.data.columns import (
    FILLED,
    check_names,
    clean,
    features_of,
    given_of,
    label_of,
    narrow,
)
from experiments.data.csv_files import Source
from experiments.data.dataset import (
    HASH,
    HELD_OUT,
    MOST_CLASSES,
    Dataset,
    test_fraction,
)
from experiments.data.few import MOST_BYTES
from experiments.data.generators import generate
from experiments.data.infinite import any_infinite, said_of_infinite
from experiments.data.missing import SurelyMissing, any_missing, said_of_dropped
from experiments.data.names import matches, plain_name, quoted
from experiments.data.parts import parts_to_deal
from experiments.data.roles import aside, held_out_groups, latest
from experiments.data.table import read_table
from experiments.errors import ExperimentError, override

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, Observation, SparkSession

BYTES_PER_PARTITION = 4 * 1024 * 1024
MOST_PARTITIONS = 1_000_000
HASHED_ALONE = 200


@contextlib.contextmanager
def load_data(
    spark: SparkSession, data: DataConfig, task: Task, seed: int, others: Sequence[str] = ()
) -> Iterator[Dataset]:
    """Read, check, split and cache a data set; the cache is freed at the end of the block.

    Read once more where numbers have `NA` among them and the config says what is done about missing values.

    Args:
        others: columns that stages read besides the features.

    Raises:
        ExperimentError: a column that is not there, missing values, an empty split, labels that do not suit the task.
    """
    with contextlib.ExitStack() as stack:
        try:
            dataset = stack.enter_context(_loaded(spark, data, task, seed, others))
        except SurelyMissing as found:
            assert isinstance(data, TableData)
            missing = [*data.missing_values, *found.tokens]
            dataset = stack.enter_context(_loaded(spark, replace(data, missing_values=missing), task, seed, others))
            said = (
                f"data has {', '.join(map(repr, found.tokens))} among the numbers of {', '.join(found.columns)}, which "
                f"is read as missing in every column: {override('data.missing_values', missing)}; where they are "
                f"names: {override('data.categories', found.columns)}"
            )
            dataset = replace(dataset, warnings=(said, *dataset.warnings))
        yield dataset


@contextlib.contextmanager
def _loaded(spark: SparkSession, data: DataConfig, task: Task, seed: int, others: Sequence[str]) -> Iterator[Dataset]:
    from pyspark.sql import functions as F

    source = read_source(spark, data, seed, others)
    rows = source.rows
    label = label_of(data, rows.columns)
    beside = aside(data, others, rows.columns, label)
    features = features_of(data, label, rows.columns, beside, source.left_out)
    check_names([*features, *beside, *([label] if label else [])])
    types = dict(rows.dtypes)
    rows = narrowed = narrow(rows, task, data, label, features, beside)
    used = dict(rows.dtypes)
    given = given_of(data, {name: types[name] for name in features}, {name: used[name] for name in features})
    given = replace(given, texts=frozenset(source.texts))
    label = plain_name(label, features) if label else None
    counting, counted = _counted_before_cleaning(rows, data, features, label)
    rows = clean(counted, data, features, label)
    # The plan's own estimate, which reads nothing; it is enormous where Spark cannot know.
    size = int(rows.drop(FILLED)._jdf.queryExecution().optimizedPlan().stats().sizeInBytes())
    partitions = _partitions(size, data)
    rows = rows.drop(FILLED).repartition(partitions) if data.partitions else rows.coalesce(partitions)
    fraction = test_fraction(data, task)
    # Spark keeps equal rows once, and frees them for all: what always holds tells two splits of the same rows apart.
    whose = F.lit(f"{task.value} {seed} {fraction} {data.stratified} {data.group} {data.time}").isNotNull()
    hashed = rows.withColumn(HASH, _row_hash(rows, features, label)).drop(FILLED)
    # Rows that are not kept would be dealt out again by each pass.
    may_deal = data.partitions is None and data.cache != "NONE"
    if may_deal and (parts := parts_to_deal(source.rows, size)) is not None:
        # By the content: the same rows are in the same parts wherever they stood.
        hashed, partitions = hashed.repartition(parts, HASH), parts
    with cached(hashed.where(whose), data.cache) as kept:
        if HELD_OUT not in kept.columns:
            kept = kept.withColumn(HELD_OUT, _split(kept, data, label, fraction, seed))
        # Without a cache the first few rows would be all that is counted.
        is_small = size <= MOST_BYTES and (counting is None or data.cache != "NONE")
        dataset = checked_dataset(kept, data, task, label, features, narrowed, is_small)
        said = [*source.warnings, *said_of_classes(data, task), *_said_of_counted(counting, narrowed, data, features)]
        dataset = replace(dataset, given=given, partitions=partitions, warnings=(*said, *dataset.warnings))
        yield with_names(dataset, label_names(data))


def _counted_before_cleaning(
    rows: DataFrame, data: DataConfig, features: Sequence[str], label: str | None
) -> tuple[Observation | None, DataFrame]:
    """The same rows, counted as they are read for the cache, where some are to be dropped or filled.

    Without a cache each pass would count anew: dropped rows are counted all the same, as each pass looks for gaps.
    """
    from pyspark.sql import Observation
    from pyspark.sql import functions as F

    kinds = dict(rows.dtypes)
    if data.missing is Missing.drop:
        lacking = any_missing([*features, *([label] if label else [])], kinds)
        of_label = any_missing([label] if label else [], kinds)
        counts = {"rows": F.count("*"), "label": F.count_if(of_label), "dropped": F.count_if(lacking)}
    elif _may_hide_infinite(data) and data.cache != "NONE" and (asked := any_infinite(features, kinds)):
        counts = {"infinite": F.count_if(F.expr(asked))}
    else:
        return None, rows
    counting = Observation()
    return counting, rows.observe(counting, *(count.alias(name) for name, count in counts.items()))


def _may_hide_infinite(data: DataConfig) -> bool:
    return isinstance(data, TableData) and data.missing in (Missing.keep, Missing.fill)


def _said_of_counted(
    counting: Observation | None, rows: DataFrame, data: DataConfig, features: Sequence[str]
) -> list[str]:
    if _may_hide_infinite(data) and data.cache == "NONE":
        return said_of_infinite(rows, features)
    # Asked of what is not there yet, it would wait for ever.
    if counting is None or counting._jo is None or not counting._jo.future().isCompleted():
        return []
    counts = counting.get
    if "infinite" not in counts:
        return said_of_dropped(**counts)
    return said_of_infinite(rows, features) if counts["infinite"] else []


def read_source(spark: SparkSession, data: DataConfig, seed: int, others: Sequence[str] = ()) -> Source:
    """The source's rows, as lazily as Spark reads; with `_held_out` where the data has a test set of its own."""
    if isinstance(data, GeneratedData):
        return Source(_limited(generate(spark, data.generator, data.rows, seed, data.parameters), data))
    if isinstance(data, BundledData):
        return Source(_limited(read_bundled(spark, data.bundled), data))
    assert isinstance(data, TableData)
    source = read_table(spark, data, data.path)
    if HELD_OUT in (name.casefold() for name in source.rows.columns):
        raise ExperimentError(
            f"data must be without a column {HELD_OUT}, which we add, got one; rename it: "
            + override("data.query", f"SELECT * EXCEPT ({HELD_OUT}), {HELD_OUT} AS my{HELD_OUT} FROM source")
        )
    source = replace(source, rows=_limited(source.rows, data))
    return source if data.test_path is None else _with_test_rows(spark, data, source, others)


def _limited(rows: DataFrame, data: DataConfig) -> DataFrame:
    return rows if data.limit is None else rows.limit(data.limit)


def _with_test_rows(spark: SparkSession, data: TableData, source: Source, others: Sequence[str]) -> Source:
    """Both sets of rows, matched by the names of the columns that are used.

    Raises:
        ExperimentError: a column that the test set does not have, has besides, or has as something else.
    """
    from pyspark.sql import functions as F

    other = read_table(spark, data, data.test_path)
    held_out = other.rows
    label = label_of(data, source.rows.columns)
    columns = source.rows.columns
    beside = aside(data, others, columns, label)
    used = [*features_of(data, label, columns, beside, source.left_out), *beside, *([label] if label else [])]
    lacking = [name for name in used if name not in held_out.columns]
    if lacking:
        way_out = "a test set without labels can be scored, but judges nothing" if label in lacking else ""
        raise ExperimentError(
            f"data.test_path must have the columns of data.path, got none called {', '.join(lacking)}; "
            + (way_out or override("data.exclude", [*data.exclude, *lacking]))
        )
    candidates = [name for name in held_out.columns if name not in source.rows.columns]
    more = [] if data.features else [name for name in candidates if not matches(name, [*data.exclude, *other.left_out])]
    if more:
        raise ExperimentError(
            f"data.test_path must have the columns of data.path, got {', '.join(more)} besides; name those that are "
            f"used: {override('data.features', [name for name in used if name != label])}"
        )
    kinds, found = dict(source.rows.dtypes), dict(held_out.dtypes)
    mixed = [name for name in used if (kinds[name] == "string") != (found[name] == "string")]
    if mixed:
        said = ", ".join(f"'{name}' as {found[name]} and not {kinds[name]}" for name in mixed)
        raise ExperimentError(
            f"data.test_path must have columns like those of data.path, got {said}; where they are names: "
            f"{override('data.categories', [*data.categories, *mixed])}"
        )
    chosen = [F.col(quoted(name)) for name in used]
    train, test = (
        part.select(*chosen, F.lit(side).alias(HELD_OUT)) for part, side in ((source.rows, False), (held_out, True))
    )
    return replace(source, rows=train.unionByName(test))


def _partitions(size: int, data: DataConfig) -> int:
    """As many as the config says, else no more than the data is worth: each costs every job a task."""
    if data.partitions is not None:
        return data.partitions
    return max(1, math.ceil(min(size / BYTES_PER_PARTITION, MOST_PARTITIONS)))


def _row_hash(rows: DataFrame, features: Sequence[str], label: str | None) -> Column:
    """Of the content. Many columns are hashed as an array of each type, as Spark cannot compile a thousand alone."""
    from pyspark.sql import functions as F

    names = [*features, *([label] if label else [])]
    if len(names) <= HASHED_ALONE:
        return F.xxhash64(*(F.col(quoted(name)) for name in names))
    kinds = dict(rows.dtypes)
    of_kind: dict[str, list[str]] = {}
    for name in names:
        of_kind.setdefault(kinds[name], []).append(name)
    arrays = {kind: f"array({', '.join(map(quoted, those))})" for kind, those in of_kind.items()}
    if FILLED in rows.columns:  # the same array, but for a label at its end
        arrays["double"] = (
            f"concat({FILLED}, array({quoted(label)}))" if label and label in of_kind["double"] else FILLED
        )
    return F.xxhash64(*(F.expr(arrays[kind]) for kind in sorted(arrays)))


def _split(rows: DataFrame, data: DataConfig, label: str | None, fraction: float, seed: int) -> Column:
    """Held out by a hash of seed and content: the same row is on the same side wherever it stands.

    By whole groups, or the last in time, where the config names such columns. Stratified: the threshold is each class's
    own quantile, so that every class gives the same share.
    """
    from pyspark.sql import functions as F

    if data.group is not None:
        return held_out_groups(data.group, fraction, seed)
    if data.time is not None and fraction > 0:
        return latest(rows, data.time, fraction)
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
