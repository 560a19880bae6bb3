"""Figures from tables, of the forms that several outputs have. One thread draws at a time: matplotlib is not made for
several."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.figures.labels import shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.container import BarContainer
    from matplotlib.figure import Figure
    from matplotlib.text import Text
    from numpy.typing import NDArray

    from experiments.figures.output import Output, Rows

MOST_BARS = 25
MOST_CELLS = 25
MOST_GROUPS = 20
MOST_WITHIN = 5
LONGEST_NAME = 32
LARGEST = 17.0  # inches of a side
MOST_BREAKS = 4  # of a title or label
# All colours of all figures.
COLOR = "#0072B2"
REFERENCE = "grey"  # lines to compare with
# Behind texts, so that no line goes through them.
ON_WHITE = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
MUTED = "#777777"  # marks behind those that matter
SCALE = "viridis"  # from low to high
SHARES = "Blues"  # from none to all
SIGNED = "RdBu_r"  # blue, white for zero, red
# Colours that people who see few of them can tell apart (Okabe and Ito); each has a marker and a kind of line besides.
GROUPS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#000000", "#999933")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
DASHES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)), (0, (7, 2, 2, 2)))
_STYLE = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 12,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "axes.axisbelow": True,
    "font.size": 10,
    "text.parse_math": False,  # a column may be called $income$
}
_drawing = threading.Lock()


def save(output: Output, path: Path) -> None:
    """The output's figure as a PNG."""
    import matplotlib as mpl

    assert output.draw is not None
    with _drawing, mpl.rc_context(_STYLE):
        figure = output.draw(output.rows)
        break_long_texts(figure)
        # The places just found stand: to find them is half of a drawing, and saving would do so twice.
        figure.set_layout_engine("none")
        figure.savefig(path, dpi=100)


def break_long_texts(figure: Figure) -> None:
    """Put titles and labels that the figure's edge would cut on more lines."""
    for _ in range(MOST_BREAKS):
        figure.draw_without_rendering()
        texts = [*figure.texts, *(text for axes in figure.axes for text in _texts_of(axes))]
        cut = [text for text in texts if " " in text.get_text() and _is_cut(text, figure)]
        for text in cut:
            text.set_text(_broken(text.get_text()))
        if not cut:
            return
    figure.draw_without_rendering()  # what was broken last wants its place too


def _broken(text: str) -> str:
    """The longest of its lines that has a blank in two, at the one nearest its middle."""
    longest = max((line for line in text.split("\n") if " " in line), key=len)
    blanks = [at for at, sign in enumerate(longest) if sign == " "]
    middle = min(blanks, key=lambda at: abs(2 * at - len(longest)))
    return text.replace(longest, f"{longest[:middle]}\n{longest[middle + 1 :]}", 1)


def _texts_of(axes: Axes) -> list[Text]:
    return [axes.title, axes.xaxis.label, axes.yaxis.label]


def _is_cut(text: Text, figure: Figure) -> bool:
    inside, whole = text.get_window_extent(), figure.bbox
    beyond = (inside.x0 < whole.x0, inside.y0 < whole.y0, inside.x1 > whole.x1, inside.y1 > whole.y1)
    return any(beyond) and text.get_visible()


def bars(rows: Rows, name: str, value: str, title: str, unit: str) -> Figure:
    """Horizontal bars, the largest on top, with an interval where rows have an `error`, and what they have as a `note`
    behind the name; of many rows the largest."""
    shown = sorted(rows, key=lambda row: -abs(row[value]))[:MOST_BARS]
    figure, axes = empty(height=1.4 + 0.28 * len(shown))
    drawn = _draw_bars(axes, shown, name, value)
    if not any("error" in row or "note" in row for row in shown):
        write_values(axes, drawn)
    first, *rest = title.split("\n")
    some = f": the {len(shown)} largest of {len(rows)}" if len(shown) < len(rows) else ""
    axes.set(title="\n".join([first + some, *rest]), xlabel=unit)
    return figure


def write_values(axes: Axes, drawn: BarContainer) -> None:
    """What each bar stands for, at its end: of a small one the length says nothing."""
    axes.bar_label(drawn, fmt="%.3g", padding=3, fontsize=8)
    axes.margins(x=0.1)


def bars_by_group(rows: Rows, group: str, name: str, value: str, title: str, unit: str) -> Figure:
    """Bars for each of the first nine groups, which share a scale: the rows of each that are largest without a sign."""
    groups = list(dict.fromkeys(row[group] for row in rows))
    shown = groups[:9]
    columns = min(3, len(shown))
    lines_of = -(-len(shown) // columns)
    longest = min(12, max(sum(row[group] == each for row in rows) for each in shown))
    figure, every = empty(columns, lines_of, width=1 + 3.8 * columns, height=1 + (0.9 + 0.24 * longest) * lines_of)
    panels = np.atleast_1d(every).ravel()
    titles = shorten_all([str(each) for each in shown])
    for axes, each, named in zip(panels, shown, titles, strict=False):
        inside = sorted((row for row in rows if row[group] == each), key=lambda row: -abs(row[value]))[:longest]
        _draw_bars(axes, inside, name, value)
        axes.set_title(f"{group} {named}", fontsize=10)
    for axes in panels[len(shown) :]:
        axes.set_visible(False)
    low, high = min(axes.get_xlim()[0] for axes in panels), max(axes.get_xlim()[1] for axes in panels[: len(shown)])
    for axes in panels[: len(shown)]:
        axes.set_xlim(low, high)
    figure.suptitle(title if len(shown) == len(groups) else f"{title}: {len(shown)} of {len(groups)}", fontsize=12)
    figure.supxlabel(unit, fontsize=10)
    return figure


def _draw_bars(axes: Axes, shown: Rows, name: str, value: str) -> BarContainer:
    places = range(len(shown))
    errors = [row["error"] for row in shown] if all("error" in row for row in shown) else None
    drawn = axes.barh(places, [row[value] for row in shown], xerr=errors, color=COLOR, ecolor="black", capsize=2)
    notes = [f" ({row['note']})" if "note" in row else "" for row in shown]
    names = shorten_all([str(row[name]) for row in shown])
    axes.set_yticks(places, [f"{each}{note}" for each, note in zip(names, notes, strict=True)])
    axes.set_ylim(len(shown) - 0.3, -0.7)  # the first on top; a share of many would leave wide empty edges
    axes.axvline(0, color="black", linewidth=0.8)
    axes.grid(axis="y", visible=False)
    return drawn


def line_style(place: int) -> dict[str, Any]:
    """Colour and kind of the line of one of several groups, of which no two of 8 are alike in either."""
    return {"color": GROUPS[place % len(GROUPS)], "linestyle": DASHES[(place + place // len(GROUPS)) % len(DASHES)]}


def legend(axes: Axes, lines: int, place: str, title: str | None = None) -> None:
    """Names of lines: within the axes where they are few, else beside them, so that no line goes through a name."""
    if lines > MOST_WITHIN:
        axes.legend(title=title, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5), fontsize=8)
    else:
        axes.legend(title=title, frameon=False, loc=place, fontsize=9)


def whole_numbers(axis: Axis) -> None:
    """An axis of things that are counted, such as epochs, without fractions."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True))


def lines(rows: Rows, x: str, y: Sequence[str], title: str, unit: str = "") -> Figure:
    """A line for each column of `y`.

    Args:
        unit: what the values are of; without it the column's name, where there is one.
    """
    figure, axes = empty()
    for place, column in enumerate(y):
        marker = "." if len(rows) < 200 else ""
        values = [row[column] for row in rows]
        axes.plot([row[x] for row in rows], values, marker=marker, label=column, **line_style(place))
    axes.set(title=title, xlabel=x, ylabel=unit or (y[0] if len(y) == 1 else ""))
    if all(isinstance(row[x], int) for row in rows):
        whole_numbers(axes.xaxis)
    if len(y) > 1:
        axes.legend(frameon=False)
    return figure


def heat_map(
    shades: NDArray[np.float64],
    texts: NDArray[Any] | None,
    columns: Sequence[str],
    rows: Sequence[str],
    unit: str,
    cell: tuple[float, float] = (0.75, 0.3),
    **colors: Any,
) -> tuple[Figure, Any]:
    """Coloured cells, and what is written in them.

    Args:
        shades, texts: shape (rows, columns).
        columns, rows: names; none where they could not be read.
        cell: width and height in inches.
        colors: of `imshow`: `cmap`, `vmin`, `vmax`; without them blue, white for zero and red.
    """
    if not colors:
        limit = float(np.nanmax(np.abs(shades))) or 1.0
        colors = {"cmap": SIGNED, "vmin": -limit, "vmax": limit}
    high, wide = (max(3, size) for size in shades.shape)
    figure, axes = empty(width=min(3.4 + cell[0] * wide, LARGEST), height=min(1.9 + cell[1] * high, LARGEST))
    image = axes.imshow(shades, aspect="auto", **colors)
    figure.colorbar(image, label=unit)
    many = max(map(len, columns), default=0) > 6 and len(columns) > 8
    axes.set_xticks(range(len(columns)), columns, **({"rotation": 90, "fontsize": 8} if many else {}))
    axes.set_yticks(range(len(rows)), rows, **({"fontsize": 8} if many else {}))
    for (i, j), text in np.ndenumerate(texts) if texts is not None else ():
        red, green, blue, _ = image.cmap(image.norm(shades[i, j]))
        is_dark = 0.3 * red + 0.6 * green + 0.1 * blue < 0.5  # as the eye weighs them
        size = min(max(8.0, 9 * min(cell)), 12.0)
        axes.text(j, i, text, ha="center", va="center", fontsize=size, color="white" if is_dark else "black")
    axes.grid(visible=False)
    return figure, axes


def groups(
    rows: Rows, title: str, group: str | None, axes: Sequence[str], labels: Sequence[str] | None = None
) -> Figure:
    """Sampled rows in a plane, by group: with colour and marker where there are few, by size where it is a number.

    Args:
        axes: columns of the coordinates.
        labels: what is written at the axes instead of these.
    """
    labels = labels or shorten_all(axes)
    figure, plane = empty(width=6.6, height=5.4)
    plane.set(title=title, xlabel=labels[0], ylabel=labels[1])
    found: list[Any] = sorted({row[group] for row in rows}) if group else [None]
    if group and len(found) > MOST_GROUPS and all(isinstance(each, int | float) for each in found):
        points = [[row[name] for row in rows] for name in axes]
        image = plane.scatter(*points, s=22, alpha=0.7, c=[row[group] for row in rows], linewidths=0)
        figure.colorbar(image, label=str(group).strip("()"))
        return figure
    for place, each in enumerate(found):
        mine = [row for row in rows if group is None or row[group] == each]
        # As with lines, no two of 20 are alike in both.
        color, marker = GROUPS[place % len(GROUPS)], MARKERS[(place + place // len(GROUPS)) % len(MARKERS)]
        points = [[row[name] for row in mine] for name in axes]
        plane.scatter(*points, s=24, alpha=0.6, color=color, marker=marker, linewidths=0, label=_plain(each))
    if group and len(found) <= MOST_GROUPS:
        plane.legend(title=group.strip("()"), frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _plain(value: Any) -> str:
    """A class as people write it: 3, not 3.0."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def shorten(name: str) -> str:
    """A long name with its middle left out."""
    return shorten_all([name])[0]


def shorten_all(names: Sequence[str]) -> list[str]:
    """Names that stand beside one another: what is left of those that differ differs."""
    return shortened(names, LONGEST_NAME)


def empty(columns: int = 1, rows: int = 1, width: float = 6.4, height: float = 4.2) -> tuple[Figure, Any]:
    """A figure without content, and its axes. Not pyplot, which keeps every figure it makes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes: Axes = figure.subplots(rows, columns)
    return figure, axes
