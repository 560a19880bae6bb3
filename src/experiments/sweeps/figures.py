"""Figures of a sweep: what its parameters do to the metric."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.figures import charts
from experiments.figures.output import Rows
from experiments.sweeps.importance import is_log, numbers_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_TICKS = 12
# Longer ones are turned.
SHORT_TICK = 3
# As many numbers as that are shown by their size, fewer at equal distances.
MANY_NUMBERS = 7


@dataclass(frozen=True)
class _Scale:
    """Where rows stand on the axis of a parameter.

    Attributes:
        places: of each row that has the parameter, by number; of the others NaN.
        ticks: what is written where.
        is_by_size: whether places are the values themselves, else they are at equal distances.
        is_log: whether distances are of magnitudes.
    """

    places: list[float]
    ticks: dict[float, str]
    is_by_size: bool = False
    is_log: bool = False


def _scale(rows: Rows, key: str) -> _Scale:
    """Many numbers by their size, a few by their rank, else names in order."""
    texts = [str(row[key]) for row in rows]
    there = [row for row in rows if row[key] != ""]
    numbers = numbers_of(there, key)
    if numbers and len(set(numbers)) >= MANY_NUMBERS:
        ends = (min(numbers), statistics.median_low(numbers), max(numbers))
        by_row = iter(numbers)
        places = [next(by_row) if text else math.nan for text in texts]
        return _Scale(places, {end: f"{end:.3g}" for end in ends}, True, is_log(numbers))
    known = sorted({text for text in texts if text}, key=float if numbers else None)
    place = {text: float(index) for index, text in enumerate(known)} | {"": math.nan}
    step = max(1, len(known) // MOST_TICKS)
    named = dict(zip(known[::step], charts.shorten_all(known[::step]), strict=True))
    return _Scale([place[text] for text in texts], {place[text]: name for text, name in named.items()})


def parameters(rows: Rows, keys: Sequence[str]) -> Figure:
    """The metric against each parameter, a point for each trial."""
    from matplotlib.figure import Figure

    width = min(3.6 * len(keys) + 1, charts.LARGEST)
    figure = Figure(figsize=(width, 4), layout="constrained")
    panels = figure.subplots(1, len(keys), sharey=True, squeeze=False)[0]
    values = [row["value"] for row in rows]
    for key, axes in zip(keys, panels, strict=True):
        scale = _scale(rows, key)
        axes.scatter(scale.places, values, s=26, alpha=0.7, color=charts.COLOR, linewidths=0)
        if scale.is_log:
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter("{x:g}")  # 10⁻³ would need the signs of formulas
            axes.xaxis.set_minor_formatter("")
        elif not scale.is_by_size:
            is_long = max(map(len, scale.ticks.values())) > SHORT_TICK
            turned = {"rotation": 45, "ha": "right"} if is_long else {}
            axes.set_xticks(list(scale.ticks), list(scale.ticks.values()), **turned)
        axes.set(xlabel=charts.shorten(key.removeprefix("model.estimator.")))
    panels[0].set(ylabel=rows[0]["metric"])
    if is_log(values):
        panels[0].set_yscale("log")
    figure.suptitle(f"{rows[0]['metric']} by parameter, {len(rows)} trials", fontsize=12)
    return figure


def parallel_coordinates(rows: Rows, keys: Sequence[str]) -> Figure:
    """A line for each trial through the parameters that it has to its metric, coloured by that."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    figure = Figure(figsize=(min(2.2 * len(keys) + 3.5, charts.LARGEST), 4.2), layout="constrained")
    axes = figure.subplots()
    values = np.array([row["value"] for row in rows])
    norm = mpl.colors.Normalize(values.min(), values.max() if values.max() > values.min() else values.min() + 1)
    columns = []
    for at, key in enumerate(keys):
        scale = _scale(rows, key)
        height = _heights(scale)
        columns.append([height(place) for place in scale.places])
        for place, text in scale.ticks.items():
            axes.annotate(text, (at, height(place)), xytext=(4, 2), textcoords="offset points", fontsize=8,
                          bbox=charts.ON_WHITE)  # fmt: skip
    columns.append(list(norm(values)))
    for row in range(len(rows)):
        heights = [column[row] for column in columns]
        color = mpl.colormaps[charts.SCALE](norm(values[row]))
        axes.plot(range(len(columns)), heights, color=color, alpha=0.8, linewidth=1.4, marker="o", markersize=3)
        # A parameter that the trial does not have is passed by, without a point.
        there = [at for at, height in enumerate(heights) if not math.isnan(height)]
        for one, next_one in itertools.pairwise(there):
            if next_one > one + 1:
                ends = [heights[one], heights[next_one]]
                axes.plot([one, next_one], ends, color=color, alpha=0.5, linewidth=1, linestyle=":")
    names = charts.shorten_all([key.removeprefix("model.estimator.") for key in keys])
    axes.set_xticks(range(len(columns)), [*names, rows[0]["metric"]])
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    for at in range(len(columns)):
        axes.axvline(at, color=charts.REFERENCE, linewidth=0.8, zorder=0)
    figure.colorbar(mpl.cm.ScalarMappable(norm, charts.SCALE), ax=axes, label=rows[0]["metric"])
    has_gaps = any(math.isnan(height) for column in columns for height in column)
    axes.set(title=f"{len(rows)} trials{', dotted past parameters that they do not have' if has_gaps else ''}")
    return figure


def history(rows: Rows, larger_is_better: bool) -> Figure:
    """The metric of each trial in the order in which they were chosen, and the best so far."""
    figure, axes = charts.empty()
    values = np.array([row["value"] for row in rows])
    best = (np.maximum if larger_is_better else np.minimum).accumulate(values)
    places = [row["trial"] for row in rows]
    axes.scatter(places, values, s=26, alpha=0.5, color=charts.MUTED, label="trial")
    axes.step(places, best, where="post", color=charts.COLOR, label="best so far")
    axes.set(xlabel="trial", ylabel=rows[0]["metric"], title=f"{rows[0]['metric']} as trials were chosen")
    charts.whole_numbers(axes.xaxis)
    axes.legend(frameon=False)
    return figure


def _heights(scale: _Scale) -> Callable[[float], float]:
    """From a place on the scale to one between 0 and 1."""
    measure = math.log if scale.is_log else float
    known = [measure(place) for place in scale.places if not math.isnan(place)]
    low, high = min(known), max(known)
    return lambda place: math.nan if math.isnan(place) else (measure(place) - low) / ((high - low) or 1)


def objectives(rows: Rows, names: Sequence[str], front: Sequence[Mapping[str, Any]]) -> Figure:
    """The first two objectives of each trial, and those trials than which no other is better in all."""
    figure, axes = charts.empty()
    first, second = names[:2]
    axes.scatter([row[first] for row in rows], [row[second] for row in rows], s=26, alpha=0.5, color=charts.MUTED)
    ordered = sorted(front, key=lambda row: float(row[first]))
    axes.plot(
        [row[first] for row in ordered], [row[second] for row in ordered],
        marker="o", color=charts.COLOR, label="no other is better in all",
    )  # fmt: skip
    axes.set(xlabel=first, ylabel=second, title=f"{first} and {second} of {len(rows)} trials")
    axes.legend(frameon=False)
    return figure
