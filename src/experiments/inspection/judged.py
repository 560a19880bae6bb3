"""How predictions stand to the truth. Curves are counted on Spark, and scattered points are a sample."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from pyspark.sql import functions as F

from experiments.config import Task
from experiments.evaluation import Scored
from experiments.features import own_units
from experiments.inspection import plots
from experiments.inspection.output import Output

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pyspark.sql import DataFrame

MOST_POINTS = 2_000
MOST_VALUES = 1_000_000
THRESHOLDS = 1_000


def confusion_matrix(scored: Scored) -> Iterator[Output]:
    """`true`, `predicted`, `rows`: a line for each pair of classes that occurs."""
    if scored.task is not Task.classification:
        return
    label = scored.dataset.label
    assert label is not None
    # Not Spark's matrix, which leaves out what was predicted but is never true.
    counts = scored.judged.groupBy(F.col(label).alias("true"), F.col("prediction").alias("predicted")).count().collect()
    rows = [{"true": int(row["true"]), "predicted": int(row["predicted"]), "rows": row["count"]} for row in counts]
    rows.sort(key=lambda row: (row["true"], row["predicted"]))
    title = f"Confusion matrix of {scored.judged_rows:,} {scored.judged_name} rows"
    yield Output("confusion_matrix", rows, partial(plots.confusion_matrix, title=title))


def threshold_curves(scored: Scored) -> Iterator[Output]:
    """ROC and precision-recall curve of two classes, at up to `THRESHOLDS` thresholds.

    One aggregate counts rows and positives by probability, rounded down to a thousandth.
    """
    if scored.dataset.classes != 2 or "probability" not in scored.judged.columns:
        return
    from pyspark.ml.functions import vector_to_array

    label = scored.dataset.label
    assert label is not None
    probability = vector_to_array("probability")[1]
    counted = (
        scored.judged.groupBy(F.least(F.floor(probability * THRESHOLDS), F.lit(THRESHOLDS - 1)).alias("bin"))
        .agg(F.count("*").alias("rows"), F.sum(F.col(label)).alias("positives"))
        .collect()
    )
    bins = sorted(counted, key=lambda row: -row["bin"])
    thresholds = np.array([row["bin"] / THRESHOLDS for row in bins])
    positives = np.cumsum([row["positives"] for row in bins])
    predicted = np.cumsum([row["rows"] for row in bins])
    if not 0 < positives[-1] < predicted[-1]:
        return  # one class among these rows: no curve
    recall = positives / positives[-1]
    false_rate = (predicted - positives) / (predicted[-1] - positives[-1])
    of = f"{scored.judged_rows:,} {scored.judged_name} rows"
    roc = [{"threshold": 1.0, "false_positive_rate": 0.0, "true_positive_rate": 0.0}] + [
        {"threshold": t, "false_positive_rate": f, "true_positive_rate": r}
        for t, f, r in zip(thresholds.tolist(), false_rate.tolist(), recall.tolist(), strict=True)
    ]
    yield Output("roc_curve", roc, partial(plots.roc, title=f"ROC curve of {of}"))
    precision = [
        {"threshold": t, "precision": p, "recall": r}
        for t, p, r in zip(thresholds.tolist(), (positives / predicted).tolist(), recall.tolist(), strict=True)
    ]
    share = float(positives[-1] / predicted[-1])
    draw = partial(plots.precision_recall, title=f"Precision and recall of {of}", share=share)
    yield Output("precision_recall_curve", precision, draw)


def residuals(scored: Scored) -> Iterator[Output]:
    """`true`, `predicted`, `residual` (true - predicted) of up to `MOST_POINTS` rows."""
    if scored.task is not Task.regression:
        return
    label = scored.dataset.label
    assert label is not None
    columns = [F.col(label).alias("true"), F.col("prediction").alias("predicted")]
    sample = _sample(scored, MOST_POINTS).select(*columns).collect()
    rows = [
        {"true": row["true"], "predicted": row["predicted"], "residual": row["true"] - row["predicted"]}
        for row in sample
    ]
    if rows:
        title = f"{len(rows):,} of {scored.judged_rows:,} {scored.judged_name} rows"
        yield Output("residuals", rows, partial(plots.residuals, title=title, label=label))


def clusters(scored: Scored) -> Iterator[Output]:
    """`(cluster)` and two coordinates of up to `MOST_POINTS` rows: the features themselves where there are two, else
    the two directions in which the sampled rows, standardised, vary most."""
    column = scored.features_column
    if scored.task is not Task.clustering or column is None:
        return
    width = len(scored.feature_names) or MOST_VALUES
    sample = _sample(scored, min(MOST_POINTS, max(2, MOST_VALUES // width))).select(column, "prediction").collect()
    if len(sample) < 2:
        return
    points = own_units(scored.fitted, column, np.array([row[column].toArray() for row in sample]))
    names = [scored.name(0), scored.name(1)]
    if points.shape[1] != 2:
        points, names = _plane(points), ["component_1", "component_2"]
    rows = [
        {"(cluster)": int(row["prediction"]), names[0]: float(x), names[1]: float(y)}
        for row, (x, y) in zip(sample, points, strict=True)
    ]
    title = f"Clusters of {len(rows):,} of {scored.judged_rows:,} rows"
    yield Output("clusters", rows, partial(plots.clusters, title=title, axes=names))


def _plane(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points, shape (n, d), on their first two principal components, shape (n, 2)."""
    deviation = points.std(axis=0)
    standard = (points - points.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
    left, values, _ = np.linalg.svd(standard, full_matrices=False)
    plane = np.zeros((len(points), 2))
    plane[:, : min(2, len(values))] = left[:, :2] * values[:2]
    return plane


def _sample(scored: Scored, most: int) -> DataFrame:
    """About `most` judged rows at the most, the same at each run over the same partitions."""
    share = most / max(scored.judged_rows, 1)
    return scored.judged if share >= 1 else scored.judged.sample(share, seed=0).limit(2 * most)
