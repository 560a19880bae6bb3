"""A profile where people look at it: a table in the terminal, and a page that stands alone."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np

from experiments.data.kinds import WHOLE
from experiments.figures.labels import shortened
from experiments.profile.look import QUANTILES, Column, Profile
from experiments.terminal.harmless import harmless
from experiments.terminal.screen import say, show_table

TEMPLATE = Path(__file__).with_name("page.html")
BINS = 12
# Where the most frequent value has a smaller share of the rows, it is an example.
RARE = 0.01
_BARS = " ▁▂▃▄▅▆▇█"
_LONGEST = 24


def show(profile: Profile, warnings: list[str]) -> None:
    """On standard output."""
    gaps = _gaps(profile)
    show_table(
        ("column", "type", "missing", "distinct", "range", "values"),
        [
            (column.name, _kind(column), _missing(column, gaps), _distinct(column), _range(column), _values(column))
            for column in profile.columns
        ],
        f"{profile.rows:,} rows",
    )
    for warning in warnings:
        say(f"! {warning}")


def page(profile: Profile, warnings: list[str], config: str, name: str) -> str:
    """One HTML page that needs nothing else.

    Args:
        warnings: of `doubtful`.
        config: the YAML that suits the table.
        name: of the data set.
    """
    from jinja2 import Environment  # only this needs it

    environment, gaps = Environment(autoescape=True), _gaps(profile)
    environment.filters |= {"harmless": harmless, "harmless_lines": partial(harmless, lines=True)}
    columns = [
        {
            "name": column.name,
            "type": _kind(column),
            "missing": _missing(column, gaps),
            "distinct": _distinct(column),
            "range": _range(column),
            "mean": "" if np.isnan(column.mean) else f"{column.mean:.5g} ± {column.deviation:.3g}",
            "bars": histogram(column),
            "values": [(value, rows, rows / max(1, column.rows)) for value, rows in column.values],
        }
        for column in profile.columns
    ]
    text: str = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        name=name, rows=profile.rows, columns=columns, warnings=warnings, config=config
    )
    return text


def histogram(column: Column) -> list[float]:
    """Heights of equally wide bars from the least to the largest, of which the highest is 1; none without numbers."""
    if not column.quantiles or column.quantiles[0] == column.quantiles[-1]:
        return []
    values = np.asarray(column.quantiles)
    edges = np.linspace(values[0], values[-1], BINS + 1)
    # The share of rows up to an edge; where many rows have one value, all of them are up to it.
    places = np.searchsorted(values, edges, side="right")
    below = np.clip(places - 1, 0, QUANTILES - 2)
    gap = values[below + 1] - values[below]
    inside = np.divide(edges - values[below], gap, out=np.zeros_like(edges), where=gap > 0)
    shares = (below + np.clip(inside, 0, 1)) / (QUANTILES - 1)
    shares[0], shares[-1] = 0, 1
    heights = np.diff(shares)
    return [float(height) for height in heights / heights.max()]


def _kind(column: Column) -> str:
    return f"{column.kind}, nearly {column.look.kind}" if column.look else column.kind


def _gaps(profile: Profile) -> set[str]:
    """Texts that stand for a missing value in one of the columns, and so in all."""
    return {text for column in profile.columns if column.look is not None for text in column.look.tokens}


def _missing(column: Column, gaps: set[str]) -> str:
    is_text = column.kind == "string" and column.look is None
    texts = {text: rows for text, rows in column.values if text in gaps} if is_text else {}
    texts = texts if column.look is None else column.look.tokens
    if texts and not column.missing:  # which are read as missing once the config says so
        return f"{sum(texts.values()):,} as {', '.join(texts)}"[:30]
    if not column.missing:
        return ""
    return f"{column.missing:,} ({100 * column.missing / column.rows:.3g} %)"


def _distinct(column: Column) -> str:
    if column.distinct is None:
        return ""
    # Of few values all are listed, with their rows; else a sketch has counted, within a few percent.
    is_exact = column.values and sum(rows for _, rows in column.values) == column.rows - column.missing
    return f"{len(column.values):,}" if is_exact else f"≈{column.distinct:,}"


def _range(column: Column) -> str:
    if not column.quantiles:
        return ""
    ends = (column.quantiles[0], column.quantiles[-1])
    if column.is_date:
        low, high = (f"{datetime.fromtimestamp(end, UTC):%Y-%m-%d}" for end in ends)
    else:
        is_whole = column.kind in WHOLE and max(map(abs, ends)) < 1e15
        low, high = (f"{end:.0f}" if is_whole else f"{end:.5g}" for end in ends)
    return low if low == high else f"{low} … {high}"


def _values(column: Column) -> str:
    """The most frequent values, or bars."""
    is_few = column.values and (column.distinct or 0) <= len(column.values)
    bars = histogram(column)
    if bars and not is_few:
        return "".join(_BARS[max(1, round(height * (len(_BARS) - 1)))] if height > 0 else " " for height in bars)
    if column.values and column.values[0][1] < RARE * column.rows:  # of which none says more than another
        return f"such as {shortened([column.values[0][0]], _LONGEST)[0]}"
    names = shortened([value for value, _ in column.values[:4]], _LONGEST)
    shown = ", ".join(f"{name} {rows:,}" for name, (_, rows) in zip(names, column.values, strict=False))
    return f"{shown}, …" if (column.distinct or 0) > 4 else shown
