"""Infinite numbers, which count as missing: said where they are filled without anybody's having asked for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from experiments.data.missing import COUNTED_AT_ONCE, MOST_COMPILED, MOST_NAMED
from experiments.data.names import quoted

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def any_infinite(columns: Sequence[str], kinds: Mapping[str, str]) -> str:
    """SQL of whether a row has an infinite number in one of the columns; nothing where none can have."""
    numbers = [name for name in columns if kinds[name] in ("double", "float")]
    # NaN is greater still.
    sizes = ", ".join(f"nanvl(abs(double({quoted(name)})), 0D)" for name in numbers)
    if len(numbers) > MOST_COMPILED:
        return f"exists(array({sizes}), v -> v = double('Infinity'))"
    return f"greatest(0D, {sizes}) = double('Infinity')" if numbers else ""


def said_of_infinite(rows: DataFrame, features: Sequence[str]) -> list[str]:
    """That infinite numbers count as missing ones, and where; reads the source once more for each 200 columns.

    Args:
        rows: before any of them was filled.
    """
    from pyspark.sql import functions as F

    kinds, counts = dict(rows.dtypes), dict[str, int]()
    for start in range(0, len(features), COUNTED_AT_ONCE):
        part = [name for name in features[start : start + COUNTED_AT_ONCE] if any_infinite([name], kinds)]
        asked = [F.expr(f"count_if({any_infinite([name], kinds)})").alias(f"_{at}") for at, name in enumerate(part)]
        found = rows.agg(*asked).collect()[0] if asked else ()
        counts |= {name: count for name, count in zip(part, found, strict=True) if count}
    if not counts:
        return []
    listed = [f"{name} {count:,}" for name, count in counts.items()]
    more = f" and {len(listed) - MOST_NAMED} columns more" if len(listed) > MOST_NAMED else ""
    return [
        "data has infinite numbers, which count as missing, as gaps do, in rows of: "
        f"{', '.join(listed[:MOST_NAMED])}{more}"
    ]
