"""What a model holds after the fit, by the data's column names."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from experiments.evaluation import Scored
from experiments.features import own_units
from experiments.inspection import plots
from experiments.inspection.output import Output, Rows

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def importances(scored: Scored) -> Iterator[Output]:
    """`feature`, `importance` (shares of 1), the most important first."""
    if hasattr(scored.model, "featureImportances"):
        values = scored.model.featureImportances.toArray()
        order = np.argsort(-values, kind="stable")
        rows = [{"feature": scored.name(index), "importance": float(values[index])} for index in order.tolist()]
        draw = partial(plots.bars, name="feature", value="importance", title="Feature importances", unit="share of 1")
        yield Output("feature_importances", rows, draw)


def coefficients(scored: Scored) -> Iterator[Output]:
    """`feature`, `coefficient` per unit of the feature, `(intercept)` last."""
    model = scored.model
    if hasattr(model, "coefficients") and hasattr(model, "intercept"):
        values = model.coefficients.toArray()
        rows = [{"feature": scored.name(index), "coefficient": float(value)} for index, value in enumerate(values)]
        rows.append({"feature": "(intercept)", "coefficient": float(model.intercept)})
        draw = partial(_draw_coefficients, label=scored.dataset.label)
        yield Output("coefficients", rows, draw)


def _draw_coefficients(rows: Rows, label: str | None) -> Figure:
    # The intercept's size says nothing about a feature's.
    features = [row for row in rows if row["feature"] != "(intercept)"]
    title = f"Coefficients (intercept {rows[-1]['coefficient']:.4g})"
    unit = f"change of {label} per unit of the feature"
    return plots.bars(features, name="feature", value="coefficient", title=title, unit=unit)


def centres(scored: Scored) -> Iterator[Output]:
    """`cluster`, `size` (rows), then each feature of its centre in the data's own units."""
    model = scored.model
    if not hasattr(model, "clusterCenters"):
        return
    points = np.array(model.clusterCenters(), dtype=float)
    if scored.features_column is not None:
        points = own_units(scored.fitted, scored.features_column, points)
    counted = scored.rows.groupBy("prediction").count().collect()
    sizes = {int(row["prediction"]): row["count"] for row in counted}
    rows = [
        {
            "cluster": cluster,
            "size": sizes.get(cluster, 0),
            **{scored.name(index): float(value) for index, value in enumerate(point)},
        }
        for cluster, point in enumerate(points)
    ]
    yield Output("cluster_centres", rows, plots.centres)


def objective_history(scored: Scored) -> Iterator[Output]:
    """`iteration`, `objective`: the loss that the optimiser saw, as metrics by step too."""
    model = scored.model
    if not getattr(model, "hasSummary", False):
        return
    history = list(getattr(model.summary, "objectiveHistory", []))
    if len(history) > 1:  # a closed form has a history of one
        rows = [{"iteration": index, "objective": float(value)} for index, value in enumerate(history)]
        draw = partial(plots.lines, x="iteration", y=["objective"], title="Objective by iteration")
        yield Output("objective_history", rows, draw, stepped=True)
