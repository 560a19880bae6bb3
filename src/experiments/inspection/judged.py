"""How predictions stand to the truth. Curves are counted on Spark, and scattered points are a sample."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from pyspark.sql import functions as F

from experiments.config import Task
from experiments.evaluation import Scored
from experiments.inspection import judged_plots
from experiments.inspection.output import MOST_POINTS, Output, Rows
from experiments.inspection.sampling import sample

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

THRESHOLDS = 1_000
MOST_CURVES = 20
CALIBRATION_BINS = 10


def confusion_matrix(scored: Scored) -> Iterator[Output]:
    """`true`, `predicted`, `rows`: a line for each pair of classes that occurs."""
    if scored.task is not Task.classification:
        return
    dataset = scored.dataset
    assert dataset.label is not None
    assert dataset.class_names is not None
    # Not Spark's matrix, which leaves out what was predicted but is never true.
    pairs = (F.col(dataset.label).alias("true"), F.col("prediction").alias("predicted"))
    counts = sorted(scored.judged.groupBy(*pairs).count().collect())
    rows = [
        {"true": dataset.class_name(true), "predicted": dataset.class_name(predicted), "rows": count}
        for true, predicted, count in counts
    ]
    title = f"Confusion matrix of {scored.judged_rows:,} {scored.judged_name} rows"
    draw = partial(judged_plots.confusion_matrix, title=title, classes=dataset.class_names)
    yield Output("confusion_matrix", rows, draw)


def threshold_curves(scored: Scored) -> Iterator[Output]:
    """ROC and precision-recall curve at up to `THRESHOLDS` thresholds, and calibration in `CALIBRATION_BINS` bins.

    Of two classes they are the second's, of more each `class` against the rest. One aggregate counts rows and
    positives by class and probability, rounded down to a thousandth. A model without probabilities has the curves of
    its margin, and no calibration.
    """
    classes = scored.dataset.classes
    has_probability = "probability" in scored.judged.columns
    if classes is None or classes > MOST_CURVES or not {"probability", "rawPrediction"} & set(scored.judged.columns):
        return
    counted = _counted(scored, "probability" if has_probability else "rawPrediction", classes)
    by_class = {index: sorted((row for row in counted if row["class"] == index), key=lambda row: -row["bin"])
                for index in sorted({row["class"] for row in counted})}  # fmt: skip
    of = f"{scored.judged_rows:,} {scored.judged_name} rows"
    roc, precision, share = [], [], 0.0
    for index, bins in by_class.items():
        name = {"class": scored.dataset.class_name(index)} if classes > 2 else {}
        positives = np.cumsum([row["positives"] for row in bins])
        predicted = np.cumsum([row["rows"] for row in bins])
        if not 0 < positives[-1] < predicted[-1]:
            continue  # none of this class among the rows, or none of another: no curve
        thresholds = [_threshold(row["bin"] / THRESHOLDS, has_probability) for row in bins]
        recall = (positives / positives[-1]).tolist()
        false_rate = ((predicted - positives) / (predicted[-1] - positives[-1])).tolist()
        share = float(positives[-1] / predicted[-1])
        start = _threshold(1.0, has_probability)
        points = zip([start, *thresholds], [0.0, *false_rate], [0.0, *recall], strict=True)
        roc += [{**name, "threshold": t, "false_positive_rate": f, "true_positive_rate": r} for t, f, r in points]
        both = zip(thresholds, (positives / predicted).tolist(), recall, strict=True)
        precision += [{**name, "threshold": t, "precision": p, "recall": r} for t, p, r in both]
    if roc:
        yield Output("roc_curve", roc, partial(judged_plots.roc, title=f"ROC curve of {of}"))
        guess = share if classes == 2 else None
        draw = partial(judged_plots.precision_recall, title=f"Precision and recall of {of}", share=guess)
        yield Output("precision_recall_curve", precision, draw)
    if has_probability:
        yield Output(
            "calibration", _calibration(counted), partial(judged_plots.calibration, title=f"Calibration on {of}")
        )


def _counted(scored: Scored, column: str, classes: int) -> list[Any]:
    """`class`, `bin`, `rows`, `positives`, `probability` (sum)."""
    from pyspark.ml.functions import vector_to_array

    label = scored.dataset.label
    assert label is not None
    values, true = vector_to_array(column), F.col(label).alias("_true")
    if classes == 2:
        pairs: DataFrame = scored.judged.select(F.lit(1).alias("_class"), values[1].alias("_value"), true)
    else:
        pairs = scored.judged.select(F.posexplode(values).alias("_class", "_value"), true)
    # A margin has no bounds, the logistic function of it has, and the same order.
    share: Column = F.col("_value") if column == "probability" else 1 / (1 + F.exp(-F.col("_value")))
    counted: list[Any] = (
        pairs.groupBy(
            F.col("_class").alias("class"), F.least(F.floor(share * THRESHOLDS), F.lit(THRESHOLDS - 1)).alias("bin")
        )
        .agg(
            F.count("*").alias("rows"),
            F.count_if(F.col("_true") == F.col("_class")).alias("positives"),
            F.sum(share).alias("probability"),
        )
        .collect()
    )
    return counted


def _threshold(share: float, has_probability: bool) -> float:
    """A bin's lower end as a probability or as a margin."""
    if has_probability:
        return share
    share = min(max(share, 0.5 / THRESHOLDS), 1 - 0.5 / THRESHOLDS)
    return float(np.log(share / (1 - share)))


def _calibration(counted: list[Any]) -> Rows:
    """`predicted` (mean probability), `observed` (share that is true), `rows`, over all classes that were counted."""
    bins = []
    for number in range(CALIBRATION_BINS):
        inside = [row for row in counted if row["bin"] * CALIBRATION_BINS // THRESHOLDS == number]
        rows = sum(row["rows"] for row in inside)
        if rows:
            predicted = sum(row["probability"] for row in inside) / rows
            observed = sum(row["positives"] for row in inside) / rows
            bins.append({"predicted": predicted, "observed": observed, "rows": rows})
    return bins


def residuals(scored: Scored) -> Iterator[Output]:
    """`true`, `predicted`, `residual` (true - predicted) of up to `MOST_POINTS` rows."""
    if scored.task is not Task.regression:
        return
    label = scored.dataset.label
    assert label is not None
    columns = [F.col(label).alias("true"), F.col("prediction").alias("predicted")]
    found = sample(scored, MOST_POINTS).select(*columns).collect()
    rows = [
        {"true": row["true"], "predicted": row["predicted"], "residual": row["true"] - row["predicted"]}
        for row in found
    ]
    if rows:
        title = f"{len(rows):,} of {scored.judged_rows:,} {scored.judged_name} rows"
        yield Output("residuals", rows, partial(judged_plots.residuals, title=title, label=label))
