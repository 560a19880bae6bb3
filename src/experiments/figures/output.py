"""What an output is: a table, and a figure drawn from it; or a text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Rows = list[dict[str, Any]]

MOST_POINTS = 2_000
MOST_VALUES = 1_000_000


@dataclass(frozen=True)
class Output:
    """Something to keep of a run: a table, and a figure of it where people would rather look than read.

    Attributes:
        name: of its files in the run.
        rows: table rows by column name; at least one, but of a text.
        draw: makes the figure from the rows.
        stepped: whether the columns after the first are metrics by step, which is the first column.
        text: kept as it is, in a file of just this name, in place of the table.
    """

    name: str
    rows: Rows
    draw: Callable[[Rows], Figure] | None = None
    stepped: bool = False
    text: str | None = None
