"""A fitted pipeline's predictions, made once, and their metrics by Spark's own evaluators."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from experiments.config import Task
from experiments.data.caching import cached
from experiments.data.dataset import HELD_OUT, Dataset
from experiments.features import feature_names

if TYPE_CHECKING:
    from pyspark.ml import PipelineModel
    from pyspark.sql import DataFrame

# Task to the metric that decides.
OBJECTIVES = {Task.classification: "accuracy", Task.regression: "rmse", Task.clustering: "silhouette"}


@dataclass(frozen=True)
class Scored:
    """A fitted pipeline with what it predicts.

    Attributes:
        fitted: the pipeline; its last stage is the model.
        rows: all rows, cached: label, the model's outputs, its features column, boolean `_held_out`.
        dataset: what it was fitted on.
        task: what it is for.
        features_column: the vector column that the model reads, or None.
        feature_names: the data's names for that vector's entries, in order.
    """

    fitted: PipelineModel
    rows: DataFrame
    dataset: Dataset
    task: Task
    features_column: str | None
    feature_names: list[str]

    @property
    def model(self) -> Any:
        return self.fitted.stages[-1]

    @cached_property
    def judged(self) -> DataFrame:
        """The rows that count for a judgement: the held-out ones, or all where none are."""
        return self.rows.where(HELD_OUT) if self.dataset.test_rows else self.rows

    @property
    def judged_rows(self) -> int:
        return self.dataset.test_rows or self.dataset.train_rows

    @property
    def judged_name(self) -> str:
        return "test" if self.dataset.test_rows else "training"

    def name(self, index: int) -> str:
        """The data's name for an entry of the features."""
        return self.feature_names[index] if index < len(self.feature_names) else f"features_{index}"


@contextlib.contextmanager
def score(fitted: PipelineModel, dataset: Dataset, task: Task) -> Iterator[Scored]:
    """Predictions for all rows, narrow and cached until the end of the block. Runs on the driver."""
    scored = fitted.transform(dataset.rows)
    model = fitted.stages[-1]
    features = model.getOrDefault("featuresCol") if model.hasParam("featuresCol") else None
    names = feature_names(fitted, scored.schema, features) if features else []
    outputs = [name for name in scored.columns if name in ("prediction", "probability", "rawPrediction")]
    kept = [name for name in (dataset.label, *outputs, features, HELD_OUT) if name]
    with cached(scored.select(*dict.fromkeys(kept))) as narrow:
        yield Scored(fitted, narrow, dataset, task, features, names)


def evaluate(scored: Scored) -> dict[str, float]:
    """Metrics of the held-out rows, and of the training rows as `train_…`; all rows count where none are held out."""
    metrics = _metrics(scored.judged, scored, scored.dataset.judged_classes)
    if scored.dataset.test_rows:
        train = _metrics(scored.rows.where(f"NOT {HELD_OUT}"), scored, scored.dataset.classes)
        metrics |= {f"train_{name}": value for name, value in train.items()}
    cost = getattr(summary_of(scored.model), "trainingCost", None)
    return metrics if cost is None else {**metrics, "training_cost": cost}


def summary_of(model: Any) -> Any:
    """What Spark kept of the fit, or None: a property of some models and a method of others."""
    if not getattr(model, "hasSummary", False):
        return None
    return model.summary() if callable(model.summary) else model.summary


def _metrics(rows: DataFrame, scored: Scored, classes: int | None) -> dict[str, float]:
    if "prediction" not in rows.columns:
        return {}
    if scored.task is Task.classification:
        return _classification(rows, scored.dataset.label, both=classes == scored.dataset.classes == 2)
    if scored.task is Task.regression:
        return _regression(rows, scored.dataset)
    if scored.task is Task.clustering:
        return _clustering(rows, scored)
    return {}


def _classification(rows: DataFrame, label: str | None, both: bool) -> dict[str, float]:
    """Precision, recall and f1 are weighted by class, as in Spark.

    Args:
        both: whether the rows have both of two classes, without which there is no area under a curve.
    """
    from pyspark.ml.evaluation import BinaryClassificationEvaluator, MulticlassClassificationEvaluator

    has_probability = "probability" in rows.columns
    metric = "logLoss" if has_probability else "accuracy"
    # One pass over the rows serves all metrics; Python's `evaluate` would make one for each.
    evaluator = MulticlassClassificationEvaluator(labelCol=label, metricName=metric)
    found = evaluator._to_java().getMetrics(rows._jdf)
    metrics = {
        "accuracy": found.accuracy(),
        "f1": found.weightedFMeasure(),
        "precision": found.weightedPrecision(),
        "recall": found.weightedRecall(),
    }
    if has_probability:
        metrics["log_loss"] = found.logLoss(1e-15)
    if both and "rawPrediction" in rows.columns:
        areas = BinaryClassificationEvaluator(labelCol=label)._to_java().getMetrics(rows._jdf)
        metrics["auc_roc"] = areas.areaUnderROC()
        metrics["auc_pr"] = areas.areaUnderPR()
        areas.unpersist()
    return metrics


def _regression(rows: DataFrame, dataset: Dataset) -> dict[str, float]:
    from pyspark.ml.evaluation import RegressionEvaluator

    found = RegressionEvaluator(labelCol=dataset.label)._to_java().getMetrics(rows._jdf)
    return {
        "rmse": found.rootMeanSquaredError(),
        "mae": found.meanAbsoluteError(),
        "mse": found.meanSquaredError(),
        "r2": found.r2(),
    }


def _clustering(rows: DataFrame, scored: Scored) -> dict[str, float]:
    """Cluster sizes, and the silhouette where there is more than one cluster, by the model's own distance."""
    from pyspark.ml.evaluation import ClusteringEvaluator

    sizes = {row["prediction"]: row["count"] for row in rows.groupBy("prediction").count().collect()}
    metrics = {f"cluster_size_{cluster}": float(size) for cluster, size in sorted(sizes.items())}
    if len(sizes) > 1 and scored.features_column is not None:
        evaluator = ClusteringEvaluator(featuresCol=scored.features_column)
        if scored.model.hasParam("distanceMeasure") and scored.model.getDistanceMeasure() == "cosine":
            evaluator.setDistanceMeasure("cosine")
        metrics["silhouette"] = evaluator.evaluate(rows)
    return metrics
