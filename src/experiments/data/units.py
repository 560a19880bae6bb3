"""Signs beside numbers, as $ and %, that are left out: said where values of one column have different ones."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import Column

# A number about or in brackets is that number.
_MEAN_NOTHING = "~≈[]()"


def unit_counts(text: Column, units: Sequence[str]) -> dict[str, Column]:
    """How many values have each of the signs, and how many none, which is called so."""
    from pyspark.sql import functions as F

    counted = sorted((unit for unit in units if unit not in _MEAN_NOTHING), key=len, reverse=True)
    if not counted:
        return {}
    # The longest that fits: of km and m one of both.
    found = F.regexp_extract(text, "|".join(map(re.escape, counted)), 0)
    return {unit or "none": F.count_if(found == unit) for unit in ("", *counted)}


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
