"""The one aggregate that fills the cache of loaded rows, and counts, checks and digests them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from experiments.config.schema import Balance, DataConfig, Missing, TableData, Task
from experiments.data.classes import balanced, class_values, positive_last, said_of_gap_classes, with_classes
from experiments.data.dataset import HASH, HELD_OUT, MOST_CLASSES, Dataset, test_fraction
from experiments.data.doubts import Doubts, Side
from experiments.data.few import few_labels, groups_of, look, some_of, taken
from experiments.data.kinds import DATES
from experiments.data.missing import any_missing, check_missing
from experiments.data.names import matches, plain_name, quoted
from experiments.data.roles import check_weights
from experiments.data.texts import check_texts
from experiments.data.totals import of_totals, said_of_totals, totals_of
from experiments.errors import ExperimentError, readable_cause

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import Column, DataFrame

# Of more held out rows a share is looked for among the training rows.
MOST_TEST_ROWS = 200_000
# Of the share that is to be held out.
FAR_FROM_WANTED = 0.5


def checked_dataset(
    rows: DataFrame,
    data: DataConfig,
    task: Task,
    label: str | None,
    features: list[str],
    narrowed: DataFrame,
    is_small: bool = False,
) -> Dataset:
    """One aggregate per split (and class): counts, digests, missing values, and what makes columns doubtful.

    Args:
        narrowed: the rows before any of them was dropped, all of which the config's words must read.
        is_small: whether the rows seem so few, by what is known before, that one look on the driver answers all.
    """
    kinds = dict(rows.dtypes)
    weight = plain_name(data.weight, features) if data.weight else None
    # Numbers and texts may be left to a stage; no stage of ours has an answer for a missing date.
    checked = [name for name in features if data.missing is not Missing.keep or kinds[name] in DATES]
    checked += [name for name in (label, weight, data.group, data.time) if name is not None]
    doubts = doubts_of(kinds, data, task, label, features)
    groups, few = _counted(rows, data, doubts, _sums(checked, kinds), weight, is_small)
    _check_values(rows, narrowed, data, doubts, groups, checked)
    check_weights(min((row["lightest"] for row in groups), default=None) if weight else None, "data.weight")
    counts = {side: sum(row["rows"] for row in groups if row[HELD_OUT] is side) for side in (False, True)}
    _not_empty(data, task, counts)
    digests = {side: _digest([row for row in groups if row[HELD_OUT] is side]) for side in (False, True)}
    said, ranges = _looked_at(rows, data, doubts, groups, few)
    dataset = Dataset(
        rows.drop(HASH),
        label,
        features,
        *(counts[False], counts[True], digests[False], digests[True]),
        warnings=(*said, *_said_of_share(data, task, counts)),
        weight=weight,
        fit_weight=weight,
        group=data.group,
        time=data.time,
        ranges=ranges,
    )
    if label is None or task is not Task.classification:
        return dataset
    values = positive_last(label, class_values(label, groups), data)
    dataset = with_classes(dataset, data, label, groups, values)
    return balanced(dataset, values, groups) if data.balance is Balance.classes else dataset


def _check_values(
    rows: DataFrame,
    narrowed: DataFrame,
    data: DataConfig,
    doubts: Doubts,
    groups: Sequence[Any],
    checked: Sequence[str],
) -> None:
    doubts.check_letters(groups)
    check_texts(narrowed if data.missing is Missing.drop else rows, doubts.suspects(groups), data)
    if sum(row["missing"] for row in groups):
        check_missing(rows, data, checked, dict(rows.dtypes))


def _counted(
    rows: DataFrame,
    data: DataConfig,
    doubts: Doubts,
    sums: Mapping[str, Column],
    weight: str | None,
    is_small: bool,
) -> tuple[list[Any], pa.Table | None]:
    """Rows and sums by `_held_out` and class, and the rows themselves where that was the quicker way to them."""
    try:
        # Of texts and weights more is asked than few rows are worth on the driver.
        if is_small and not doubts.texts and weight is None and (few := taken(rows, doubts, sums)) is not None:
            return groups_of(few, sums), few
        totals = of_totals(_may_be_totals(doubts)) if is_small else []
        asked = [*_weights(weight), *doubts.of_texts(), *totals]
        return _groups(rows, sums, asked, _class(doubts.task, doubts.label)), None
    except Exception as error:  # Spark raises Py4J and its own kinds
        raise ExperimentError(f"data={data.name} must be readable, but: {readable_cause(error)}") from error


def _sums(checked: Sequence[str], kinds: Mapping[str, str]) -> dict[str, Column]:
    """What is summed up: the content, and the rows in which one of the columns lacks a value."""
    from pyspark.sql import functions as F

    # Two 31-bit halves: their sums stay exact in 64 bits up to 4 billion rows.
    return {
        "low": F.pmod(F.col(HASH), F.lit(2147483647)),
        "high": F.shiftrightunsigned(HASH, 33),
        "missing": any_missing(checked, kinds).cast("long"),
    }


def _groups(rows: DataFrame, sums: Mapping[str, Column], asked: Sequence[Column], keys: Sequence[Column]) -> list[Any]:
    """What is asked of the rows, by `_held_out` and `keys`."""
    from pyspark.sql import functions as F

    summed = [F.sum(column).alias(name) for name, column in sums.items()]
    summary = rows.groupBy(F.col(HELD_OUT), *keys).agg(F.count("*").alias("rows"), *summed, *asked)
    return list(summary.limit(2 * MOST_CLASSES + 1).collect())


def _looked_at(
    rows: DataFrame, data: DataConfig, doubts: Doubts, groups: Sequence[Any], few: pa.Table | None
) -> tuple[list[str], dict[str, tuple[float, float]]]:
    """What is doubtful about numbers, rows that are known by heart, and rows that sum up others; and numbers' ranges.

    Args:
        few: the rows, if they are here already.
    """
    has_test_set = isinstance(data, TableData) and data.test_path is not None
    count = sum(row["rows"] for row in groups)
    has_totals = few is None and any(row.asDict().get("_totals") for row in groups)
    others = said_of_totals(totals_of(rows, _may_be_totals(doubts), count), data) if has_totals else []
    others += _said_of_gap_classes(data, groups) if _class(doubts.task, doubts.label) else []
    if (not doubts.numbers and not has_test_set) or len(groups) > 2 * MOST_CLASSES:  # so many are no classes
        return others, {}
    test_rows = sum(row["rows"] for row in groups if row[HELD_OUT])
    share, of = 1.0, 1
    if few is None:
        few, share = some_of(rows, doubts, count)
    looked_at, labels = look(few, doubts), few_labels(few, doubts)
    sides, in_both, codes = looked_at.sides, looked_at.in_both, looked_at.codes
    if share < 1:
        doubts, codes = doubts.suspicious(sides, count) if sides else doubts, []
        sides = _sides(rows, doubts)
        of = math.ceil(test_rows / MOST_TEST_ROWS)
        in_both = _in_both(rows, of) if has_test_set else 0
    said = [*doubts.warnings(sides, codes), *others, *_said_of_labels(data, labels, share < 1)]
    said += _said_of_both(in_both, of, test_rows) if has_test_set and in_both else []
    # What gaps are filled with is none of the data's own.
    return said, {} if data.missing is Missing.fill else looked_at.ranges


def _may_be_totals(doubts: Doubts) -> list[str]:
    """A class may be called a sum."""
    return [name for name in doubts.texts if name != doubts.label]


def _sides(rows: DataFrame, doubts: Doubts) -> list[Side]:
    """Of all rows."""
    from pyspark.sql import functions as F

    if not doubts.numbers:
        return []
    grouped = rows.groupBy(HELD_OUT, *_class(doubts.task, doubts.label))
    found = grouped.agg(F.count("*").alias("rows"), *doubts.of_numbers()).limit(2 * MOST_CLASSES).collect()
    return [doubts.side_of(group, HELD_OUT) for group in found]


def _in_both(rows: DataFrame, of: int) -> int:
    """Held out rows that are among the training rows; of many held out rows one in so many is looked for."""
    from pyspark.sql import functions as F

    test = rows.where(HELD_OUT).select(HASH)
    wanted = (test if of == 1 else test.sample(1 / of, seed=0)).groupBy(HASH).count()
    found = rows.where(f"NOT {HELD_OUT}").select(HASH).join(F.broadcast(wanted), HASH)
    return int(found.groupBy(HASH).agg(F.first("count").alias("count")).agg(F.sum("count")).collect()[0][0] or 0)


def _said_of_both(count: int, of: int, test_rows: int) -> list[str]:
    said = f"about {min(count * of, test_rows):,}" if of > 1 else f"{count:,}"
    return [
        f"data.test_path has {said} of its {test_rows:,} rows among the training rows "
        "too: they are known by heart, so that metrics are better than they will be"
    ]


def _said_of_labels(data: DataConfig, labels: Sequence[int], is_sample: bool) -> list[str]:
    """That a regression's label may be classes.

    Args:
        labels: its values, where they are few.
    """
    if len(labels) < 2:
        return []
    where = " in the rows that were looked at" if is_sample else ""
    return [
        f"data.label={data.label} has the values {', '.join(map(str, labels))} alone{where}; if they name classes, a "
        "model of classes is for them: model=random_forest (`experiments models` lists others)"
    ]


def _class(task: Task, label: str | None) -> list[Column]:
    from pyspark.sql import functions as F

    return [F.col(label).alias("_class")] if task is Task.classification and label is not None else []


def _weights(weight: str | None) -> list[Column]:
    from pyspark.sql import functions as F

    if weight is None:
        return []
    return [F.sum(quoted(weight)).alias("weights"), F.min(quoted(weight)).alias("lightest")]


def doubts_of(
    kinds: Mapping[str, str], data: DataConfig, task: Task, label: str | None, features: Sequence[str]
) -> Doubts:
    """What is asked of the columns; of rows that we make ourselves nothing."""
    if not isinstance(data, TableData):
        return Doubts({}, label, task, ())
    asked = {name: kinds[name] for name in features}
    if label is not None and kinds[label] == "string":
        asked[label] = "string"
    names = [name for name in asked if matches(name, data.categories)]
    return Doubts(asked, label, task, names)


def _not_empty(data: DataConfig, task: Task, counts: dict[bool, int]) -> None:
    for side, name in ((False, "train"), (True, "test")):
        if sum(counts.values()) == 0:
            raise ExperimentError(f"data={data.name} must have rows, got none below the names of the columns")
        if counts[side] == 0 and (not side or test_fraction(data, task) > 0):
            raise ExperimentError(
                f"data.test_fraction must leave rows on both sides, got {sum(counts.values())} rows and an empty "
                f"{name} split; change data.test_fraction or use more rows"
            )


def _said_of_share(data: DataConfig, task: Task, counts: Mapping[bool, int]) -> tuple[str, ...]:
    """That groups or times hold out far more or less than was asked for."""
    key = "group" if data.group is not None else "time" if data.time is not None else None
    wanted, share = test_fraction(data, task), counts[True] / sum(counts.values())
    if key is None or abs(share - wanted) <= FAR_FROM_WANTED * wanted:
        return ()
    why = "groups are few or large; another seed" if key == "group" else "many rows have one time; another fraction"
    return (
        f"data.{key} holds out {share:.0%} of the rows, where data.test_fraction is {wanted:g}, "
        f"as {why} may come nearer",
    )


def _said_of_gap_classes(data: DataConfig, groups: Sequence[Any]) -> list[str]:
    counts: Counter[str] = Counter()
    for row in groups:
        counts[str(row["_class"])] += row["rows"]
    return said_of_gap_classes(counts, data)


def _digest(groups: list[Any]) -> str:
    low, high = (sum(row[half] for row in groups) for half in ("low", "high"))
    return f"{high % (1 << 32):08x}{low % (1 << 32):08x}"
