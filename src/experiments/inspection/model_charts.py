"""Figures of what a model holds, and of how its parameters were found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.figures import charts

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from experiments.figures.output import Rows

MOST_CLUSTERS = 15
MOST_LEAVES = 40
MOST_COMPONENTS = 10
_MEASURES = {"epoch_loss": "Loss", "epoch_accuracy": "Accuracy", "epoch_mae": "Mean absolute error"}


def centres(rows: Rows, by: Sequence[str] = (), among: Mapping[str, tuple[float, float]] | None = None) -> Figure:
    """The centres' values, coloured by how far they are from the mean, so that any units compare.

    Args:
        by: features, those first in which the clusters differ most.
        among: mean and deviation of each feature among rows; without them those among the centres.
    """
    every = by or [name for name in rows[0] if not name.startswith("(")]
    features = every[: charts.MOST_CELLS]
    values = np.array([[row[name] for name in features] for row in rows])
    mean, deviation = values.mean(axis=0), values.std(axis=0)
    if among:
        mean, deviation = np.array([among[name] for name in features]).T
    standard = (values - mean) / np.where(deviation > 0, deviation, 1.0)
    few = len(rows) <= MOST_CLUSTERS
    figure, axes = charts.heat_map(
        standard.T,
        np.array([[f"{value:.3g}" for value in row] for row in values.T]) if few else None,
        [f"{row['(cluster)']}\n{row['(rows)']:,} rows" for row in rows] if few else [],
        charts.shorten_all(features),
        "deviations of sampled rows from their mean" if among else "deviations of the centres from their mean",
        cell=(0.9, 0.32),
    )
    some = f": the {len(features)} of {len(every)} features that differ most" if len(features) < len(every) else ""
    axes.set(title=f"Cluster centres{some}", xlabel="cluster")
    return figure


def hierarchy(rows: Rows) -> Figure:
    """A tree that is split from the top: each node as high as its two halves are apart."""
    children: dict[Any, list[dict[str, Any]]] = {}
    for row in rows:
        children.setdefault(row["parent"], []).append(row)
    leaves = [row for row in rows if row["cluster"] is not None]
    figure, axes = charts.empty(width=max(6.4, 2 + 0.8 * min(len(leaves), MOST_LEAVES)))
    places = {row["node"]: float(index) for index, row in enumerate(leaves)}

    def place(row: dict[str, Any]) -> float:
        below = children.get(row["node"], [])
        if below:
            ends = [place(child) for child in below]
            places[row["node"]] = sum(ends) / len(ends)
            for child, end in zip(below, ends, strict=True):
                top = row["height"]
                foot = child["height"] if children.get(child["node"]) else 0.0
                axes.plot([places[row["node"]], end, end], [top, top, foot], color=charts.COLOR)
            axes.annotate(f"{row['rows']:,} rows", (places[row["node"]], row["height"]), (0, 4),
                          textcoords="offset points", ha="center", fontsize=8, bbox=charts.ON_WHITE)  # fmt: skip
        return places[row["node"]]

    for root in children.get(None, []):
        place(root)
    if len(leaves) <= MOST_LEAVES:
        axes.set_xticks(range(len(leaves)), [f"{row['cluster']}\n{row['rows']:,} rows" for row in leaves])
    axes.set(title="Hierarchy of clusters", xlabel="cluster", ylabel="distance of the halves")
    axes.margins(y=0.12)
    axes.set_ylim(bottom=0)
    axes.grid(axis="x", visible=False)
    return figure


def components(rows: Rows, title: str) -> Figure:
    """The weights of the features that are heaviest in any of the first components."""
    names = [name for name in rows[0] if name != "feature"]
    shown = names[:MOST_COMPONENTS]
    heaviest = sorted(rows, key=lambda row: -max(abs(row[name]) for name in shown))[: charts.MOST_CELLS]
    kept = [row for row in rows if row in heaviest]
    values = np.array([[row[name] for name in shown] for row in kept])
    left_out = [f"{len(kept)} of {len(rows)} features"] if len(kept) < len(rows) else []
    left_out += [f"{len(shown)} of {len(names)} components"] if len(shown) < len(names) else []
    figure, axes = charts.heat_map(
        values,
        np.array([[f"{value:.2f}" for value in row] for row in values]),
        [name.removeprefix("component_") for name in shown],
        charts.shorten_all([row["feature"] for row in kept]),
        "weight",
    )
    axes.set(title=f"{title}: {', '.join(left_out)}" if left_out else title, xlabel="component")
    return figure


def scree(rows: Rows) -> Figure:
    """What each component explains, and all up to it; of a singular value decomposition the values beside it."""
    has_values = "singular_value" in rows[0]
    figure, panels = charts.empty(columns=1 + has_values, width=6.4 + 4 * has_values)
    numbers = [row["component"] for row in rows]
    what = "sum of squares" if has_values else "variance"
    axes = np.atleast_1d(panels)[-1]
    if has_values:
        drawn = panels[0].bar(numbers, [row["singular_value"] for row in rows], color=charts.COLOR)
        panels[0].set(title="Singular values", xlabel="component", ylabel="singular value")
        charts.write_values(panels[0], drawn)
        charts.whole_numbers(panels[0].xaxis)
    axes.bar(numbers, [row["explained_variance"] for row in rows], color=charts.COLOR, label="each")
    axes.plot(numbers, [row["cumulative"] for row in rows], color="black", marker="o", markersize=4, label="cumulative")
    axes.set(title=f"Explained {what} ({rows[-1]['cumulative']:.1%} in all)", xlabel="component")
    axes.set(ylabel=f"share of the {what}", ylim=(0, 1.02))
    if len(numbers) <= charts.MOST_CELLS:
        axes.set_xticks(numbers)
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def epochs(rows: Rows) -> Figure:
    """Loss, and what people know better, of the rows that were trained on and of those that judge each epoch."""
    measures = [name for name in rows[0] if name in _MEASURES]
    figure, panels = charts.empty(len(measures), 1, width=5.2 * len(measures))
    for axes, name in zip(np.atleast_1d(panels), measures, strict=True):
        for column, label in ((name, "training"), (name.replace("epoch_", "epoch_val_"), "validation")):
            if column in rows[0]:
                marker = "." if len(rows) < 200 else ""
                style = charts.line_style(label == "validation")
                values = [row[column] for row in rows]
                axes.plot([row["epoch"] for row in rows], values, marker=marker, label=label, **style)
        charts.whole_numbers(axes.xaxis)
        axes.set(title=_MEASURES[name], xlabel="epoch", xlim=(rows[0]["epoch"] - 0.5, rows[-1]["epoch"] + 0.5))
        axes.legend(frameon=False)
    return figure


def tuning(rows: Rows, keys: Sequence[str], metric: str) -> Figure:
    """Of two parameters a map, of one a line with deviations, of more the best candidates as bars."""
    varied = [key for key in keys if len({str(row[key]) for row in rows}) > 1]
    if len(varied) == 2 and all(len({str(row[key]) for row in rows}) <= charts.MOST_CELLS for key in varied):
        return _tuning_map(rows, varied, metric)
    if len(varied) == 1:
        figure, axes = charts.empty()
        places, (key,) = range(len(rows)), varied
        axes.errorbar(places, [row["mean"] for row in rows], yerr=[row["deviation"] for row in rows],
                      color=charts.COLOR, marker="o", capsize=3)  # fmt: skip
        axes.set_xticks(places, charts.shorten_all([str(row[key]) for row in rows]))
        axes.set(title="Candidates, with the deviation over folds", xlabel=key, ylabel=metric)
        return figure
    named = [{**row, "candidate": ", ".join(f"{key}={row[key]}" for key in varied), "error": row["deviation"]}
             for row in rows]  # fmt: skip
    return charts.bars(named, name="candidate", value="mean", title="Candidates", unit=metric)


def _tuning_map(rows: Rows, varied: Sequence[str], metric: str) -> Figure:
    across, down = (list(dict.fromkeys(str(row[key]) for row in rows)) for key in varied)
    values = np.full((len(down), len(across)), np.nan)
    texts = np.full(values.shape, "", dtype=object)
    for row in rows:
        place = down.index(str(row[varied[1]])), across.index(str(row[varied[0]]))
        values[place], texts[place] = row["mean"], f"{row['mean']:.4g}{' *' if row['best'] else ''}"
    columns, lines = (charts.shorten_all(side) for side in (across, down))
    figure, axes = charts.heat_map(values, texts, columns, lines, metric, cell=(1.0, 0.6), cmap=charts.SCALE)
    axes.set(title="Candidates (* the best)", xlabel=varied[0], ylabel=varied[1])
    return figure
