"""What a fitted pipeline makes of the rows, once, and its metrics, by Spark's own evaluators where it has them."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from experiments.config import Task
from experiments.data.caching import cached
from experiments.data.dataset import HELD_OUT, Dataset
from experiments.features import feature_names

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pyspark.ml import PipelineModel
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType

# Metric to whether more of it is better.
DIRECTIONS = {
    **dict.fromkeys(("accuracy", "f1", "precision", "recall", "auc_roc", "auc_pr", "r2", "silhouette"), True),
    **dict.fromkeys(("log_loss", "rmse", "mae", "mse", "training_cost", "reconstruction_error", "perplexity"), False),
    **dict.fromkeys(("explained_variance", "log_likelihood"), True),
}
# Task to the metrics that decide: the first that the model has.
OBJECTIVES = {
    Task.classification: ("accuracy",),
    Task.regression: ("rmse",),
    Task.clustering: ("silhouette",),
    Task.decomposition: ("explained_variance", "perplexity"),
}
# What models make of the rows, by the names that Spark gives it.
_OUTPUTS = ("prediction", "probability", "rawPrediction", "topicDistribution")


@dataclass(frozen=True)
class Scored:
    """A fitted pipeline with what it makes of the rows.

    Attributes:
        fitted: the pipeline; its last stage is the model.
        rows: all rows, cached: label, the model's outputs, boolean `_held_out`, and the column that the model reads
            where the outputs cannot be judged without it.
        dataset: what it was fitted on.
        task: what it is for.
        features_column: the vector column that the model reads, or None.
        schema: of the rows after every stage.
    """

    fitted: PipelineModel
    rows: DataFrame
    dataset: Dataset
    task: Task
    features_column: str | None
    schema: StructType

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

    @cached_property
    def feature_names(self) -> list[str]:
        """The data's names for the entries of the features, in order; empty where nobody knows them."""
        if self.features_column is None:
            return []
        return feature_names(self.fitted, self.schema, self.features_column, self.dataset.train)

    def name(self, index: int) -> str:
        """The data's name for an entry of the features."""
        return self.feature_names[index] if index < len(self.feature_names) else f"features_{index}"

    @cached_property
    def spread(self) -> Spread:
        """Of the judged rows of a decomposition."""
        return spread_of(self.judged, self.features_column, self.model)


@contextlib.contextmanager
def score(fitted: PipelineModel, dataset: Dataset, task: Task) -> Iterator[Scored]:
    """What a pipeline makes of all rows, narrow and cached until the end of the block. Runs on the driver."""
    transformed = fitted.transform(dataset.rows)
    scored = scored_rows(fitted, transformed, dataset, task)
    with cached(scored.rows) as narrow:
        yield replace(scored, rows=narrow)


def scored_rows(fitted: PipelineModel, transformed: DataFrame, dataset: Dataset, task: Task) -> Scored:
    """The columns that a judgement needs. Nothing is computed yet."""
    model = fitted.stages[-1]
    reads = next((name for name in ("featuresCol", "inputCol") if model.hasParam(name)), None)
    features = model.getOrDefault(reads) if reads else None
    outputs = [name for name in transformed.columns if name in _OUTPUTS]
    if model.hasParam("outputCol"):
        outputs.append(model.getOutputCol())
    # Text makes wide vectors, so they are kept only where distances or reconstructions are judged.
    judged_by_features = [] if task.supervised else [features]
    kept = [name for name in (dataset.label, *outputs, *judged_by_features, HELD_OUT) if name in transformed.columns]
    rows = transformed.select(*dict.fromkeys(kept))
    return Scored(fitted, rows, dataset, task, features, transformed.schema)


def evaluate(scored: Scored) -> dict[str, float]:
    """Metrics of the held-out rows, and of the training rows as `train_…`; all rows count where none are held out."""
    metrics = metrics_of(scored, scored.judged, scored.dataset.judged_classes)
    if scored.dataset.test_rows:
        train = metrics_of(scored, scored.rows.where(f"NOT {HELD_OUT}"), scored.dataset.classes)
        metrics |= {f"train_{name}": value for name, value in train.items()}
    return {**metrics, **_of_the_fit(scored.model)}


def objective(metrics: Mapping[str, float], task: Task) -> float | None:
    """The metric that decides for the task, or None."""
    return next((metrics[name] for name in OBJECTIVES[task] if name in metrics), None)


def _of_the_fit(model: Any) -> dict[str, float]:
    """What Spark measured while it fitted."""
    names = {"trainingCost": "training_cost", "logLikelihood": "log_likelihood", "deviance": "deviance", "aic": "aic"}
    summary, found = summary_of(model), {}
    for theirs, ours in names.items():
        # Some summaries have a property that raises for the family or solver at hand.
        with contextlib.suppress(Exception):
            value = getattr(summary, theirs, None)
            if isinstance(value, float) and math.isfinite(value):
                found[ours] = value
    return found


def summary_of(model: Any) -> Any:
    """What Spark kept of the fit, or None: a property of some models and a method of others."""
    if not getattr(model, "hasSummary", False):
        return None
    return model.summary() if callable(model.summary) else model.summary


def metrics_of(scored: Scored, rows: DataFrame, classes: int | None, only: str | None = None) -> dict[str, float]:
    """Metrics of some of the scored rows, by the task.

    Args:
        classes: how many classes those rows have.
        only: the one metric that is needed, so that passes for others can be left out.
    """
    if scored.task is Task.decomposition:
        return _decomposition(rows, scored)
    if "prediction" not in rows.columns:
        return {}
    if scored.task is Task.classification:
        areas = only is None or only.startswith("auc_")
        return _classification(rows, scored.dataset.label, areas and classes == scored.dataset.classes == 2)
    if scored.task is Task.regression:
        return _regression(rows, scored.dataset)
    return _clustering(rows, scored)


def _classification(rows: DataFrame, label: str | None, areas: bool) -> dict[str, float]:
    """Precision, recall and f1 are weighted by class, as in Spark.

    Args:
        areas: whether to measure the areas under the curves, for which the rows must have both of two classes.
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
    if areas and "rawPrediction" in rows.columns:
        # What naive Bayes calls its raw prediction is not comparable between rows.
        column = "probability" if has_probability else "rawPrediction"
        evaluator = BinaryClassificationEvaluator(labelCol=label, rawPredictionCol=column)
        curves = evaluator._to_java().getMetrics(rows._jdf)
        metrics["auc_roc"] = curves.areaUnderROC()
        metrics["auc_pr"] = curves.areaUnderPR()
        curves.unpersist()
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


def _decomposition(rows: DataFrame, scored: Scored) -> dict[str, float]:
    """How much of the rows a projection keeps; for topics how likely their words are."""
    model = scored.model
    if hasattr(model, "logPerplexity"):
        likelihood, perplexity = model.logLikelihood(rows), model.logPerplexity(rows)
        return {"log_likelihood": likelihood, "log_perplexity": perplexity, "perplexity": math.exp(perplexity)}
    if scored.features_column is None or not model.hasParam("outputCol"):
        return {}
    spread = scored.spread if rows is scored.judged else spread_of(rows, scored.features_column, model)
    return {"explained_variance": spread.kept / spread.total, "reconstruction_error": spread.total - spread.kept}


@dataclass(frozen=True)
class Spread:
    """Of rows and of their projections on orthonormal directions: mean squared distance from what is projected on.

    Attributes:
        total: of the rows, from their mean (PCA) or from zero (SVD).
        components: of the projections, shape (k,).
    """

    total: float
    components: NDArray[np.float64]

    @property
    def kept(self) -> float:
        return float(self.components.sum())


def spread_of(rows: DataFrame, features: str | None, model: Any) -> Spread:
    """One pass over the rows. The directions are orthonormal, so that what is lost is the difference."""
    from pyspark.ml.stat import Summarizer
    from pyspark.sql import functions as F

    summary = Summarizer.metrics("count", "variance", "normL2")
    both = [summary.summary(F.col(name)) for name in (features, model.getOutputCol())]
    wide, narrow = rows.select(*both).first()
    count = wide["count"]
    if type(model).__name__ == "PCAModel":
        scale = (count - 1) / count  # Spark divides by one less
        return Spread(float(wide["variance"].toArray().sum() * scale), narrow["variance"].toArray() * scale)
    return Spread(float((wide["normL2"].toArray() ** 2).sum() / count), narrow["normL2"].toArray() ** 2 / count)
