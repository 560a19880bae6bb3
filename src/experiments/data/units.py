"""Signs beside numbers, as $ and %, that are left out: said where values of one column have different ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import Column

# A number about or in brackets is that number.
_MEAN_NOTHING = "~≈[]()"


def unit_counts(text: Column, units: Sequence[str]) -> dict[str, Column]:
    """How many values have each of the signs, and how many none, which is called so."""
    from pyspark.sql import functions as F

    has = {unit: text.contains(unit) for unit in units if unit not in _MEAN_NOTHING}
    if not has:
        return {}
    none = F.lit(True)
    for found in has.values():
        none = none & ~found
    return {"none": F.count_if(none), **{unit: F.count_if(found) for unit, found in has.items()}}


def said_of_units(name: str, counts: Mapping[str, int]) -> list[str]:
    """That numbers are read alike which may not mean alike: dollars and euros, shares and percents.

    Args:
        counts: values by their sign, as of `unit_counts`.
    """
    found = {unit: rows for unit, rows in counts.items() if rows}
    if len(found) < 2:
        return []
    listed = ", ".join(f"{'none' if unit == 'none' else repr(unit)} in {rows:,}" for unit, rows in found.items())
    return [
        f"data has numbers in '{name}' with different signs, which are left out, so that they are read alike: "
        f"{listed}; where they do not mean alike, make them one in the file"
    ]
