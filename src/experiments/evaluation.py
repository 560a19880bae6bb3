"""A fitted pipeline's predictions, made once, and their metrics by Spark's own evaluators."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from experiments.config import Task
from experiments.data.caching import cached
from experiments.data.loading import HELD_OUT, Dataset
from experiments.features import feature_names

if TYPE_CHECKING:
    from pyspark.ml import PipelineModel
    from pyspark.sql import DataFrame

# Task to the metric that decides, and whether more of it is better.
OBJECTIVES = {
    Task.classification: ("accuracy", True),
    Task.regression: ("rmse", False),
    Task.clustering: ("silhouette", True),
}


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

    @cached_property
    def judged_classes(self) -> Any:
        """Spark's metrics of a classification's judged rows, a Java object that counts once and answers often."""
        return _multiclass(self.judged, self.dataset)

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
    with cached(scored.select(*(f"`{name}`" for name in dict.fromkeys(kept)))) as narrow:
        yield Scored(fitted, narrow, dataset, task, features, names)


def evaluate(scored: Scored) -> dict[str, float]:
    """Metrics of the held-out rows, and of the training rows as `train_…`; all rows count where none are held out."""
    metrics = _metrics(scored.judged, scored)
    if scored.dataset.test_rows:
        train = _metrics(scored.rows.where(f"NOT {HELD_OUT}"), scored)
        metrics |= {f"train_{name}": value for name, value in train.items()}
    if scored.task is Task.clustering and getattr(scored.model, "hasSummary", False):
        metrics["training_cost"] = scored.model.summary.trainingCost
    return metrics


def _metrics(rows: DataFrame, scored: Scored) -> dict[str, float]:
    if scored.task is Task.classification:
        found = scored.judged_classes if rows is scored.judged else _multiclass(rows, scored.dataset)
        return _classification(rows, scored.dataset, found)
    if scored.task is Task.regression:
        return _regression(rows, scored.dataset)
    if scored.task is Task.clustering:
        return _clustering(rows, scored.features_column)
    return {}


def _multiclass(rows: DataFrame, dataset: Dataset) -> Any:
    """One pass over the rows serves all metrics; Python's `evaluate` would make one for each."""
    from pyspark.ml.evaluation import MulticlassClassificationEvaluator

    metric = "logLoss" if "probability" in rows.columns else "accuracy"
    evaluator = MulticlassClassificationEvaluator(labelCol=dataset.label, metricName=metric)
    return evaluator._to_java().getMetrics(rows._jdf)


def _classification(rows: DataFrame, dataset: Dataset, found: Any) -> dict[str, float]:
    """Precision, recall and f1 are weighted by class, as in Spark.

    Args:
        found: of `_multiclass`.
    """
    from pyspark.ml.evaluation import BinaryClassificationEvaluator

    metrics = {
        "accuracy": found.accuracy(),
        "f1": found.weightedFMeasure(),
        "precision": found.weightedPrecision(),
        "recall": found.weightedRecall(),
    }
    if "probability" in rows.columns:
        metrics["log_loss"] = found.logLoss(1e-15)
    if dataset.classes == 2 and "rawPrediction" in rows.columns:
        areas = BinaryClassificationEvaluator(labelCol=dataset.label)._to_java().getMetrics(rows._jdf)
        metrics["auc_roc"] = areas.areaUnderROC()
        metrics["auc_pr"] = areas.areaUnderPR()
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


def _clustering(rows: DataFrame, features_column: str | None) -> dict[str, float]:
    """Cluster sizes, and the silhouette where there is more than one cluster."""
    from pyspark.ml.evaluation import ClusteringEvaluator

    sizes = {row["prediction"]: row["count"] for row in rows.groupBy("prediction").count().collect()}
    metrics = {f"cluster_size_{cluster}": float(size) for cluster, size in sorted(sizes.items())}
    if len(sizes) > 1 and features_column is not None:
        metrics["silhouette"] = ClusteringEvaluator(featuresCol=features_column).evaluate(rows)
    return metrics
