"""What a model holds after the fit, by the data's column names."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from experiments.config import Task
from experiments.evaluation import Scored, summary_of
from experiments.features import is_scaled, own_units
from experiments.inspection import plots
from experiments.inspection.output import Output, Rows

if TYPE_CHECKING:
    from matplotlib.figure import Figure


INTERCEPT = "(intercept)"


def importances(scored: Scored) -> Iterator[Output]:
    """`feature`, `importance` (shares of 1), the most important first."""
    if hasattr(scored.model, "featureImportances"):
        values = scored.model.featureImportances.toArray()
        order = np.argsort(-values, kind="stable")
        rows = [{"feature": scored.name(index), "importance": float(values[index])} for index in order.tolist()]
        draw = partial(plots.bars, name="feature", value="importance", title="Feature importances", unit="share of 1")
        yield Output("feature_importances", rows, draw)


def coefficients(scored: Scored) -> Iterator[Output]:
    """`feature`, `coefficient`, `(intercept)` last; of more than two classes a row for each `class` and feature."""
    model = scored.model
    if getattr(model, "numClasses", 2) > 2:
        if hasattr(model, "coefficientMatrix"):
            yield _coefficients_by_class(scored)
    elif hasattr(model, "coefficients") and hasattr(model, "intercept"):
        values = model.coefficients.toArray()
        rows = [{"feature": scored.name(index), "coefficient": float(value)} for index, value in enumerate(values)]
        rows.append({"feature": INTERCEPT, "coefficient": float(model.intercept)})
        yield Output("coefficients", rows, partial(_draw_coefficients, unit=_unit(scored)))


def _coefficients_by_class(scored: Scored) -> Output:
    matrix, intercepts = scored.model.coefficientMatrix.toArray(), scored.model.interceptVector.toArray()
    rows = []
    for index, (values, intercept) in enumerate(zip(matrix, intercepts, strict=True)):
        names = [*(scored.name(place) for place in range(len(values))), INTERCEPT]
        pairs = zip(names, [*values, intercept], strict=True)
        rows += [{"class": index, "feature": name, "coefficient": float(value)} for name, value in pairs]
    return Output("coefficients", rows)


def _unit(scored: Scored) -> str:
    """What a coefficient says, in the data's words where its features are the data's own."""
    scaled = scored.features_column is not None and is_scaled(scored.fitted, scored.features_column)
    if scored.task is Task.regression and not scaled:
        return f"change of {scored.dataset.label} per unit of the feature"
    return "coefficient of the scaled feature" if scaled else "coefficient"


def _draw_coefficients(rows: Rows, unit: str) -> Figure:
    # The intercept's size says nothing about a feature's.
    features = [row for row in rows if row["feature"] != INTERCEPT]
    title = f"Coefficients (intercept {rows[-1]['coefficient']:.4g})"
    return plots.bars(features, name="feature", value="coefficient", title=title, unit=unit)


def centres(scored: Scored) -> Iterator[Output]:
    """`(cluster)`, `(rows)`, then each feature of its centre in the data's own units."""
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
            "(cluster)": cluster,
            "(rows)": sizes.get(cluster, 0),
            **{scored.name(index): float(value) for index, value in enumerate(point)},
        }
        for cluster, point in enumerate(points)
    ]
    yield Output("cluster_centres", rows, plots.centres)


def loss_history(scored: Scored) -> Iterator[Output]:
    """`iteration`, `loss`: what the optimiser minimised, as a metric by step too."""
    history = list(getattr(summary_of(scored.model), "objectiveHistory", None) or [])
    if len(history) > 1:  # a closed form has a history of one
        rows = [{"iteration": index, "loss": float(value)} for index, value in enumerate(history)]
        draw = partial(plots.lines, x="iteration", y=["loss"], title="Loss by iteration")
        yield Output("loss_history", rows, draw, stepped=True)
