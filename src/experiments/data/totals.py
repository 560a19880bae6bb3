"""Rows that sum up others, as a spreadsheet's last one: to a model they are rows like all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from experiments.config.schema import DataConfig, TableData
from experiments.data.names import quoted, sql_text
from experiments.errors import override

if TYPE_CHECKING:
    from pyspark.sql import Column

# What people write before a sum, without capitals.
NAMES = ("total", "totals", "grand total", "sum", "gesamt", "summe", "insgesamt", "somme", "totale", "totaal", "suma")
# Where more rows are called so, it is a category.
MOST_ROWS = 0.05


def of_totals(texts: Sequence[str]) -> list[Column]:
    """Aggregates over the rows, for `said_of_totals`."""
    from pyspark.sql import functions as F

    names = ", ".join(map(sql_text, NAMES))
    return [
        F.expr(f"count_if(lower(trim({quoted(name)})) IN ({names}))").alias(f"_totals_{place}")
        for place, name in enumerate(texts)
    ]


def totals_in(texts: Sequence[str], groups: Sequence[Any]) -> dict[str, int]:
    """Rows that are called a total, by column, from what `of_totals` has yielded for each group."""
    return {name: sum(row[f"_totals_{place}"] for row in groups) for place, name in enumerate(texts)}


def said_of_totals(counts: Mapping[str, int], rows: int, data: DataConfig) -> list[str]:
    """A sentence on columns in which a few rows are called a total.

    Args:
        counts: those rows by column.
        rows: of all.
    """
    found = {name: count for name, count in counts.items() if 0 < count <= MOST_ROWS * rows}
    if not found:
        return []
    listed = ", ".join(f"'{name}' ({count:,} row{'s' * (count > 1)})" for name, count in found.items())
    way_out = ""
    if isinstance(data, TableData):
        names = ", ".join(map(sql_text, NAMES))
        laws = (f"coalesce(lower(trim({quoted(name)})) NOT IN ({names}), true)" for name in found)
        source = f"({data.query})" if data.query else "source"
        way_out = f": {override('data.query', f'SELECT * FROM {source} WHERE ' + ' AND '.join(laws))}"
    return [f"data has rows that are called a total in {listed}; if they sum up others, leave them out{way_out}"]
