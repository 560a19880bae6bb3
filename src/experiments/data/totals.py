"""Rows that sum up others, as a spreadsheet's last one: to a model they are rows like all."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from experiments.config.schema import DataConfig, TableData
from experiments.data.names import quoted
from experiments.errors import override

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

# What people write before a sum, in small letters: "grand total", "sub-total:", "zwischensumme" and their like.
_NAMES = "((sub|grand|sous)[ -]?)?total(s|e)?|(grand )?sum|totaal|suma|somme|(zwischen|gesamt)?summe|gesamt|insgesamt"
# Without signs that Spark's SQL reads as something else.
_PATTERN = f"^({_NAMES}) ?:?$"
# Where more rows are called so, it is a category.
MOST_SHARE = 0.05
_ASKED = f"length(v) < 32 AND lower(trim(v)) RLIKE '{_PATTERN}'"


def is_total(text: str) -> bool:
    """Whether a text is what people write before a sum."""
    return re.match(_PATTERN, text.strip().lower()) is not None


def of_totals(texts: Sequence[str]) -> list[Column]:
    """One aggregate over the rows, for `totals_of`: one for each column would take longer to compile."""
    from pyspark.sql import functions as F

    if not texts:
        return []
    return [F.expr(f"count_if(exists(array({', '.join(map(quoted, texts))}), v -> {_ASKED}))").alias("_totals")]


def totals_of(rows: DataFrame, texts: Sequence[str], count: int) -> dict[str, int]:
    """How many rows are called a total, by the columns in which a few are. Reads the rows.

    Args:
        count: of all rows.
    """
    from pyspark.sql import functions as F

    asked = [f"count_if(exists(array({quoted(name)}), v -> {_ASKED}))" for name in texts]
    counts = zip(texts, rows.agg(*map(F.expr, asked)).collect()[0], strict=True)
    return {name: of_name for name, of_name in counts if 0 < of_name <= max(1, MOST_SHARE * count)}


def said_of_totals(totals: Mapping[str, int], data: DataConfig) -> list[str]:
    """A sentence on the columns of `totals_of`, if there are any."""
    if not totals:
        return []
    listed = ", ".join(f"'{name}' ({of_name:,} row{'s' * (of_name > 1)})" for name, of_name in totals.items())
    way_out = f": {override('data.query', without_totals(totals, data.query))}" if isinstance(data, TableData) else ""
    return [f"data has rows that are called a total in {listed}; if they sum up others, leave them out{way_out}"]


def without_totals(columns: Iterable[str], query: str | None) -> str:
    """The rows of `source`, or of the query that there is, that are not called so."""
    laws = (f"coalesce(lower(trim({quoted(name)})) NOT RLIKE '{_PATTERN}', true)" for name in columns)
    return f"SELECT * FROM {f'({query})' if query else 'source'} WHERE {' AND '.join(laws)}"
