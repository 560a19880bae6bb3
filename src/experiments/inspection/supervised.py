"""What a supervised model holds after the fit, by the data's column names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.config.schema import Task
from experiments.evaluation.feature_names import is_scaled
from experiments.evaluation.judged import Scored, summary_of
from experiments.figures import charts
from experiments.figures.output import MOST_POINTS, Output, Rows
from experiments.inspection.sampling import thinned

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray


INTERCEPT = "(intercept)"
# Of the families of a generalized linear model, where none is set; Tweedie's is a power.
_CANONICAL_LINKS = {"gaussian": "identity", "binomial": "logit", "poisson": "log", "gamma": "inverse"}


def importances(scored: Scored) -> Iterator[Output]:
    """`feature`, `importance` (shares of 1), the most important first."""
    values = _importances(scored.model, len(scored.feature_names))
    if values is not None:
        order = np.argsort(-values, kind="stable")
        rows = [{"feature": scored.name(index), "importance": float(values[index])} for index in order.tolist()]
        draw = partial(
            charts.bars, name="feature", value="importance", title="Feature importances", unit="share of all importance"
        )
        yield Output("feature_importances", rows, draw)


def _importances(model: Any, features: int) -> NDArray[np.float64] | None:
    if hasattr(model, "featureImportances"):
        values: NDArray[np.float64] = model.featureImportances.toArray()
        return values
    if hasattr(model, "get_feature_importances"):  # XGBoost's names are f0, f1, …; it leaves out what no tree uses
        gains = model.get_feature_importances("total_gain")
        used = (int(name[1:]) + 1 for name in gains if re.fullmatch(r"f\d+", name))
        values = np.array([gains.get(f"f{index}", 0.0) for index in range(max(features, *used, 0))])
        shares: NDArray[np.float64] = values / max(values.sum(), np.finfo(float).tiny)
        return shares
    return None


def coefficients(scored: Scored) -> Iterator[Output]:
    """`feature`, `coefficient`, the feature's `deviation` and their product, the `effect`, `(intercept)` last; of more
    than two classes a row for each `class` and feature.

    Deviations are those of up to `DEVIATION_ROWS` (`evaluation/judged.py`) training rows, as the model reads them.
    Where Spark has them and no penalty makes them untrue: `standard_error`, `t_value`, `p_value`.
    """
    model = scored.model
    # Two classes have one row of coefficients, unless the family is multinomial.
    if hasattr(model, "coefficientMatrix") and model.coefficientMatrix.numRows > 1:
        yield _coefficients_by_class(scored)
    elif hasattr(model, "coefficients") and hasattr(model, "intercept"):
        values = model.coefficients.toArray()
        rows = [{"feature": scored.name(index), "coefficient": float(value)} for index, value in enumerate(values)]
        _add_effects(rows, _deviations(scored))
        rows.append({"feature": INTERCEPT, "coefficient": float(model.intercept)})
        for name, inferred in _inference(model).items():
            for row, value in zip(rows, inferred, strict=False):  # without an intercept there is one less
                row[name] = float(value)
        yield Output("coefficients", rows, partial(_draw_coefficients, unit=_unit(scored, positive=1)))


def _coefficients_by_class(scored: Scored) -> Output:
    matrix, intercepts = scored.model.coefficientMatrix.toArray(), scored.model.interceptVector.toArray()
    rows: Rows = []
    deviations = _deviations(scored)
    for index, (values, intercept) in enumerate(zip(matrix, intercepts, strict=True)):
        names = [*(scored.name(place) for place in range(len(values))), INTERCEPT]
        pairs = zip(names, [*values, intercept], strict=True)
        of_class = {"class": scored.dataset.class_name(index)}
        made: Rows = [{**of_class, "feature": name, "coefficient": float(value)} for name, value in pairs]
        _add_effects(made[:-1], deviations)
        rows += made
    draw = partial(_draw_by_class, unit=_unit(scored))
    return Output("coefficients", rows, draw)


def _draw_by_class(rows: Rows, unit: str) -> Figure:
    features = [row for row in rows if row["feature"] != INTERCEPT]
    features = [{**row, "note": f"{row['coefficient']:.3g}"} for row in features]
    title = "Coefficients (in brackets) by class and effect"
    return charts.bars_by_group(features, group="class", name="feature", value="effect", title=title, unit=unit)


def _deviations(scored: Scored) -> NDArray[np.float64]:
    """Of the entries of the features among some training rows; NaN where there are not two."""
    points = _some_features(scored) if scored.few is None else scored.few.features
    if points is None or len(points) < 2:
        return np.full(len(scored.feature_names), np.nan)
    deviations: NDArray[np.float64] = points.std(axis=0, ddof=1)
    return deviations


def _some_features(scored: Scored) -> NDArray[np.float64]:
    from pyspark.ml import PipelineModel

    dataset, column, share = scored.dataset, scored.features_column, scored.share_for_deviations
    some = dataset.train if share >= 1 else dataset.train.sample(share, seed=0)
    # Collected, as an aggregate would take another stage of Spark's.
    read = PipelineModel(scored.fitted.stages[:-1]).transform(some).select(column).collect()
    return np.array([row[0].toArray() for row in read])


def _add_effects(rows: Rows, deviations: NDArray[np.float64]) -> None:
    for row, deviation in zip(rows, deviations.tolist(), strict=False):
        row |= {"deviation": deviation, "effect": row["coefficient"] * deviation}


def _inference(model: Any) -> dict[str, list[float]]:
    """Standard errors and what follows from them, the intercept last; nothing where a penalty biases them."""
    if not model.hasParam("regParam") or model.getOrDefault("regParam") > 0:
        return {}
    names = {"coefficientStandardErrors": "standard_error", "tValues": "t_value", "pValues": "p_value"}
    summary = summary_of(model)
    try:
        return {ours: list(getattr(summary, theirs)) for theirs, ours in names.items()}
    except Exception:  # a solver that has none, or a matrix that cannot be inverted
        return {}


def _unit(scored: Scored, positive: int | None = None) -> str:
    """What a coefficient says, in the data's words where its features are the data's own.

    Args:
        positive: the class of two for which values above 0 speak.
    """
    scaled = scored.features_column is not None and is_scaled(scored.fitted, scored.features_column)
    if scored.task is Task.regression and not scaled:
        return f"change of {_linked(scored.model, scored.dataset.label_given)} per deviation of the feature"
    unit = "coefficient times deviation" + (" of the scaled feature" if scaled else "")
    if scored.task is Task.classification and positive is not None:
        unit += f"; above 0 for {charts.shorten(scored.dataset.class_name(positive))}"
    return unit


def _linked(model: Any, label: str) -> str:
    """What a linear model's sum of effects is: the label itself, or what a link function makes of it."""
    if not model.hasParam("link"):
        return label
    link = model.getLink() if model.isDefined("link") else _CANONICAL_LINKS.get(model.getFamily(), "power")
    return label if link == "identity" else f"{link}({label})"


def _draw_coefficients(rows: Rows, unit: str) -> Figure:
    # The intercept's size says nothing about a feature's.
    features = [row for row in rows if row["feature"] != INTERCEPT]
    title = f"Coefficients (in brackets) by effect\nintercept {rows[-1]['coefficient']:.4g}"
    features = [{**row, "note": f"{row['coefficient']:.4g}"} for row in features]
    if all("standard_error" in row for row in features):
        features = [{**row, "error": 1.96 * row["standard_error"] * row["deviation"]} for row in features]
        title += ", 95 % intervals"
    return charts.bars(features, name="feature", value="effect", title=title, unit=unit)


def loss_history(scored: Scored) -> Iterator[Output]:
    """`iteration`, `loss`: what the optimiser minimised, as a metric by step too."""
    history = list(getattr(summary_of(scored.model), "objectiveHistory", None) or [])
    if len(history) > 1:  # a closed form has a history of one
        rows = [{"iteration": index, "loss": float(value)} for index, value in enumerate(history)]
        draw = partial(charts.lines, x="iteration", y=["loss"], title="Loss by iteration")
        yield Output("loss_history", rows, draw, stepped=True)


def layers(scored: Scored) -> Iterator[Output]:
    """`layer`, `inputs`, `outputs`, `weights` (with the biases) of a perceptron."""
    if scored.model.hasParam("layers") and scored.model.isDefined("layers"):
        sizes = scored.model.getLayers()
        yield Output(
            "layers",
            [
                {"layer": index + 1, "inputs": inputs, "outputs": outputs, "weights": (inputs + 1) * outputs}
                for index, (inputs, outputs) in enumerate(pairwise(sizes))
            ],
        )


def isotonic_steps(scored: Scored) -> Iterator[Output]:
    """`boundary` of the feature and `prediction` there, straight lines between them; up to `MOST_POINTS`."""
    model = scored.model
    if not hasattr(model, "boundaries"):
        return
    boundaries, predictions = model.boundaries.toArray(), model.predictions.toArray()
    kept = thinned(len(boundaries), MOST_POINTS)
    feature = scored.name(model.getFeatureIndex())
    rows = [{feature: float(boundaries[index]), "prediction": float(predictions[index])} for index in kept]
    label = scored.dataset.label_given
    draw = partial(
        charts.lines, x=feature, y=["prediction"], title=f"Predicted {label} by {feature}", unit=charts.shorten(label)
    )
    yield Output("isotonic_steps", rows, draw)
