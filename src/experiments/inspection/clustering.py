"""What a clustering has found: its centres in the data's own units, its hierarchy, and its rows in a plane."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.config.schema import Task
from experiments.evaluation.feature_names import own_units
from experiments.evaluation.judged import Scored
from experiments.figures import charts
from experiments.figures.output import MOST_POINTS, MOST_VALUES, Output, Rows
from experiments.inspection import model_charts
from experiments.inspection.sampling import sample
from experiments.pipeline.known import known_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Of fewer a deviation says little.
LEAST_ROWS = 30


def clusters(scored: Scored) -> Iterator[Output]:
    """Where the clusters are: their centres, and some of the rows in the plane."""
    column = scored.features_column
    if scored.task is not Task.clustering:
        return
    has_centres = hasattr(scored.model, "clusterCenters") or hasattr(scored.model, "gaussians")
    width = _centres(scored.model).shape[1] if has_centres else len(scored.feature_names) or MOST_VALUES
    most = min(MOST_POINTS, max(2, MOST_VALUES // width))
    found = [] if column is None else sample(scored, most).select(column, "prediction").collect()
    points = None
    if column is not None and len(found) > 1:
        points = own_units(scored.fitted, column, np.array([row[column].toArray() for row in found]))
    if has_centres:
        yield _cluster_centres(scored, points)
    if points is not None:
        yield _clusters(scored, points, [int(row["prediction"]) for row in found])


def _cluster_centres(scored: Scored, some: NDArray[np.float64] | None) -> Output:
    """`(cluster)`, `(rows)`, of a mixture `(weight)`, then each feature of its centre in the data's own units.

    Args:
        some: rows in these units, shape (rows, features).
    """
    model = scored.model
    is_mixture, points = hasattr(model, "gaussians"), _centres(model)
    if scored.features_column is not None:
        points = own_units(scored.fitted, scored.features_column, points)
    sizes = scored.cluster_sizes[False] + scored.cluster_sizes[True]
    rows = [
        {
            "(cluster)": cluster,
            "(rows)": sizes[cluster],
            **({"(weight)": float(model.weights[cluster])} if is_mixture else {}),
            **{scored.name(index): float(value) for index, value in enumerate(point)},
        }
        for cluster, point in enumerate(points)
    ]
    # In the space in which the model measures distances.
    spread = np.std(_centres(model), axis=0)
    by = [scored.name(index) for index in np.argsort(-spread, kind="stable").tolist()]
    among = {}
    if some is not None and len(some) >= LEAST_ROWS:
        pairs = zip(some.mean(axis=0).tolist(), some.std(axis=0).tolist(), strict=True)
        among = {scored.name(index): pair for index, pair in enumerate(pairs)}
    return Output("cluster_centres", rows, partial(model_charts.centres, by=by, among=among))


def _centres(model: Any) -> NDArray[np.float64]:
    """Shape (clusters, features); of a mixture the means."""
    if hasattr(model, "gaussians"):
        return np.array([gaussian.mean.toArray() for gaussian in model.gaussians], dtype=float)
    return np.array(model.clusterCenters(), dtype=float)


def hierarchy(scored: Scored) -> Iterator[Output]:
    """`node` (1 is all rows), `parent`, `cluster` of a leaf, `rows`, `cost` (squared distances), `height` (distance of
    the centres it was split into, in the units of the features that the model reads)."""
    if not known_of(type(scored.model)).is_hierarchy:
        return
    rows: Rows = []
    _walk(_root(scored.model), None, rows)
    clusters = iter(range(len(rows)))
    parents = {row["parent"] for row in rows}
    for row in rows:  # Spark numbers the leaves from left to right
        row["cluster"] = None if row["node"] in parents else next(clusters)
    yield Output("cluster_hierarchy", rows, model_charts.hierarchy)


def _root(model: Any) -> Any:
    """Java's tree of clusters, of which Spark's public classes give only the leaves."""
    return getattr(model._java_obj, "org$apache$spark$ml$clustering$BisectingKMeansModel$$parentModel")().root()


def _walk(node: Any, parent: int | None, rows: Rows) -> None:
    number = len(rows) + 1
    entry = {"node": number, "parent": parent, "cluster": None, "rows": int(node.size()), "cost": float(node.cost())}
    rows.append({**entry, "height": float(node.height())})
    for child in node.children():
        _walk(child, number, rows)


def _clusters(scored: Scored, points: NDArray[np.float64], clusters: list[int]) -> Output:
    """`(cluster)` and two coordinates of up to `MOST_POINTS` rows: the features themselves where there are two, else
    the two directions in which the sampled rows, standardised, vary most.

    Args:
        points: rows in the data's own units, shape (rows, features).
        clusters: of each row.
    """
    names, labels = [scored.name(0), scored.name(1)], None
    if points.shape[1] != 2:
        points, shares = _plane(points)
        names = ["component_1", "component_2"]
        labels = [f"component {place} ({share:.1%} of the variance)" for place, share in enumerate(shares, 1)]
    rows = [
        {"(cluster)": cluster, names[0]: float(x), names[1]: float(y)}
        for cluster, (x, y) in zip(clusters, points, strict=True)
    ]
    title = f"Clusters of {scored.some(len(rows))}"
    return Output("clusters", rows, partial(charts.groups, title=title, group="(cluster)", axes=names, labels=labels))


def _plane(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], list[float]]:
    """Points, shape (n, d), on their first two principal components, shape (n, 2), and the share of the variance that
    each of the two has."""
    deviation = points.std(axis=0)
    standard = (points - points.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
    left, values, _ = np.linalg.svd(standard, full_matrices=False)
    plane = np.zeros((len(points), 2))
    plane[:, : min(2, len(values))] = left[:, :2] * values[:2]
    shares = [*(values**2 / max(float((values**2).sum()), np.finfo(float).tiny)).tolist(), 0.0][:2]
    return plane, shares
