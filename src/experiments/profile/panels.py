"""Rows that belong together, as months of one building: a random split has it on both sides."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from experiments.data.kinds import DATES, WHOLE
from experiments.data.names import quoted
from experiments.errors import override
from experiments.profile.look import Column

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

# Of fewer groups, or fewer rows of one, nothing is said.
LEAST_GROUPS, LEAST_ROWS_OF_ONE = 10, 3
# Of the compared columns so many never differ; one alone may follow from the other, as a country from a town, unless
# the other is called what says who a row is about.
LEAST_SAME = 0.5
_WHO = re.compile(
    r"(^|_|\b)(id|nr|no|key)$|patient|customer|client|kunde|member|user|subject|person|employee|household", re.I
)
# Times that come again as often in the mean are those of several.
LEAST_AT_ONE_TIME = 2
# Each is an aggregate of its own, of so many columns.
MOST_CANDIDATES, MOST_COMPARED = 2, 50


@dataclass(frozen=True)
class Panel:
    """Several rows of each of many.

    Attributes:
        name: of the column that says whose a row is.
        groups: of its values, about.
        same: columns that never differ within one.
        time: a column of dates of which each has one row at most.
    """

    name: str
    groups: int
    same: tuple[str, ...]
    time: str | None


def panel_of(rows: DataFrame, columns: Sequence[Column], label: str | None) -> Panel | None:
    """The column by which rows belong together and most columns never differ; None where there is none.

    Args:
        columns: of the rows, as they were looked at.
    """
    features = [column for column in columns if column.name != label and (column.distinct or 0) > 1]
    candidates = _candidates(features)
    times = _times(rows, features) if candidates else []
    found = [_panel(rows, column, features, times) for column in candidates]
    panels = [panel for panel in found if panel.same or panel.time is not None]
    return max(panels, key=lambda panel: (len(panel.same), panel.time is not None), default=None)


def _candidates(features: Sequence[Column]) -> list[Column]:
    """Texts and whole numbers that many rows share, those of the most values first."""
    found = [
        column
        for column in features
        if (column.kind in WHOLE or (column.kind == "string" and column.look is None))
        and LEAST_GROUPS <= (column.distinct or 0) <= column.rows / LEAST_ROWS_OF_ONE
    ]
    return sorted(found, key=lambda column: -(column.distinct or 0))[:MOST_CANDIDATES]


def _times(rows: DataFrame, features: Sequence[Column]) -> list[str]:
    """The first column of dates, where its times come again."""
    from pyspark.sql import functions as F

    names = [
        column.name
        for column in features
        if column.kind in DATES or (column.look is not None and column.look.kind == "dates")
    ][:1]
    if not names:
        return []
    (row,) = rows.agg(F.approx_count_distinct(quoted(names[0])).alias("times"), F.count("*").alias("rows")).collect()
    return names if LEAST_AT_ONE_TIME * row["times"] <= row["rows"] else []


def _panel(rows: DataFrame, whose: Column, features: Sequence[Column], times: Sequence[str]) -> Panel:
    from pyspark.sql import functions as F

    # The numbers of different values are near what they are, and of a column that never differs at most as many.
    most = 1.2 * (whose.distinct or 0)
    others = [column.name for column in features if column is not whose and (column.distinct or 0) <= most]
    asked = {f"same {name}": f"max({quoted(name)}) <=> min({quoted(name)})" for name in others[:MOST_COMPARED]}
    asked |= {f"once {name}": f"count(DISTINCT {quoted(name)}) = count(*)" for name in times[:1]}
    if not asked:
        return Panel(whose.name, whose.distinct or 0, (), None)
    grouped = rows.where(f"{quoted(whose.name)} IS NOT NULL").groupBy(F.col(quoted(whose.name)).alias("whose"))
    of_each = grouped.agg(*(F.expr(sql).alias(name) for name, sql in asked.items()))
    (holds,) = of_each.agg(*(F.expr(f"every({quoted(name)})").alias(name) for name in asked)).collect()
    same = tuple(name for name in others[:MOST_COMPARED] if holds[f"same {name}"])
    is_most = len(same) >= LEAST_SAME * len(others[:MOST_COMPARED]) or _WHO.search(whose.name)
    same = same if is_most else ()
    time = next((name for name in times[:1] if holds[f"once {name}"]), None)
    return Panel(whose.name, whose.distinct or 0, same, time)


def said_of_panel(panel: Panel | None, rows: int) -> list[str]:
    """That a random split would judge by what is known already."""
    if panel is None:
        return []
    each = f"{panel.groups:,} values of some {rows // panel.groups:,} rows each"
    never = "never differs" if len(panel.same) == 1 else "never differ"
    why = f"within which {', '.join(panel.same[:5])} {never}" if panel.same else f"one for each {panel.time}"
    later = f", {override('data.time', panel.time)} by later rows" if panel.time is not None else ""
    return [
        f"data has several rows of one '{panel.name}' ({each}, {why}), which a random split has on both sides, so that "
        f"the model is judged by what it knows: {override('data.group', panel.name)} judges it by new ones{later}"
    ]
