"""Figures of a sweep: what its parameters do to the metric."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from experiments.inspection import plots
from experiments.inspection.output import Rows

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_TICKS = 12


def _places(rows: Rows, key: str) -> tuple[list[float], dict[float, str]]:
    """Where each row stands on the axis of a parameter, and what is written there: numbers by rank, else by name."""
    texts = [str(row[key]) for row in rows]
    try:
        known = sorted(set(texts), key=float)
    except ValueError:
        known = sorted(set(texts))
    place = {text: float(index) for index, text in enumerate(known)}
    step = max(1, len(known) // MOST_TICKS)
    return [place[text] for text in texts], {place[text]: plots.shorten(text) for text in known[::step]}


def parameters(rows: Rows, keys: Sequence[str]) -> Figure:
    """The metric against each parameter, a point for each trial."""
    from matplotlib.figure import Figure

    width = min(3.6 * len(keys) + 1, plots.LARGEST)
    figure = Figure(figsize=(width, 4), layout="constrained")
    panels = figure.subplots(1, len(keys), sharey=True, squeeze=False)[0]
    values = [row["value"] for row in rows]
    for key, axes in zip(keys, panels, strict=True):
        places, ticks = _places(rows, key)
        axes.scatter(places, values, s=26, alpha=0.7, color=plots.COLOR, linewidths=0)
        axes.set_xticks(list(ticks), list(ticks.values()), rotation=45, ha="right")
        axes.set(xlabel=plots.shorten(key.removeprefix("model.estimator.")))
    panels[0].set(ylabel=rows[0]["metric"])
    figure.suptitle(f"{rows[0]['metric']} by parameter, {len(rows)} trials", fontsize=12)
    return figure


def parallel_coordinates(rows: Rows, keys: Sequence[str]) -> Figure:
    """A line for each trial through its parameters to its metric, coloured by that."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    figure = Figure(figsize=(min(2.2 * len(keys) + 3.5, plots.LARGEST), 4.2), layout="constrained")
    axes = figure.subplots()
    values = np.array([row["value"] for row in rows])
    norm = mpl.colors.Normalize(values.min(), values.max() if values.max() > values.min() else values.min() + 1)
    columns = []
    for at, key in enumerate(keys):
        places, ticks = _places(rows, key)
        most = max([*places, 1.0])
        columns.append([place / most for place in places])
        for place, text in ticks.items():
            axes.annotate(text, (at, place / most), xytext=(4, 2), textcoords="offset points", fontsize=8)
    columns.append(list(norm(values)))
    for row in range(len(rows)):
        line = [column[row] for column in columns]
        axes.plot(
            range(len(columns)), line, color=mpl.colormaps["viridis"](norm(values[row])), alpha=0.8, linewidth=1.4
        )
    names = [plots.shorten(key.removeprefix("model.estimator.")) for key in keys]
    axes.set_xticks(range(len(columns)), [*names, rows[0]["metric"]])
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    for at in range(len(columns)):
        axes.axvline(at, color="#999999", linewidth=0.8, zorder=0)
    figure.colorbar(mpl.cm.ScalarMappable(norm, "viridis"), ax=axes, label=rows[0]["metric"])
    axes.set(title=f"{len(rows)} trials")
    return figure
