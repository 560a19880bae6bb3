"""Columns that are not features: what weighs a row, who it is, with whom it belongs, and when it was."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from experiments.config.schema import Balance, DataConfig, Missing, Task, TuningMethod
from experiments.data.names import not_there, quoted
from experiments.errors import ExperimentError

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

# What the fit is weighted by where classes are balanced.
BALANCE = "_balance"
KEYS = ("weight", "id", "group", "time")


def aside(data: DataConfig, others: Sequence[str], columns: Sequence[str], label: str | None) -> list[str]:
    """Columns that are kept and are no features.

    Args:
        others: columns that stages read besides the features, as an offset; left out where the data has none.

    Raises:
        ExperimentError: a column that is not there, or is the label.
    """
    named = {f"data.{key}": getattr(data, key) for key in KEYS if getattr(data, key) is not None}
    for key, name in named.items():
        if name not in columns or name == label:
            raise ExperimentError(not_there(key, name, [column for column in columns if column != label], data))
    return list(dict.fromkeys([*named.values(), *(name for name in others if name in columns and name != label)]))


def as_weight(name: str) -> Column:
    """The column as float64."""
    from pyspark.sql import functions as F

    return F.col(quoted(name)).cast("double")


def check_weights(least: float | None, key: str) -> None:
    """Refuse weights below zero.

    Raises:
        ExperimentError: with the least.
    """
    if least is not None and least < 0:
        raise ExperimentError(f"{key} must be a column of weights of zero or more, got {least:g} in it")


def held_out_groups(group: str, fraction: float, seed: int) -> Column:
    """Whole groups held out by a hash of seed and group, wherever their rows stand."""
    from pyspark.sql import functions as F

    share = F.shiftrightunsigned(F.xxhash64(F.lit(seed), F.col(quoted(group)).cast("string")), 11) / float(1 << 53)
    return share < fraction


def latest(rows: DataFrame, time: str, fraction: float) -> Column:
    """Whether a row is among the share of the rows that are last. Reads the rows once; equal times stay together.

    Raises:
        ExperimentError: a column that has no order in time.
    """
    from pyspark.sql import functions as F

    kind = dict(rows.dtypes)[time]
    if kind not in ("date", "timestamp", "timestamp_ntz", "bigint", "int", "double", "float", "smallint"):
        raise ExperimentError(
            f"data.time must be a column of dates, times or numbers, got '{time}' of type {kind}; say how its texts "
            "are dates: data.date_format=dd.MM.yyyy"
        )
    seconds = F.col(quoted(time))
    if kind in ("date", "timestamp", "timestamp_ntz"):
        seconds = seconds.cast("timestamp").cast("double")
    (row,) = rows.agg(F.percentile_approx(seconds, 1 - fraction, 100_000).alias("from")).collect()
    return F.coalesce(seconds > F.lit(row["from"]), F.lit(False))


def check_roles(data: DataConfig, task: Task, tuning: TuningMethod) -> list[str]:
    """A sentence for each setting that does not suit another."""
    problems = _unheeded(data)
    if data.time is not None and tuning is TuningMethod.cross_validation:
        problems.append(
            "tuning must be train_validation where data.time is set, got cross_validation, whose folds would learn "
            "from rows that come later"
        )
    if data.group is not None and data.time is not None:
        problems.append("data.group must be unset where data.time says which rows are held out, got both")
    for key in ("group", "time"):
        if getattr(data, key) is not None and data.stratified:
            problems.append(f"data.stratified must be false where data.{key} says which rows are held out, got true")
        if getattr(data, key) is not None and getattr(data, "test_path", None) is not None:
            problems.append(f"data.{key} must be unset where data.test_path says which rows are held out, got both")
    if data.positive is not None and task is not Task.classification:
        problems.append(f"data.positive must be null unless the task is classification, got '{data.positive}'")
    if data.balance is Balance.classes and task is not Task.classification:
        problems.append(f"data.balance must be none unless the task is classification, got classes for {task.value}")
    if data.limit is not None and data.limit < 1:
        problems.append(f"data.limit must be 1 or more, got {data.limit}")
    return problems


def _unheeded(data: DataConfig) -> list[str]:
    """A sentence for each setting that another leaves nothing to do."""
    problems = []
    for key in ("test_fraction", "stratified") if getattr(data, "test_path", None) is not None else ():
        if getattr(data, key) not in (None, False):
            problems.append(
                f"data.{key} must be unset where data.test_path says which rows are held out, got "
                f"{str(getattr(data, key)).lower()}"
            )
    if data.fill_value != 0 and data.missing is not Missing.fill:
        problems.append(
            f"data.fill_value must be left out unless gaps are filled with it, got {data.fill_value:g}; "
            "data.missing=fill"
        )
    return problems
