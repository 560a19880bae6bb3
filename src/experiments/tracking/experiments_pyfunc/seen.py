"""What the fit has seen of columns, and what is said of other values."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from .frames import MOST_NAMED

if TYPE_CHECKING:
    from pyspark.ml import PipelineModel

# Of more categories new ones are to be expected, and said where more than half of so many rows have them.
MOST_CATEGORIES = 200
LEAST_ROWS = 10
# Of ranges: so many times as far out as the numbers of the fit lie apart, or so many rows outside.
FAR, LEAST_OUTSIDE = 10, 3


@dataclass(frozen=True)
class Categories:
    """What the fit has seen in a column.

    Attributes:
        values: that are there.
        has_gaps: whether a missing value is another, or None where that is not known.
        becomes: what a new one is to the model.
    """

    values: frozenset[str]
    has_gaps: bool | None
    becomes: str

    @property
    def few(self) -> list[str]:
        """Those that one may be meant by; none where they are many."""
        return sorted(self.values) if len(self.values) <= MOST_CATEGORIES else []

    def new(self, texts: pd.Series) -> pd.Series:
        """Those that are worth a word, as the fit has not seen them."""
        there = texts.fillna("(missing)") if self.has_gaps is False else texts.dropna()
        new = there[[text not in self.values for text in there]]
        is_said = len(self.values) <= MOST_CATEGORIES or len(new) > max(LEAST_ROWS, len(there)) / 2
        return new if is_said else new[:0]


def categories_of(pipeline: PipelineModel) -> dict[str, Categories]:
    """Columns whose texts were numbered."""
    found: dict[str, Categories] = {}
    for stage in pipeline.stages:
        if type(stage).__name__ == "CategoryEncoderModel":
            for name, values in zip(_read_by(stage), stage.getValues(), strict=True):
                is_of_entries = len(values) <= stage.getOrDefault("mostValues")
                most = f"they count as {values[0] or '(missing)'!r}, the most frequent" if values else ""
                becomes = most if is_of_entries else "they count as one that no row has"
                there = frozenset(value for value in values if value is not None)
                found[name] = Categories(there, None in values, becomes)
        elif type(stage).__name__ == "StringIndexerModel":
            for name, labels in zip(_read_by(stage), stage.labelsArray, strict=True):
                found[name] = Categories(frozenset(labels), None, "what the model makes of them it has not learnt")
    return {name: each for name, each in found.items() if each.values}


def filled(pipeline: PipelineModel) -> set[str]:
    """Columns for whose gaps a stage has an answer."""
    found: set[str] = set()
    for stage in pipeline.stages:
        keeps = type(stage).__name__ == "StringIndexerModel" and stage.getHandleInvalid() == "keep"
        if keeps or type(stage).__name__ in ("CategoryEncoderModel", "ImputerModel", "Words"):
            found.update(_read_by(stage))
    return found


def _read_by(stage: Any) -> list[str]:
    """Names of the columns that a stage reads, as the data has them."""
    is_of_many = stage.hasParam("inputCols") and stage.isSet("inputCols")
    names = stage.getInputCols() if is_of_many else [stage.getInputCol()]
    return [name[1:-1].replace("``", "`") if name.startswith("`") else name for name in names]


def warn_of_far(columns: Mapping[str, pa.Array], ranges: Mapping[str, Sequence[float]]) -> None:
    """Warn of numbers most of which lie outside those of the fit, or of which one lies far outside.

    Args:
        ranges: ends of nearly all rows of the fit. A single row beyond them is to be expected, of skewed numbers twice
            as large as any before.
    """
    said = []
    for name, (least, largest) in ranges.items():
        values = columns[name].to_numpy(zero_copy_only=False)
        reach = FAR * (largest - least)
        outside = values[(values < least) | (values > largest)]
        far = values[(values < least - reach) | (values > largest + reach)]
        if len(outside) >= LEAST_OUTSIDE and 2 * len(outside) > len(values):
            far = outside
        if len(far):
            ends = f"from {_number(least)} to {_number(largest)}"
            said.append(f"'{name}' {ends}, not {_number(far[0])} ({len(far)} of {len(values)} rows)")
    if said:
        more = f"; and {len(said) - MOST_NAMED} columns more" if len(said) > MOST_NAMED else ""
        listed = "; ".join(said[:MOST_NAMED]) + more
        why = "what is of another unit, stands for a gap or was never seen gets an answer all the same"
        warnings.warn(f"nearly all rows of the fit have {listed}: {why}", stacklevel=4)


def _number(value: float) -> str:
    is_whole = float(value).is_integer() and abs(value) < 1e15  # never so of what is infinite
    return f"{value:.0f}" if is_whole else f"{value:.6g}"
