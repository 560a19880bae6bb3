"""Figures of predictions against the truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.evaluation.curves import area_under
from experiments.figures import charts

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from experiments.figures.output import Rows


MOST_NAMES = 60
# Cells that hold two lines.
MOST_SHARES = 10
# Lines that all have more below them meet in one corner, which is shown once more, so much of it enlarged.
CROWDED, CORNER = 0.95, 0.2


def confusion_matrix(rows: Rows, title: str, classes: Sequence[str], label: str) -> Figure:
    """Shares of each true class, with row counts where the cells are large enough to read them.

    Args:
        label: the column that is predicted.
    """
    place = {value: index for index, value in enumerate(classes)}
    counts = np.zeros((len(classes), len(classes)))
    for row in rows:
        counts[place[row["true"]], place[row["predicted"]]] = row["rows"]
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = charts.shorten_all(classes) if len(classes) <= MOST_NAMES else []
    texts = np.array([[f"{int(count):,}" for count in row] for row in counts], dtype=object)
    if len(classes) <= MOST_SHARES:
        texts += np.array([[f"\n{share:.0%}" for share in row] for row in shares], dtype=object)
    size = 4.2 / min(max(3, len(classes)), 8 if len(classes) <= charts.MOST_CELLS else 20)
    figure, axes = charts.heat_map(
        shares,
        texts if len(classes) <= charts.MOST_CELLS else None,
        names,
        names,
        "share of the true class",
        (size, size),
        cmap=charts.SHARES,
        vmin=0,
        vmax=1,
    )
    axes.set(title=title, xlabel=f"predicted {charts.shorten(label)}", ylabel=f"true {charts.shorten(label)}")
    return figure


def roc(rows: Rows, title: str, label: str) -> Figure:
    """True against false positives, a line for each class of the label, with the line of a guess."""
    lines = []
    for name, line in _by_class(rows):
        x, y = [row["false_positive_rate"] for row in line], [row["true_positive_rate"] for row in line]
        lines.append((name, x, y, area_under(x, y)))
    figure, panels = _with_corner([area for *_, area in lines], (0, CORNER))
    for axes in panels:
        for place, (name, x, y, area) in enumerate(lines):
            said = f"area {_below_one(area)}"
            axes.plot(x, y, label=f"{name}, {said}" if name else said, **charts.line_style(place))
        axes.plot([0, 1], [0, 1], color=charts.REFERENCE, linestyle="--", linewidth=1, label="guessing")
        axes.set(xlabel="false positive rate", ylabel="true positive rate")
    panels[0].set_title(title)
    charts.legend(panels[-1], len(lines), "lower right", charts.shorten(label) if len(lines) > 1 else None)
    return figure


def precision_recall(rows: Rows, title: str, label: str, shares: Sequence[float]) -> Figure:
    """Precision against recall in steps, from recall 0 on, with the average precision of each class of the label.

    Args:
        shares: of the rows that are of each class, which is the precision of a guess.
    """
    lines = []
    for name, line in _by_class(rows):
        x, y = [0.0, *(row["recall"] for row in line)], [row["precision"] for row in line]
        lines.append((name, x, y, float(np.sum(np.diff(x) * y))))
    figure, panels = _with_corner([area for *_, area in lines], (1 - CORNER, 1))
    guess: dict[str, Any] = {"color": charts.REFERENCE, "linestyle": "--", "linewidth": 1}
    for axes in panels:
        for place, (name, x, y, area) in enumerate(lines):
            said = f"average precision {_below_one(area)}"
            if len(lines) > 1:
                said += f" (guessing {shares[place]:.2g})"
            style = charts.line_style(place)
            axes.step(x, [y[0], *y], where="pre", label=f"{name}, {said}" if name else said, **style)
        if len(lines) == 1:
            axes.axhline(shares[0], label=f"guessing ({shares[0]:.3g})", **guess)
        axes.set(xlabel="recall", ylabel="precision")
    panels[0].set_title(title)
    charts.legend(panels[-1], len(lines), "lower left", charts.shorten(label) if len(lines) > 1 else None)
    return figure


def _with_corner(areas: Sequence[float], corner: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    """Axes from 0 to 1, and where lines crowd in one of the upper corners that corner beside it.

    Args:
        areas: below the lines.
        corner: from where to where it lies on the x axis.
    """
    is_crowded = len(areas) > 1 and CROWDED < min(areas) < 1 - 1e-9  # all perfect, there is nothing to see there
    figure, axes = charts.empty(columns=2 if is_crowded else 1, width=13.0 if is_crowded else 6.6, height=5.2)
    panels = list(axes) if is_crowded else [axes]
    panels[0].set(xlim=(-0.01, 1.01), ylim=(0, 1.02))
    if is_crowded:
        margin = CORNER / 50
        panels[1].set(xlim=(corner[0] - margin, corner[1] + margin), ylim=(1 - CORNER, 1 + margin))
        panels[1].set_title("the same, its upper corner enlarged", fontsize=10)
    return figure, panels


def _below_one(area: float) -> str:
    """With three digits, and 1.000 only for what is 1: a curve that misses the corner is not perfect."""
    return ">0.999" if 0.9995 <= area < 1 - 1e-9 else f"{area:.3f}"


def _by_class(rows: Rows) -> list[tuple[str, Rows]]:
    """The lines of a figure: one for each class, or one without a name."""
    names = [*dict.fromkeys(row.get("class", "") for row in rows)]
    by_name = ([row for row in rows if row.get("class", "") == name] for name in names)
    return list(zip(charts.shorten_all(names), by_name, strict=True))


def calibration(rows: Rows, title: str) -> Figure:
    """How often what is predicted with a probability is true, with 95 % intervals; the points' sizes are the rows
    behind them."""
    figure, axes = charts.empty(width=6.0, height=5.2)
    most = max(row["rows"] for row in rows)
    x, y = [row["predicted"] for row in rows], [row["observed"] for row in rows]
    below = [max(row["observed"] - row.get("low", row["observed"]), 0) for row in rows]
    above = [max(row.get("high", row["observed"]) - row["observed"], 0) for row in rows]
    axes.errorbar(x, y, yerr=[below, above], color=charts.COLOR, linewidth=1, capsize=3, label="95 % intervals")
    sizes = [12 + 120 * row["rows"] / most for row in rows]
    axes.scatter(x, y, s=sizes, color=charts.COLOR, alpha=0.8, clip_on=False, label="larger points: more rows")
    line = {"color": charts.REFERENCE, "linestyle": "--", "linewidth": 1, "zorder": 3}
    axes.plot([0, 1], [0, 1], label="perfectly calibrated", **line)
    axes.set(
        title=title, xlabel="predicted probability", ylabel="share that is true", xlim=(-0.01, 1.01), ylim=(0, 1.02)
    )
    axes.legend(frameon=False, loc="upper left")
    return figure


def residuals(rows: Rows, title: str, label: str) -> Figure:
    """Predicted against true, residuals against predictions, and how the residuals are distributed."""
    figure, (left, middle, right) = charts.empty(columns=3, width=13.0)
    rows = [row for row in rows if np.isfinite(row["residual"])]
    true = [row["true"] for row in rows]
    left.scatter(true, [row["predicted"] for row in rows], s=10, alpha=0.6, color=charts.COLOR, linewidths=0)
    ends = [min(true, default=0), max(true, default=1)]
    left.plot(ends, ends, color=charts.REFERENCE, linestyle="--", linewidth=1, label="predicted = true")
    left.set(xlabel=f"true {label}", ylabel=f"predicted {label}")
    left.legend(frameon=False)
    points = [row["predicted"] for row in rows], [row["residual"] for row in rows]
    middle.scatter(*points, s=10, alpha=0.6, color=charts.COLOR, linewidths=0)
    middle.axhline(0, color=charts.REFERENCE, linestyle="--", linewidth=1)
    middle.set(xlabel=f"predicted {label}", ylabel="residual (true - predicted)")
    counts, edges = np.histogram([row["residual"] for row in rows], bins=min(40, 5 + len(rows) // 8))
    right.stairs(counts, edges, fill=True, color=charts.COLOR)  # one shape, where `hist` makes one for each bin
    right.axvline(0, color=charts.REFERENCE, linestyle="--", linewidth=1)
    charts.whole_numbers(right.yaxis)
    right.set(xlabel=f"residual of {label} (true - predicted)", ylabel="rows")
    figure.suptitle(title)
    return figure
