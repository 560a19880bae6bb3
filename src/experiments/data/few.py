"""Few rows, or some of many, looked at on the driver: what is asked of all would take Spark longer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.config.schema import Task
from experiments.data.dataset import HASH, HELD_OUT
from experiments.data.doubts import LEAST_ROWS, Doubts, Side
from experiments.data.names import quoted

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray
    from pyspark.sql import Column, DataFrame

# What is larger before it is read is not looked at here, however few rows it turns out to have.
MOST_BYTES = 16 * 1024 * 1024
MOST_ROWS = 20_000
MOST_CELLS = MOST_BYTES // 8
# Of the most that come, so many are wanted where there are more: a share is drawn row by row, and may yield a few more.
SOME = 0.9
# A number of so few values, each of which so many rows have, may be a code.
MOST_CODES = 20
LEAST_OF_A_CODE = 10
# A label of so few whole numbers may name classes.
MOST_LABELS = 5


@dataclass(frozen=True)
class Few:
    """What a look at the rows that were taken has shown.

    Attributes:
        sides: of the split and, of a classification, of each class.
        in_both: held out rows that are among the training rows.
        codes: numbers of a few values each of which has one class only.
        ranges: least and largest of each number among the training rows, where there are two.
    """

    sides: list[Side]
    in_both: int
    codes: list[str]
    ranges: dict[str, tuple[float, float]]


def most_rows(doubts: Doubts) -> int:
    """How many rows are looked at here."""
    return min(MOST_ROWS, MOST_CELLS // (1 + len(doubts.numbers)))


def taken(rows: DataFrame, doubts: Doubts, sums: Mapping[str, Column]) -> pa.Table | None:
    """What is looked at, in a table of the driver's; None where the rows are more than few.

    Args:
        rows: cached, with `_hash` and `_held_out`.
        sums: what `groups_of` sums up, by name.
    """
    from pyspark.sql import functions as F

    most = most_rows(doubts)
    chosen = [F.col(HASH), F.col(HELD_OUT), *(column.alias(name) for name, column in sums.items())]
    chosen += [F.expr(f"double({quoted(name)})").alias(f"_{place}") for place, name in enumerate(_asked(doubts))]
    if doubts.task is Task.classification and doubts.label is not None:
        chosen.append(F.col(quoted(doubts.label)).alias("_class"))
    table = rows.select(*chosen).limit(most + 1).toArrow()
    return table if table.num_rows <= most else None


def some_of(rows: DataFrame, doubts: Doubts, count: int) -> tuple[pa.Table, float]:
    """All of the rows where they are few, else some, as `taken` has them; and which share that is.

    Args:
        count: how many rows there are.
    """
    most = most_rows(doubts)
    share = 1.0 if count <= most else SOME / count * most
    while (table := taken(rows if share == 1 else rows.sample(share, seed=0), doubts, {})) is None:
        share /= 2  # which chance seldom asks for
    return table, share


def groups_of(table: pa.Table, sums: Mapping[str, Column]) -> list[dict[str, Any]]:
    """The rows counted and summed up by `_held_out` and, of a classification, `_class`; as Spark's aggregate has it."""
    keys = [HELD_OUT, *(name for name in table.column_names if name == "_class")]
    grouped = table.group_by(keys).aggregate([([], "count_all"), *((name, "sum") for name in sums)])
    groups: list[dict[str, Any]] = grouped.rename_columns([*keys, "rows", *sums]).to_pylist()
    return groups


def look(table: pa.Table, doubts: Doubts) -> Few:
    """Numbers of each side, and rows that are on both, of what was `taken`."""
    asked = _asked(doubts)
    hashes, held_out = (table[name].to_numpy() for name in (HASH, HELD_OUT))
    classes = table["_class"].to_numpy() if "_class" in table.column_names else np.zeros(len(hashes))
    values = np.empty((len(hashes), len(asked)))
    for place in range(len(asked)):
        values[:, place] = table[f"_{place}"].to_numpy()
    if len(asked) > len(doubts.numbers):
        values = np.hstack([values, values[:, :-1] * values[:, -1:]])
    sides = []
    for side in (False, True):
        of_side = held_out == side
        for name in np.unique(classes[of_side]):
            sides.append(_side(values[of_side & (classes == name)], side))
    in_both = int(np.isin(hashes[held_out], hashes[~held_out]).sum())
    is_classified = "_class" in table.column_names
    codes = [name for place, name in enumerate(doubts.numbers) if is_classified and _gives(values[:, place], classes)]
    return Few(sides, in_both, codes, _ranges(values[~held_out], doubts.numbers))


def _ranges(values: NDArray[np.float64], names: Sequence[str]) -> dict[str, tuple[float, float]]:
    if not len(values):
        return {}
    ends = np.fmin.reduce(values, axis=0).tolist(), np.fmax.reduce(values, axis=0).tolist()
    return {name: (least, largest) for name, least, largest in zip(names, *ends, strict=False) if least < largest}


def few_labels(table: pa.Table, doubts: Doubts) -> list[int]:
    """The values of a regression's label where they are a few whole numbers, as those of classes are."""
    if doubts.label is None or doubts.task is not Task.regression or table.num_rows < LEAST_ROWS:
        return []
    found = np.unique(table[f"_{len(doubts.numbers)}"].to_numpy())
    is_few = len(found) <= MOST_LABELS and bool(np.all(found == np.round(found)))  # never so of NaN
    return [int(value) for value in found] if is_few else []


def _gives(values: NDArray[np.float64], classes: NDArray[Any]) -> bool:
    """Whether a number is a code for the class: few values, which many rows have, and of each value one class."""
    found, of_row = np.unique(values, return_inverse=True)
    if not 1 < len(found) <= min(MOST_CODES, len(values) // LEAST_OF_A_CODE):
        return False
    names, class_of = np.unique(classes, return_inverse=True)
    both = np.bincount(of_row * len(names) + class_of, minlength=len(found) * len(names))
    return len(names) > 1 and bool(((both.reshape(len(found), -1) > 0).sum(axis=1) == 1).all())


def _asked(doubts: Doubts) -> list[str]:
    """The numbers that are looked at: of a regression the label as well."""
    is_regression = doubts.task is Task.regression and doubts.label is not None
    return [*doubts.numbers, *([doubts.label] if is_regression and doubts.label else [])]


def _side(values: NDArray[np.float64], is_held_out: bool) -> Side:
    """Least, largest, mean and variance of each column."""
    # As Spark has them: ends without what is missing, and of one value no rounding's variance.
    least, largest = np.fmin.reduce(values, axis=0), np.fmax.reduce(values, axis=0)
    mean = np.where(least == largest, least, values.mean(axis=0))
    spread = values.var(axis=0, ddof=1) if len(values) > 1 else np.zeros(values.shape[1])
    spread = np.where((least == largest) & ~np.isnan(spread), 0.0, spread)
    return Side(len(values), is_held_out, least, largest, mean, spread)
