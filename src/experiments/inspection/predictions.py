"""How predictions stand to the truth. Curves are counted on Spark, and scattered points are a sample."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from experiments.config.schema import Task
from experiments.evaluation.curves import Curve
from experiments.evaluation.judged import Scored
from experiments.figures.charts import shorten
from experiments.figures.output import MOST_POINTS, Output, Rows
from experiments.inspection import prediction_charts
from experiments.inspection.sampling import sample, thinned

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_THRESHOLDS = 1_000
CALIBRATION_BINS = 10
# Of fewer rows a share says nothing.
LEAST_IN_BIN = 20


def confusion_matrix(scored: Scored) -> Iterator[Output]:
    """`true`, `predicted`, `rows`: a line for each pair of classes that occurs."""
    if scored.task is not Task.classification:
        return
    dataset = scored.dataset
    assert dataset.label is not None
    assert dataset.class_names is not None
    # Not Spark's matrix, which leaves out what was predicted but is never true.
    rows = [
        {"true": dataset.class_name(each.true), "predicted": dataset.class_name(each.predicted), "rows": each.rows}
        for each in scored.confusions
        if each.held_out is scored.judged_side
    ]
    title = f"Confusion matrix of {scored.judged_rows:,} {scored.judged_name} rows"
    draw = partial(
        prediction_charts.confusion_matrix, title=title, classes=dataset.class_names, label=dataset.label_given
    )
    yield Output("confusion_matrix", rows, draw)


def threshold_curves(scored: Scored) -> Iterator[Output]:
    """ROC and precision-recall curve at up to `MOST_THRESHOLDS` thresholds, and calibration in `CALIBRATION_BINS` bins.

    Of two classes they are the second's, of more each `class` against the rest. A model without probabilities has the
    curves of its margin, and no calibration.
    """
    if scored.task is not Task.classification:
        return
    curves = {index: curve for (side, index), curve in scored.curves.items() if side is scored.judged_side}
    drawn = {index: curve for index, curve in curves.items() if curve.has_both}
    if not drawn:
        return
    dataset, rows = scored.dataset, f"{scored.judged_rows:,} {scored.judged_name} rows"
    label = dataset.label_given or ""
    of = rows if len(curves) > 1 else f"{shorten(label)}={shorten(dataset.class_name(1))}, {rows}"
    roc: Rows = []
    precision: Rows = []
    for index, curve in drawn.items():
        name = {"class": scored.dataset.class_name(index)} if len(curves) > 1 else {}
        kept = thinned(len(curve.score), MOST_THRESHOLDS)
        ends = zip(
            *(each[kept].tolist() for each in (curve.threshold, curve.false_positive_rate, curve.recall)), strict=True
        )
        start = {"threshold": float(curve.threshold[0]), "false_positive_rate": 0.0, "true_positive_rate": 0.0}
        roc.append({**name, **start})
        roc += [{**name, "threshold": t, "false_positive_rate": f, "true_positive_rate": r} for t, f, r in ends]
        both = zip(*(each[kept].tolist() for each in (curve.threshold, curve.precision, curve.recall)), strict=True)
        precision += [{**name, "threshold": t, "precision": p, "recall": r} for t, p, r in both]
    yield Output("roc_curve", roc, partial(prediction_charts.roc, title=f"ROC curve of {of}", label=label))
    shares = [float(curve.positives.sum() / curve.rows.sum()) for curve in drawn.values()]
    draw = partial(
        prediction_charts.precision_recall, title=f"Precision and recall of {of}", label=label, shares=shares
    )
    yield Output("precision_recall_curve", precision, draw)
    if all(curve.has_probability for curve in curves.values()):
        title = (
            f"Calibration on {rows}, each of {len(curves)} classes against the rest"
            if len(curves) > 1
            else f"Calibration of {of}"
        )
        draw = partial(prediction_charts.calibration, title=title)
        yield Output("calibration", _calibration(list(curves.values())), draw)


def _calibration(curves: list[Curve]) -> Rows:
    """`predicted` (mean probability), `observed` (share that is true) with `low` and `high` of its 95 % interval
    (Wilson's), `rows`, over all classes together. Bins with few rows are one with the next."""
    mean = np.concatenate([curve.probability / curve.rows for curve in curves])
    rows, positives, probability = (
        np.concatenate([getattr(curve, name) for curve in curves]) for name in ("rows", "positives", "probability")
    )
    numbers = np.minimum((mean * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    bins: list[NDArray[np.bool_]] = []
    for number in np.unique(numbers):
        inside = numbers == number
        if bins and rows[bins[-1]].sum() < LEAST_IN_BIN:
            bins[-1] = bins[-1] | inside
        else:
            bins.append(inside)
    if len(bins) > 1 and rows[bins[-1]].sum() < LEAST_IN_BIN:
        last = bins.pop()
        bins[-1] = bins[-1] | last
    found = []
    for inside in bins:
        count = rows[inside].sum()
        predicted, observed = probability[inside].sum() / count, positives[inside].sum() / count
        low, high = _interval(observed, count)
        found.append(
            {"predicted": float(predicted), "observed": float(observed), "low": low, "high": high, "rows": int(count)}
        )
    return found


def _interval(share: float, count: float) -> tuple[float, float]:
    """Of a share among so many rows, by Wilson."""
    z = 1.959964
    middle, spread = share + z * z / (2 * count), z * math.sqrt((share * (1 - share) + z * z / (4 * count)) / count)
    return (middle - spread) / (1 + z * z / count), (middle + spread) / (1 + z * z / count)


def residuals(scored: Scored) -> Iterator[Output]:
    """`true`, `predicted`, `residual` (true - predicted) of up to `MOST_POINTS` rows."""
    if scored.task is not Task.regression:
        return
    label = scored.dataset.label
    assert label is not None
    rows = [
        {"true": true, "predicted": predicted, "residual": true - predicted} for true, predicted in _some(scored, label)
    ]
    if rows:
        title = f"Residuals of {scored.some(len(rows), scored.judged_name)}"
        yield Output(
            "residuals", rows, partial(prediction_charts.residuals, title=title, label=scored.dataset.label_given)
        )


def _some(scored: Scored, label: str) -> list[tuple[float, float]]:
    """The truth and the prediction of up to `MOST_POINTS` judged rows."""
    if scored.few is None:
        return [tuple(row) for row in sample(scored, MOST_POINTS).select(label, "prediction").collect()]
    few = scored.few.side(scored.judged_side)
    count = len(few.true)
    # Not every so many, as rows may come in turns.
    kept = np.sort(np.random.default_rng(0).choice(count, min(count, MOST_POINTS), replace=False))
    return list(zip(few.true[kept].tolist(), few.predicted[kept].tolist(), strict=True))
