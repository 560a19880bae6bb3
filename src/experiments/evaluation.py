"""A fitted pipeline's metrics, by Spark's own evaluators over predictions that are made once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from experiments.config import Task
from experiments.data.loading import HELD_OUT, Dataset

if TYPE_CHECKING:
    from pyspark.ml import PipelineModel
    from pyspark.sql import DataFrame

# Task to the metric that decides, and whether more of it is better.
OBJECTIVES = {
    Task.classification: ("accuracy", True),
    Task.regression: ("rmse", False),
    Task.clustering: ("silhouette", True),
}


@contextlib.contextmanager
def predicted(fitted: PipelineModel, dataset: Dataset) -> Iterator[DataFrame]:
    """Predictions for all rows, narrow and cached: label, the model's outputs, its features column, `_held_out`."""
    scored = fitted.transform(dataset.rows)
    model = fitted.stages[-1]
    outputs = [name for name in scored.columns if name in ("prediction", "probability", "rawPrediction")]
    features = [model.getOrDefault("featuresCol")] if model.hasParam("featuresCol") else []
    label = [dataset.label] if dataset.label else []
    narrow = scored.select(*dict.fromkeys([*label, *outputs, *features, HELD_OUT])).persist()
    try:
        yield narrow
    finally:
        narrow.unpersist()


def evaluate(predictions: DataFrame, dataset: Dataset, task: Task, features_column: str) -> dict[str, float]:
    """Metrics of the held-out rows, and of the training rows as `train_…`; all rows count where none are held out."""
    train = predictions.where(f"NOT {HELD_OUT}")
    if dataset.test_rows == 0:
        return _metrics(train, dataset, task, features_column)
    test = _metrics(predictions.where(HELD_OUT), dataset, task, features_column)
    return {
        **test,
        **{f"train_{name}": value for name, value in _metrics(train, dataset, task, features_column).items()},
    }


def _metrics(rows: DataFrame, dataset: Dataset, task: Task, features_column: str) -> dict[str, float]:
    if task is Task.classification:
        return _classification(rows, dataset)
    if task is Task.regression:
        return _regression(rows, dataset)
    if task is Task.clustering:
        return _clustering(rows, features_column)
    return {}


def _classification(rows: DataFrame, dataset: Dataset) -> dict[str, float]:
    """Precision, recall and f1 are weighted by class, as in Spark."""
    from pyspark.ml.evaluation import BinaryClassificationEvaluator, MulticlassClassificationEvaluator

    has_probability = "probability" in rows.columns
    evaluator = MulticlassClassificationEvaluator(
        labelCol=dataset.label, metricName="logLoss" if has_probability else "accuracy"
    )
    # One pass over the rows serves all of these; Python's `evaluate` would make one for each.
    java = evaluator._to_java()
    found = java.getMetrics(rows._jdf)
    metrics = {
        "accuracy": found.accuracy(),
        "f1": found.weightedFMeasure(),
        "precision": found.weightedPrecision(),
        "recall": found.weightedRecall(),
    }
    if has_probability:
        metrics["log_loss"] = found.logLoss(1e-15)
    if dataset.classes == 2 and "rawPrediction" in rows.columns:
        binary = BinaryClassificationEvaluator(labelCol=dataset.label)
        metrics["auc_roc"] = binary.evaluate(rows)
        metrics["auc_pr"] = binary.setMetricName("areaUnderPR").evaluate(rows)
    return metrics


def _regression(rows: DataFrame, dataset: Dataset) -> dict[str, float]:
    from pyspark.ml.evaluation import RegressionEvaluator

    java = RegressionEvaluator(labelCol=dataset.label)._to_java()
    found = java.getMetrics(rows._jdf)
    return {
        "rmse": found.rootMeanSquaredError(),
        "mae": found.meanAbsoluteError(),
        "mse": found.meanSquaredError(),
        "r2": found.r2(),
    }


def _clustering(rows: DataFrame, features_column: str) -> dict[str, float]:
    """Cluster sizes, and the silhouette where there is more than one cluster."""
    from pyspark.ml.evaluation import ClusteringEvaluator

    sizes = {row["prediction"]: row["count"] for row in rows.groupBy("prediction").count().collect()}
    metrics = {f"cluster_size_{cluster}": float(size) for cluster, size in sorted(sizes.items())}
    if len(sizes) > 1:
        metrics["silhouette"] = ClusteringEvaluator(featuresCol=features_column).evaluate(rows)
    return metrics
