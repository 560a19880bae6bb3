"""What makes a table's columns doubtful, and how it is said before it misleads."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.config.schema import Task
from experiments.data.counting import NEARLY, counts_rows
from experiments.data.kinds import WHOLE
from experiments.data.names import quoted
from experiments.data.texts import LOOKS_TYPED
from experiments.errors import ExperimentError, override

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pyspark.sql import Column

# Of more columns of text only so many are looked at: each costs a part of the aggregate.
MOST_TEXTS = 200
LEAST_ROWS = 20
# Of fewer rows of a class, in the mean, nothing is said of what classes have in common.
LEAST_OF_A_CLASS = 3
# Of a class with such a share of the rows, accuracy says little.
LOPSIDED = 0.8
# A column of text with a value for every second row says who a row is, and not what it is like.
MANY_VALUES = 0.5
# Texts of so many words, in the mean, are sentences.
SENTENCE = 5
# Of the label's variance, explained by one feature alone.
LEAK = 0.9995
_NUMBERS = (*WHOLE, "double", "float")
_MISREAD = "�"


@dataclass(frozen=True)
class Side:
    """Numbers of the rows of a side of the split and, of a classification, of a class.

    Attributes:
        rows: how many.
        is_held_out: which side.
        least, largest: of each number that is there; of a regression of the label and of each number's product with it
            behind them.
        mean, variance: of the same; NaN where one is missing.
    """

    rows: int
    is_held_out: bool
    least: NDArray[np.float64]
    largest: NDArray[np.float64]
    mean: NDArray[np.float64]
    variance: NDArray[np.float64]


@dataclass(frozen=True)
class Doubts:
    """What is asked of the columns of one data set.

    Attributes:
        kinds: feature columns with Spark's short type names, and a label of text.
        label: name of a label, or None.
        task: what the data is for.
        names: columns that are names, whatever they look like.
        chosen: the numbers that are asked about; all without.
    """

    kinds: Mapping[str, str]
    label: str | None
    task: Task
    names: Sequence[str]
    chosen: Sequence[str] | None = None

    @property
    def numbers(self) -> list[str]:
        known = [name for name, kind in self.kinds.items() if kind in _NUMBERS and name != self.label]
        return known if self.chosen is None else [name for name in known if name in self.chosen]

    @property
    def texts(self) -> list[str]:
        return [name for name, kind in self.kinds.items() if kind == "string"][:MOST_TEXTS]

    def of_numbers(self) -> list[Column]:
        """Aggregates over the rows of a side, for `side_of`.

        Numbers are summed up as one vector, of a regression with the label and each number's product with it behind
        them: an aggregate for each of a thousand columns takes Spark longer to compile than to run.
        """
        from pyspark.ml.functions import array_to_vector
        from pyspark.ml.stat import Summarizer
        from pyspark.sql import functions as F

        if not self.numbers:
            return []
        values = ", ".join(f"double({quoted(name)})" for name in self.numbers)
        entries = f"array({values})"
        if self.task is Task.regression and self.label is not None:
            label = f"double({quoted(self.label)})"
            entries = f"concat(array({values}, {label}), transform(array({values}), v -> v * {label}))"
        vector = array_to_vector(F.expr(f"transform({entries}, v -> coalesce(v, double('NaN')))"))
        return [Summarizer.metrics("min", "max", "mean", "variance").summary(vector).alias("_numbers")]

    def side_of(self, group: Any, held_out: str) -> Side:
        """What `of_numbers` has yielded for a group, with its `rows`."""
        ends = ("min", "max", "mean", "variance")
        found = (group["_numbers"][end].toArray() if self.numbers else np.empty(0) for end in ends)
        return Side(group["rows"], group[held_out], *found)

    def of_texts(self) -> list[Column]:
        """Aggregates over the rows, for `check_letters` and `suspects`."""
        from pyspark.sql import functions as F

        asked: dict[str, str] = {}
        for place, name in enumerate(self.texts):
            column = quoted(name)
            asked |= {
                f"texts_{place}": f"count({column})",
                f"typed_{place}": f"count_if({column} RLIKE r'{LOOKS_TYPED}')",
                f"misread_{place}": f"count_if(contains({column}, '{_MISREAD}'))",
            }
        return [F.expr(expression).alias(f"_{name}") for name, expression in asked.items()]

    def check_letters(self, groups: Sequence[Any]) -> None:
        """Refuse texts with the sign that stands for bytes which could not be read.

        Raises:
            ExperimentError: with the columns.
        """
        for said in said_of_misread(
            {name: int(_sum(groups, f"_misread_{place}")) for place, name in enumerate(self.texts)}
        ):
            raise ExperimentError(said)

    def suspects(self, groups: Sequence[Any]) -> list[str]:
        """Columns of text that are worth a second look."""
        return [
            name
            for place, name in enumerate(self.texts)
            if name not in self.names
            and (count := _sum(groups, f"_texts_{place}"))
            and _sum(groups, f"_typed_{place}") >= 0.5 * count
        ]

    def suspicious(self, sides: Sequence[Side], rows: int) -> Doubts:
        """What is left to be asked of all rows, once some have shown of which numbers it is not.

        Args:
            sides: of some rows.
            rows: how many there are in all.
        """
        least, largest = _ends(sides)
        is_seen = (least == largest) | ((largest - least >= rows / 2) & (largest - least < (1 + NEARLY) * rows))
        leaks = self._leaks([side for side in sides if not side.is_held_out])
        return replace(
            self, chosen=[name for place, name in enumerate(self.numbers) if is_seen[place] or name in leaks]
        )

    def warnings(self, sides: Sequence[Side], codes: Sequence[str] = ()) -> list[str]:
        """What a person should know before believing the metrics.

        Args:
            codes: numbers each of whose values has one class only.
        """
        rows = sum(side.rows for side in sides)
        if rows < LEAST_ROWS or not self.numbers:
            return []
        least, largest = _ends(sides)
        mean = np.array([side.rows for side in sides]) @ np.array([side.mean for side in sides]) / rows
        variance = sum(side.rows * (side.variance + (side.mean - mean) ** 2) for side in sides) / rows
        constant = [name for place, name in enumerate(self.numbers) if least[place] == largest[place]]
        counting = [
            name
            for place, name in enumerate(self.numbers)
            if self.kinds[name] in WHOLE
            and counts_rows(least[place], largest[place], mean[place], variance[place], rows)
        ]
        straight = self._leaks([side for side in sides if not side.is_held_out])
        leaks = [name for name in self.numbers if name in {*straight, *codes} and name not in {*counting, *constant}]
        return [
            *said_of_constant(constant),
            *said_of_counting(counting),
            *(said_of_leaks(leaks) if len(self.kinds) > 1 else ()),
        ]

    def _leaks(self, train: Sequence[Side]) -> list[str]:
        """Numbers of which the label is a straight line, or whose means by class are all that varies."""
        if not train or not self.task.supervised:
            return []
        if sum(side.rows for side in train) < LEAST_ROWS:
            return []
        shares = _correlations(train[0]) if self.task is Task.regression else _explained(train)
        return [name for name, share in zip(self.numbers, shares.tolist(), strict=True) if share > LEAK]


def _ends(sides: Sequence[Side]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The least and the largest of each number that is there."""
    least = np.fmin.reduce([side.least for side in sides], axis=0)
    largest = np.fmax.reduce([side.largest for side in sides], axis=0)
    return least, largest


def _correlations(side: Side) -> NDArray[np.float64]:
    """Squared correlation of each number with the label."""
    mean, spread, count = side.mean, side.variance, len(side.mean) // 2
    both = (mean[count + 1 :] - mean[:count] * mean[count]) * side.rows / max(1, side.rows - 1)  # as Spark divides
    scale = spread[:count] * spread[count]
    return np.divide(both**2, scale, out=np.zeros(count), where=scale > 0)


def _explained(train: Sequence[Side]) -> NDArray[np.float64]:
    """Share of each number's variance that is between the classes."""
    rows = np.array([side.rows for side in train])[:, None]
    if rows.sum() < LEAST_OF_A_CLASS * len(rows):  # a row of each class explains everything
        return np.zeros(len(train[0].mean))
    means = np.array([side.mean for side in train])
    spreads = np.array([side.variance for side in train]) * (rows - 1)
    between = (rows * (means - (rows * means).sum(axis=0) / rows.sum()) ** 2).sum(axis=0)
    total = between + spreads.sum(axis=0)
    return np.divide(between, total, out=np.zeros(means.shape[1]), where=total > 0)


def _sum(groups: Sequence[Any], name: str) -> float:
    return math.fsum(row[name] or 0 for row in groups)


def said_of_constant(names: Sequence[str]) -> list[str]:
    """A sentence on columns of one value, if there are any."""
    return _said(names, "columns with one value in all rows", "nothing can be learnt from them")


def said_of_counting(names: Sequence[str]) -> list[str]:
    """A sentence on columns that number the rows, if there are any."""
    return _said(names, "columns that count the rows", "where a row stood says nothing of new ones")


def said_of_leaks(names: Sequence[str]) -> list[str]:
    """A sentence on features that are the label in other words, if there are any."""
    why = "if they are known only once the label is, leave them out"
    return _said(names, "features that alone give the label", why)


def _said(names: Sequence[str], what: str, why: str) -> list[str]:
    if not names:
        return []
    return [f"data has {what}: {', '.join(names)}; {why}: {override('data.exclude', names)}"]


def said_of_many_values(
    sizes: Mapping[str, int],
    rows: int,
    of_rows: str = "rows",
    is_exact: bool = True,
    words: Mapping[str, float] | None = None,
) -> list[str]:
    """A sentence on columns of text whose values say who a row is, by their different values and their mean words."""
    if not (many := {name: size for name, size in sizes.items() if size > MANY_VALUES * rows}):
        return []
    several = [name for name in many if (words or {}).get(name, 0) >= 2]
    said = ", ".join(
        f"'{name}' ({'' if is_exact else 'about '}{size:,} in {rows:,} {of_rows})" for name, size in many.items()
    )
    return [
        f"data has columns of text with about as many values as rows: {said}; what is learnt of a value says nothing "
        f"of new ones: {override('data.exclude', list(many))}"
        + (f"; or from their words, where these come again: {words_of_sentences(several[0])}" if several else "")
    ]


def said_of_sentences(words: Mapping[str, float]) -> list[str]:
    """A sentence on columns of text that hold some, if there are any; by their words in the mean."""
    found = {name: count for name, count in words.items() if count >= SENTENCE}
    if not found:
        return []
    listed = ", ".join(f"'{name}' (about {count:.0f} words in each)" for name, count in found.items())
    return [
        f"data has sentences in {listed}, of which preprocessing=auto learns no more than how often each occurs; "
        f"{words_of_sentences(next(iter(found)))} learns from their words, no data.exclude naming the column"
    ]


def words_of_sentences(name: str) -> str:
    """What reads a column's words beside all other columns."""
    return f"'preprocessing=[hash_text,auto]' {override('preprocessing.words.inputCol', name)}"


def said_of_misread(counts: Mapping[str, int]) -> list[str]:
    """A sentence on columns with letters that could not be read, if there are any; by their rows."""
    said = ", ".join(f"{name} ({count:,} rows)" for name, count in counts.items() if count)
    if not said:
        return []
    return [
        "data.options.encoding must be that of the file, got the sign for unreadable letters (U+FFFD) in: "
        f"{said}; try data.options.encoding=windows-1252, or leave the columns out by data.exclude"
    ]
