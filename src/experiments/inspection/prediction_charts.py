"""Figures of predictions against the truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from experiments.evaluation.curves import area_under
from experiments.figures import charts

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from experiments.figures.output import Rows


def confusion_matrix(rows: Rows, title: str, classes: Sequence[str]) -> Figure:
    """Shares of each true class, with row counts where the cells are large enough to read them."""
    place = {value: index for index, value in enumerate(classes)}
    counts = np.zeros((len(classes), len(classes)))
    for row in rows:
        counts[place[row["true"]], place[row["predicted"]]] = row["rows"]
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    few = len(classes) <= charts.MOST_CELLS
    names = [charts.shorten(name) for name in classes] if few else []
    texts = np.array([[f"{int(count):,}" for count in row] for row in counts]) if few else None
    size = 3.6 / min(max(3, len(classes)), 8)
    figure, axes = charts.heat_map(
        shares, texts, names, names, "share of the true class", (size, size), cmap=charts.SHARES, vmin=0, vmax=1
    )
    axes.set(title=title, xlabel="predicted", ylabel="true")
    return figure


def roc(rows: Rows, title: str) -> Figure:
    """True against false positives, a line for each class, with the line of a guess."""
    figure, axes = charts.empty(width=6.6, height=5.2)
    for name, line in _by_class(rows):
        x, y = [row["false_positive_rate"] for row in line], [row["true_positive_rate"] for row in line]
        area = f"area {area_under(x, y):.3f}"
        axes.plot(x, y, color=None if name else charts.COLOR, label=f"{name}, {area}" if name else area)
    axes.plot([0, 1], [0, 1], color=charts.REFERENCE, linestyle="--", linewidth=1, label="guessing")
    axes.set(title=title, xlabel="false positive rate", ylabel="true positive rate", xlim=(-0.01, 1.01), ylim=(0, 1.02))
    axes.legend(frameon=False, loc="lower right", fontsize=9)
    return figure


def precision_recall(rows: Rows, title: str, share: float | None) -> Figure:
    """Precision against recall, a line for each class; of two with the share of positives, which a guess has."""
    figure, axes = charts.empty(width=6.6, height=5.2)
    for name, line in _by_class(rows):
        x, y = [row["recall"] for row in line], [row["precision"] for row in line]
        axes.plot(x, y, color=None if name else charts.COLOR, label=name or None)
    if share is not None:
        axes.axhline(share, color=charts.REFERENCE, linestyle="--", linewidth=1, label=f"guessing ({share:.3g})")
    axes.set(title=title, xlabel="recall", ylabel="precision", xlim=(-0.01, 1.01), ylim=(0, 1.02))
    axes.legend(frameon=False, loc="lower left", fontsize=9)
    return figure


def _by_class(rows: Rows) -> list[tuple[str, Rows]]:
    """The lines of a figure: one for each class, or one without a name."""
    names = dict.fromkeys(row.get("class", "") for row in rows)
    return [(charts.shorten(name), [row for row in rows if row.get("class", "") == name]) for name in names]


def calibration(rows: Rows, title: str) -> Figure:
    """How often what is predicted with a probability is true; the points' sizes are the rows behind them."""
    figure, axes = charts.empty(width=6.0, height=5.2)
    most = max(row["rows"] for row in rows)
    x, y = [row["predicted"] for row in rows], [row["observed"] for row in rows]
    axes.plot(x, y, color=charts.COLOR, linewidth=1)
    axes.scatter(x, y, s=[12 + 120 * row["rows"] / most for row in rows], color=charts.COLOR, alpha=0.8, clip_on=False)
    axes.plot([0, 1], [0, 1], color=charts.REFERENCE, linestyle="--", linewidth=1, label="perfectly calibrated")
    axes.set(
        title=title, xlabel="predicted probability", ylabel="share that is true", xlim=(-0.01, 1.01), ylim=(0, 1.02)
    )
    axes.legend(frameon=False, loc="upper left")
    return figure


def residuals(rows: Rows, title: str, label: str) -> Figure:
    """Predicted against true, and how the residuals are distributed."""
    figure, (left, right) = charts.empty(columns=2, width=9.0)
    rows = [row for row in rows if np.isfinite(row["residual"])]
    true = [row["true"] for row in rows]
    left.scatter(true, [row["predicted"] for row in rows], s=10, alpha=0.6, color=charts.COLOR, linewidths=0)
    ends = [min(true, default=0), max(true, default=1)]
    left.plot(ends, ends, color=charts.REFERENCE, linestyle="--", linewidth=1, label="predicted = true")
    left.set(xlabel=f"true {label}", ylabel=f"predicted {label}")
    left.legend(frameon=False)
    counts, edges = np.histogram([row["residual"] for row in rows], bins=min(40, 5 + len(rows) // 8))
    right.stairs(counts, edges, fill=True, color=charts.COLOR)  # one shape, where `hist` makes one for each bin
    right.axvline(0, color=charts.REFERENCE, linestyle="--", linewidth=1)
    right.set(xlabel=f"residual of {label} (true - predicted)", ylabel="rows")
    figure.suptitle(title)
    return figure
