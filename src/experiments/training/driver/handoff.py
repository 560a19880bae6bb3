"""A DataFrame's rows on their way to the ranks: numbered, split, and dealt out one by one. Runs on the driver.

Numbers follow the order of the rows and nothing else, so that neither the partitions nor the number of ranks decides
which batch a row is in.
"""

from __future__ import annotations

import contextlib
import math
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from experiments.training.batches import mixed

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_MOST_PRODUCT = 2**62
_GOLDEN = (math.sqrt(5) - 1) / 2
# The part of Spark's own row ids that counts within a partition.
_WITHIN = (1 << 33) - 1
# Parts of a plan that give the same rows in the same partitions each time; what is cached is one of them.
_STEADY = {
    *("Project", "Filter", "InMemoryRelation", "LogicalRDD", "LocalRelation", "Range", "LogicalRelation"),
    *("Union", "Generate"),
}


@dataclass(frozen=True)
class Counted:
    """Rows ready to be dealt out, and what one look at them has told.

    Attributes:
        rows: `features` (vector, or array), `label` (double), `weight` (double).
        starts: number of the first row of each partition, by its id.
        count: of all rows.
        inputs: length of the feature vectors.
        largest_label: of all.
    """

    rows: DataFrame
    starts: dict[int, int]
    count: int
    inputs: int
    largest_label: float


@contextlib.contextmanager
def counted(
    dataset: DataFrame, features: str, label: str, weight: str | None, is_classification: bool
) -> Iterator[Counted]:
    """Look at the rows once, to number them and to refuse what cannot be trained on.

    Raises:
        ValueError: no rows, nulls, vectors of several lengths, labels that are no classes, negative weights.
    """
    from pyspark.sql import functions as F

    rows = dataset.select(
        F.col(features).alias("features"),
        F.col(label).cast("double").alias("label"),
        (F.col(weight).cast("double") if weight else F.lit(1.0)).alias("weight"),
        # A plan of its own: of equal ones Spark would keep one, and free it when the first is done with it.
        F.lit(secrets.token_hex(8)).alias("of"),
    )
    is_kept = _may_be_parted_anew(rows)
    if is_kept:
        rows = rows.persist()
    try:
        is_class = (F.col("label") >= 0) & (F.col("label") == F.floor("label"))
        nothing = F.lit(None).cast("double")
        # Of the first row of each partition; that all are as long is seen when they are written down.
        size = F.when(F.monotonically_increasing_id().bitwiseAND(_WITHIN) == 0, F.size(floats(rows, "features")))
        looked_at = rows.withColumn("size", size).withColumn("no_features", F.col("features").isNull())
        grouped = looked_at.groupBy(F.spark_partition_id().alias("partition")).agg(
            F.count("*").alias("rows"),
            F.max("size").alias("size"),
            F.max("label").alias("label"),
            F.count_if("no_features").alias("no_features"),
            F.count_if(F.col("label").isNull() | F.isnan("label")).alias("no_label"),
            F.count_if(F.col("weight").isNull() | F.isnan("weight") | (F.col("weight") < 0)).alias("no_weight"),
            F.max(F.when(~is_class, F.col("label")).otherwise(nothing)).alias("no_class"),
        )
        found = sorted(grouped.collect(), key=lambda row: int(row["partition"]))
        _check(found, features, label, weight, is_classification)
        counts = [row["rows"] for row in found]
        starts = dict(zip([row["partition"] for row in found], accumulate([0, *counts[:-1]]), strict=True))
        yield Counted(rows, starts, sum(counts), found[0]["size"], max(row["label"] for row in found))
    finally:
        if is_kept:
            rows.unpersist()


def dealt(counted: Counted, validation_rows: int, ranks: int, seed: int) -> DataFrame:
    """Each rank's rows as one partition: `features`, `label`, `weight`, `place`, `is_validation`.

    Rows get new numbers, so that neighbours stand far apart; the first of them are held out.
    """
    from pyspark.sql import functions as F

    count = counted.count
    factor, offset = _scramble(count, seed)
    last = max(counted.starts) + 1
    starts = F.array(*(F.lit(counted.starts.get(partition, 0)).cast("bigint") for partition in range(last)))
    within = F.monotonically_increasing_id().bitwiseAND(_WITHIN)
    numbered = counted.rows.withColumn("came", F.get(starts, F.spark_partition_id()) + within)
    numbered = numbered.withColumn("number", (F.col("came") * factor + offset) % count)
    is_validation = F.col("number") < validation_rows
    on_its_side = F.when(is_validation, F.col("number")).otherwise(F.col("number") - validation_rows)
    rank = (on_its_side % ranks).cast("int")
    rows = (
        numbered.withColumn("features", floats(numbered, "features"))
        .withColumn("is_validation", is_validation)
        .withColumn("place", F.floor(on_its_side / ranks).cast("bigint"))
        .withColumn("rank", rank)
    )
    # Even one partition for one rank is made so: in a barrier stage Spark allows no coalesce or union.
    return rows.repartitionById(ranks, F.col("rank")).select(
        "features", F.col("label").cast("float"), F.col("weight").cast("float"), "place", "is_validation"
    )


def _scramble(count: int, seed: int) -> tuple[int, int]:
    """Factor and offset of a one-to-one renumbering of `count` rows that stays within 63 bits.

    By the golden section, which of all fractions spreads what stands together most evenly: what is held out is then a
    fair share of each stretch of the rows.
    """
    import numpy as np

    factor = max(1, min(round(count * _GOLDEN), _MOST_PRODUCT // count))
    while math.gcd(factor, count) != 1:
        factor += 1
    return factor, int(mixed(np.array([seed]), np.uint64(5))[0]) % count


def floats(dataset: DataFrame, features: str) -> Column:
    """A vector column, or one of arrays, as arrays of float."""
    from pyspark.ml.functions import vector_to_array
    from pyspark.sql import functions as F

    kind = dict(dataset.dtypes)[features]
    if kind != "vector":
        return F.col(features).cast("array<float>")
    return F.when(F.col(features).isNotNull(), vector_to_array(features, "float32"))


def _may_be_parted_anew(rows: DataFrame) -> bool:
    """Whether Spark could part the rows otherwise when it computes them again, as it does behind a shuffle."""
    left = [rows._jdf.queryExecution().optimizedPlan()]
    while left:
        plan = left.pop()
        if plan.nodeName() not in _STEADY:
            return True
        left += [plan.children().apply(index) for index in range(plan.children().size())]
    return False


def _check(
    found: list[dict[str, float]], features: str, label: str, weight: str | None, is_classification: bool
) -> None:
    if not found:
        raise ValueError("there must be rows to train on, got none")
    totals = {name: sum(row[name] for row in found) for name in ("rows", "no_features", "no_label", "no_weight")}
    if totals["no_features"]:
        raise ValueError(
            f"{features} must be vectors of numbers, got {totals['no_features']:,} nulls; data.missing=drop leaves "
            "such rows out"
        )
    if totals["no_label"]:
        raise ValueError(f"{label} must be numbers, got {totals['no_label']:,} nulls or NaN; data.missing=drop")
    if totals["no_weight"]:
        raise ValueError(f"{weight} must be 0 or more, got {totals['no_weight']:,} rows that are negative or null")
    wrong = next((row["no_class"] for row in found if row["no_class"] is not None), None)
    if is_classification and wrong is not None:
        raise ValueError(f"{label} must be numbers of classes, 0, 1, 2 …, got {wrong:g}")
