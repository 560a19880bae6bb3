"""Figures of what a model holds, and of how its parameters were found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.inspection import plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from experiments.inspection.output import Rows

MOST_CLUSTERS = 15
MOST_LEAVES = 40
MOST_COMPONENTS = 10


def centres(rows: Rows) -> Figure:
    """The centres' values, coloured by feature standardised over the clusters, so that any units compare."""
    features = [name for name in rows[0] if not name.startswith("(")][: plots.MOST_CELLS]
    values = np.array([[row[name] for name in features] for row in rows])
    deviation = values.std(axis=0)
    standard = (values - values.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
    figure, axes = plots.empty(width=3.2 + 0.9 * min(len(rows), MOST_CLUSTERS), height=1.9 + 0.32 * len(features))
    limit = max(1.0, float(np.abs(standard).max()))
    image = axes.imshow(standard.T, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
    figure.colorbar(image, label="standardised")
    if len(rows) <= MOST_CLUSTERS:
        axes.set_xticks(range(len(rows)), [f"{row['(cluster)']}\n{row['(rows)']:,} rows" for row in rows])
    axes.set_yticks(range(len(features)), [plots.shorten(name) for name in features])
    if len(rows) <= MOST_CLUSTERS:
        for (i, j), value in np.ndenumerate(values):
            color = "white" if abs(standard[i, j]) > 0.7 * limit else "black"
            axes.text(i, j, f"{value:.3g}", ha="center", va="center", fontsize=8, color=color)
    axes.set(title="Cluster centres", xlabel="cluster")
    axes.grid(visible=False)
    return figure


def hierarchy(rows: Rows) -> Figure:
    """A tree that is split from the top: each node as high as its two halves are apart."""
    children: dict[Any, list[dict[str, Any]]] = {}
    for row in rows:
        children.setdefault(row["parent"], []).append(row)
    leaves = [row for row in rows if row["cluster"] is not None]
    figure, axes = plots.empty(width=max(6.4, 2 + 0.8 * min(len(leaves), MOST_LEAVES)))
    places = {row["node"]: float(index) for index, row in enumerate(leaves)}

    def place(row: dict[str, Any]) -> float:
        below = children.get(row["node"], [])
        if below:
            ends = [place(child) for child in below]
            places[row["node"]] = sum(ends) / len(ends)
            for child, end in zip(below, ends, strict=True):
                top = row["height"]
                foot = child["height"] if children.get(child["node"]) else 0.0
                axes.plot([places[row["node"]], end, end], [top, top, foot], color=plots.COLOR)
            axes.annotate(f"{row['rows']:,} rows", (places[row["node"]], row["height"]), (0, 4),
                          textcoords="offset points", ha="center", fontsize=8)  # fmt: skip
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
    heaviest = sorted(rows, key=lambda row: -max(abs(row[name]) for name in shown))[: plots.MOST_CELLS]
    kept = [row for row in rows if row in heaviest]
    values = np.array([[row[name] for name in shown] for row in kept])
    left_out = [f"{len(kept)} of {len(rows)} features"] if len(kept) < len(rows) else []
    left_out += [f"{len(shown)} of {len(names)} components"] if len(shown) < len(names) else []
    figure, axes = plots.heat_map(
        values,
        [name.removeprefix("component_") for name in shown],
        [plots.shorten(row["feature"]) for row in kept],
        f"{title}: {', '.join(left_out)}" if left_out else title,
        "weight",
    )
    axes.set(xlabel="component")
    return figure


def scree(rows: Rows) -> Figure:
    """What each component explains, and all up to it."""
    figure, axes = plots.empty()
    numbers = [row["component"] for row in rows]
    what = "sum of squares" if "singular_value" in rows[0] else "variance"
    axes.bar(numbers, [row["explained_variance"] for row in rows], color=plots.COLOR, label="each")
    axes.plot(numbers, [row["cumulative"] for row in rows], color="black", marker="o", markersize=4, label="cumulative")
    axes.set(title=f"Explained {what} ({rows[-1]['cumulative']:.1%} in all)", xlabel="component")
    axes.set(ylabel=f"share of the {what}", ylim=(0, 1.02))
    if len(numbers) <= plots.MOST_CELLS:
        axes.set_xticks(numbers)
    axes.legend(frameon=False, loc="upper left")
    return figure


def tuning(rows: Rows, keys: Sequence[str], metric: str) -> Figure:
    """Of two parameters a map, of one a line with deviations, of more the best candidates as bars."""
    varied = [key for key in keys if len({str(row[key]) for row in rows}) > 1]
    if len(varied) == 2 and all(len({str(row[key]) for row in rows}) <= plots.MOST_CELLS for key in varied):
        return _tuning_map(rows, varied, metric)
    if len(varied) == 1:
        figure, axes = plots.empty()
        places, (key,) = range(len(rows)), varied
        axes.errorbar(places, [row["mean"] for row in rows], yerr=[row["deviation"] for row in rows],
                      color=plots.COLOR, marker="o", capsize=3)  # fmt: skip
        axes.set_xticks(places, [plots.shorten(str(row[key])) for row in rows])
        axes.set(title="Candidates, with the deviation over folds", xlabel=key, ylabel=metric)
        return figure
    named = [{**row, "candidate": ", ".join(f"{key}={row[key]}" for key in varied), "error": row["deviation"]}
             for row in rows]  # fmt: skip
    return plots.bars(named, name="candidate", value="mean", title="Candidates", unit=metric)


def _tuning_map(rows: Rows, varied: Sequence[str], metric: str) -> Figure:
    across, down = (list(dict.fromkeys(str(row[key]) for row in rows)) for key in varied)
    values = np.full((len(down), len(across)), np.nan)
    for row in rows:
        values[down.index(str(row[varied[1]])), across.index(str(row[varied[0]]))] = row["mean"]
    figure, axes = plots.empty(width=3.6 + 1.0 * len(across), height=2.2 + 0.6 * len(down))
    image = axes.imshow(values, cmap="viridis", aspect="auto")
    figure.colorbar(image, label=metric)
    axes.set_xticks(range(len(across)), [plots.shorten(name) for name in across])
    axes.set_yticks(range(len(down)), [plots.shorten(name) for name in down])
    middle = (np.nanmin(values) + np.nanmax(values)) / 2
    best = next(row for row in rows if row["best"])
    for (i, j), value in np.ndenumerate(values):
        is_best = (across[j], down[i]) == (str(best[varied[0]]), str(best[varied[1]]))
        axes.text(j, i, f"{value:.4g}{' *' if is_best else ''}", ha="center", va="center",
                  color="white" if value < middle else "black", fontweight="bold" if is_best else None)  # fmt: skip
    axes.set(title="Candidates (* the best)", xlabel=varied[0], ylabel=varied[1])
    axes.grid(visible=False)
    return figure
