"""Figures from tables. One thread draws at a time: matplotlib is not made for several."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from experiments.inspection.output import Output, Rows

MOST_BARS = 25
MOST_CELLS = 25
MOST_CLUSTERS = 15
LONGEST_NAME = 32
COLOR = "#2c6fbb"
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
        output.draw(output.rows).savefig(path, dpi=100)


def bars(rows: Rows, name: str, value: str, title: str, unit: str) -> Figure:
    """Horizontal bars, the largest on top; of many rows the `MOST_BARS` largest."""
    shown = sorted(rows, key=lambda row: -abs(row[value]))[:MOST_BARS]
    figure, axes = _axes(height=1.4 + 0.28 * len(shown))
    places = range(len(shown))  # names need not differ once they are shortened
    axes.barh(places, [row[value] for row in shown], color=COLOR)
    axes.set_yticks(places, [shorten(str(row[name])) for row in shown])
    axes.invert_yaxis()
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set(title=title if len(shown) == len(rows) else f"{title}: {len(shown)} of {len(rows)}", xlabel=unit)
    axes.grid(axis="y", visible=False)
    return figure


def lines(rows: Rows, x: str, y: Sequence[str], title: str) -> Figure:
    """A line for each column of `y`."""
    figure, axes = _axes()
    for column in y:
        axes.plot([row[x] for row in rows], [row[column] for row in rows], marker=".", label=column)
    axes.set(title=title, xlabel=x, ylabel=y[0] if len(y) == 1 else "")
    if len(y) > 1:
        axes.legend(frameon=False)
    return figure


def confusion_matrix(rows: Rows, title: str) -> Figure:
    """Shares of each true class, with row counts where the cells are large enough to read them."""
    classes = sorted({row[side] for row in rows for side in ("true", "predicted")})
    place = {value: index for index, value in enumerate(classes)}
    counts = np.zeros((len(classes), len(classes)))
    for row in rows:
        counts[place[row["true"]], place[row["predicted"]]] = row["rows"]
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, axes = _axes(width=6.4, height=5.6)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, label="share of the true class")
    if len(classes) <= MOST_CELLS:
        names = [shorten(str(value)) for value in classes]
        axes.set_xticks(range(len(classes)), names)
        axes.set_yticks(range(len(classes)), names)
        for (i, j), count in np.ndenumerate(counts):
            color = "white" if shares[i, j] > 0.6 else "black"
            axes.text(j, i, f"{int(count):,}", ha="center", va="center", color=color, fontsize=9)
    axes.set(title=title, xlabel="predicted", ylabel="true")
    axes.grid(visible=False)
    return figure


def roc(rows: Rows, title: str) -> Figure:
    """True against false positives, with the line of a guess."""
    figure, axes = _axes(width=5.6, height=5.2)
    axes.plot([row["false_positive_rate"] for row in rows], [row["true_positive_rate"] for row in rows], color=COLOR)
    axes.plot([0, 1], [0, 1], color="grey", linestyle="--", linewidth=1, label="guessing")
    axes.set(title=title, xlabel="false positive rate", ylabel="true positive rate", xlim=(0, 1), ylim=(0, 1.02))
    axes.legend(frameon=False, loc="lower right")
    return figure


def precision_recall(rows: Rows, title: str, share: float) -> Figure:
    """Precision against recall, with the share of positives, which a guess has."""
    figure, axes = _axes(width=5.6, height=5.2)
    axes.plot([row["recall"] for row in rows], [row["precision"] for row in rows], color=COLOR)
    axes.axhline(share, color="grey", linestyle="--", linewidth=1, label=f"guessing ({share:.3g})")
    axes.set(title=title, xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
    axes.legend(frameon=False, loc="lower left")
    return figure


def residuals(rows: Rows, title: str, label: str) -> Figure:
    """Predicted against true, and how the residuals are distributed."""
    figure, (left, right) = _axes(columns=2, width=9.0)
    rows = [row for row in rows if np.isfinite(row["residual"])]
    true = [row["true"] for row in rows]
    left.scatter(true, [row["predicted"] for row in rows], s=10, alpha=0.6, color=COLOR, linewidths=0)
    ends = [min(true, default=0), max(true, default=1)]
    left.plot(ends, ends, color="grey", linestyle="--", linewidth=1, label="predicted = true")
    left.set(xlabel=f"true {label}", ylabel=f"predicted {label}")
    left.legend(frameon=False)
    right.hist([row["residual"] for row in rows], bins=min(40, 5 + len(rows) // 8), color=COLOR, edgecolor="white")
    right.axvline(0, color="grey", linestyle="--", linewidth=1)
    right.set(xlabel=f"residual of {label} (true - predicted)", ylabel="rows")
    figure.suptitle(title)
    return figure


def centres(rows: Rows) -> Figure:
    """The centres' values, coloured by feature standardised over the clusters, so that any units compare."""
    features = [name for name in rows[0] if name not in ("(cluster)", "(rows)")][:MOST_CELLS]
    values = np.array([[row[name] for name in features] for row in rows])
    deviation = values.std(axis=0)
    standard = (values - values.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
    figure, axes = _axes(width=3.2 + 0.9 * min(len(rows), MOST_CLUSTERS), height=1.9 + 0.32 * len(features))
    limit = max(1.0, float(np.abs(standard).max()))
    image = axes.imshow(standard.T, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
    figure.colorbar(image, label="standardised")
    if len(rows) <= MOST_CLUSTERS:
        axes.set_xticks(range(len(rows)), [f"{row['(cluster)']}\n{row['(rows)']:,} rows" for row in rows])
    axes.set_yticks(range(len(features)), [shorten(name) for name in features])
    if len(rows) <= MOST_CLUSTERS:
        for (i, j), value in np.ndenumerate(values):
            color = "white" if abs(standard[i, j]) > 0.7 * limit else "black"
            axes.text(i, j, f"{value:.3g}", ha="center", va="center", fontsize=8, color=color)
    axes.set(title="Cluster centres", xlabel="cluster")
    axes.grid(visible=False)
    return figure


def clusters(rows: Rows, title: str, axes: Sequence[str]) -> Figure:
    """Sampled rows in a plane, coloured by cluster."""
    import matplotlib as mpl

    figure, plane = _axes(width=6.6, height=5.4)
    found = sorted({row["(cluster)"] for row in rows})
    colors = mpl.colormaps["tab10" if len(found) <= 10 else "viridis"]
    for place, cluster in enumerate(found):
        mine = [row for row in rows if row["(cluster)"] == cluster]
        color = colors(place) if len(found) <= 10 else colors(place / (len(found) - 1))
        points = [[row[name] for row in mine] for name in axes]
        plane.scatter(*points, s=10, alpha=0.6, color=color, linewidths=0, label=str(cluster))
    plane.set(title=title, xlabel=shorten(axes[0]), ylabel=shorten(axes[1]))
    if len(found) <= 20:
        plane.legend(title="cluster", frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def shorten(name: str) -> str:
    """A long name with its middle left out."""
    half = LONGEST_NAME // 2 - 1
    return name if len(name) <= LONGEST_NAME else f"{name[:half]}…{name[-half:]}"


def _axes(columns: int = 1, width: float = 6.4, height: float = 4.2) -> tuple[Figure, Any]:
    """An empty figure. Not pyplot, which keeps every figure it makes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes: Axes = figure.subplots(1, columns)
    return figure, axes
