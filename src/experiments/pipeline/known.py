"""What is known of Spark's classes beyond what they say of themselves: one table, a row for each that needs one.

A class that is not here is taken as it comes: it reads all features, makes a vector, and looks at all rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.data.kinds import DATES, NUMBERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

# Columns are known by Spark's short type names, and by one that Spark does not have: numbers that stand for categories.
CATEGORY = "category"
# What a date is taken apart into, in order, by `experiments.stages.dates`.
DATE_PARTS = ("year", "month", "day_of_week", "seconds")
_TEXT, _WORDS = "string", "array<string>"


class Entries(Enum):
    """What the entries of the vector that a stage makes are, or the column that it makes of one."""

    unknown = "unknown"
    same = "those of the vector that it reads"
    assembled = "the columns that it reads, one after another"
    words = "the words of its vocabulary"
    hashes = "words that fall on the same number"
    column = "the column that it reads"
    parts = "parts of the date that it reads"


@dataclass(frozen=True)
class Known:
    """What is known of a class.

    Attributes:
        reads_each: types of which the stage reads every column, and is left out where there is none.
        reads_one: type of which it reads the only column, whatever other columns there are.
        reads_only: types that it can read, where Spark says so late.
        makes: type of its output.
        entries: what its output's entries are.
        undo: from points of its output to those of its input, by the fitted stage; of scalers.
        is_row_by_row: whether it makes the same of a row whatever other rows there are, once it is fitted.
        is_costly: whether its work on a row is worth keeping.
        fills_missing: whether it takes nulls.
        is_of_two_classes: whether it cannot tell more apart.
        is_from_mean: of a projection, whether it is of the distance from the mean, and not from zero.
        is_hierarchy: of a clustering, whether its clusters were split from larger ones.
    """

    reads_each: tuple[str, ...] = ()
    reads_one: str | None = None
    reads_only: tuple[str, ...] = ()
    makes: str = "vector"
    entries: Entries = Entries.unknown
    undo: Callable[[Any, NDArray[np.float64]], NDArray[np.float64]] | None = None
    is_row_by_row: bool = False
    is_costly: bool = False
    fills_missing: bool = False
    is_of_two_classes: bool = False
    is_from_mean: bool = False
    is_hierarchy: bool = False


def _undo_standard(model: Any, points: NDArray[np.float64]) -> NDArray[np.float64]:
    deviation, mean = model.std.toArray(), model.mean.toArray()
    units = points * deviation if model.getWithStd() else points
    units = units + mean if model.getWithMean() else units
    # Of an entry without variance Spark makes 0, whatever it was.
    return np.where((deviation == 0) & model.getWithStd(), mean, units)


def _undo_min_max(model: Any, points: NDArray[np.float64]) -> NDArray[np.float64]:
    low, high = model.originalMin.toArray(), model.originalMax.toArray()
    share = (points - model.getMin()) / (model.getMax() - model.getMin())
    return np.where(high > low, low + share * (high - low), low)


def _undo_max_abs(model: Any, points: NDArray[np.float64]) -> NDArray[np.float64]:
    units: NDArray[np.float64] = points * model.maxAbs.toArray()
    return units


def _undo_robust(model: Any, points: NDArray[np.float64]) -> NDArray[np.float64]:
    points = points * model.range.toArray() if model.getWithScaling() else points
    return points + model.median.toArray() if model.getWithCentering() else points


def _words(**more: Any) -> Known:
    return Known(reads_one=_WORDS, is_row_by_row=True, **more)


_KNOWN = {
    # Texts
    "Tokenizer": Known(reads_one=_TEXT, makes=_WORDS, is_row_by_row=True, is_costly=True),
    "Words": Known(reads_one=_TEXT, makes=_WORDS, is_row_by_row=True, is_costly=True, fills_missing=True),
    "RegexTokenizer": Known(reads_one=_TEXT, makes=_WORDS, is_row_by_row=True, is_costly=True),
    "StopWordsRemover": _words(makes=_WORDS),
    "NGram": _words(makes=_WORDS, is_costly=True),
    "HashingTF": _words(entries=Entries.hashes),
    "CountVectorizer": _words(entries=Entries.words),
    "Word2Vec": Known(reads_one=_WORDS),
    "IDF": Known(reads_one="vector", entries=Entries.same, is_row_by_row=True),
    # Categories and missing values
    "StringIndexer": Known(reads_each=(_TEXT,), makes=CATEGORY, entries=Entries.column, is_row_by_row=True),
    "OneHotEncoder": Known(reads_each=(CATEGORY,), entries=Entries.column, is_row_by_row=True),
    "CategoryEncoder": Known(reads_each=(_TEXT,), entries=Entries.column, is_row_by_row=True),
    "TargetEncoder": Known(entries=Entries.column, is_row_by_row=True),
    "Bucketizer": Known(makes=CATEGORY, entries=Entries.column, is_row_by_row=True),
    "QuantileDiscretizer": Known(makes=CATEGORY, is_row_by_row=True),
    "Binarizer": Known(makes="double", is_row_by_row=True),
    "Imputer": Known(
        reads_each=NUMBERS, makes="double", entries=Entries.column, fills_missing=True, is_row_by_row=True
    ),
    # Dates
    "DateParts": Known(reads_each=DATES, entries=Entries.parts, is_row_by_row=True),
    # Vectors
    "VectorAssembler": Known(
        reads_only=(*NUMBERS, "boolean", "vector", CATEGORY), entries=Entries.assembled, is_row_by_row=True
    ),
    "StandardScaler": Known(entries=Entries.same, undo=_undo_standard, is_row_by_row=True),
    "MinMaxScaler": Known(entries=Entries.same, undo=_undo_min_max, is_row_by_row=True),
    "MaxAbsScaler": Known(entries=Entries.same, undo=_undo_max_abs, is_row_by_row=True),
    "RobustScaler": Known(entries=Entries.same, undo=_undo_robust, is_row_by_row=True),
    "Normalizer": Known(entries=Entries.same, is_row_by_row=True),
    # Estimators
    "GBTClassifier": Known(is_of_two_classes=True),
    "LinearSVC": Known(is_of_two_classes=True),
    "FMClassifier": Known(is_of_two_classes=True),
    "PCA": Known(is_from_mean=True),
    "BisectingKMeans": Known(is_hierarchy=True),
}
_NOTHING = Known()


def known_of(stage: type) -> Known:
    """What is known of a stage's class, or of the class of a fitted stage."""
    name = stage.__name__
    return _KNOWN.get(name) or _KNOWN.get(name.removesuffix("Model")) or _NOTHING
