"""Metrics of what a fitted pipeline makes of the rows: one aggregate for both sides of the split.

Spark's evaluators make a pass, or several, for each side and metric; the definitions are theirs.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from experiments.config.schema import Task
from experiments.errors import ExperimentError
from experiments.evaluation.confusion import Confusion
from experiments.evaluation.judged import Scored, summary_of
from experiments.evaluation.regression import Errors
from experiments.evaluation.spread import spread_of

# Of data with weights each metric is there twice: a row counts once, or what it weighs.
BY_WEIGHT = "_by_weight"


def evaluate(scored: Scored) -> dict[str, float]:
    """Metrics of the held-out rows, and of the training rows as `train_…`; all rows count where none are held out."""
    metrics = metrics_of(scored, scored.judged_side)
    if scored.judged_side:
        metrics |= {f"train_{name}": value for name, value in metrics_of(scored, False).items()}
        if scored.one_in > 1:
            metrics["train_judged_share"] = 1 / scored.one_in
    return {**metrics, **_of_the_fit(scored.model)}


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


def metrics_of(scored: Scored, held_out: bool, with_curves: bool = True) -> dict[str, float]:
    """Metrics of one side of the scored rows, by the task.

    Args:
        with_curves: whether the areas under the curves of several classes are wanted, which take a pass of their own.
    """
    if scored.task is Task.decomposition:
        return _decomposition(scored, held_out)
    if "prediction" not in scored.rows.columns:
        return {}
    if scored.task is Task.classification:
        return _classification(scored, held_out, with_curves)
    if scored.task is Task.regression:
        return _regression(scored, held_out)
    return _clustering(scored, held_out)


def _classification(scored: Scored, held_out: bool, with_curves: bool) -> dict[str, float]:
    """Precision, recall and f1 are those of the second of two classes, `weighted_…` the means over classes by their
    rows; areas under curves are of the second of two classes, of several the mean of each against the rest."""
    pairs = [each for each in scored.confusions if each.held_out is held_out]
    classes = scored.dataset.classes
    assert classes is not None
    if not pairs:
        raise _nothing_scored(held_out)
    rows = sum(pair.rows for pair in pairs)
    metrics = _of_confusion(_matrix([(pair, pair.rows) for pair in pairs], classes))
    metrics["log_loss"] = sum(pair.log_loss for pair in pairs) / rows
    if scored.dataset.weight is not None:
        total = math.fsum(pair.weight for pair in pairs)
        weighted = _of_confusion(_matrix([(pair, pair.weight) for pair in pairs], classes))
        weighted["log_loss"] = math.fsum(pair.weighted_loss for pair in pairs) / total
        metrics |= {f"{name}{BY_WEIGHT}": value for name, value in weighted.items()}
    metrics = {name: value for name, value in metrics.items() if math.isfinite(value)}
    return {**metrics, **(_of_curves(scored, held_out) if classes == 2 or with_curves else {})}


def _of_curves(scored: Scored, held_out: bool) -> dict[str, float]:
    """Means over the classes that have a curve: of two the second. Without a curve there is nothing."""
    curves = [curve for (side, _), curve in scored.curves.items() if side is held_out and curve.has_both]
    if not curves or (scored.dataset.classes != 2 and len(curves) < 2):
        return {}
    areas = {
        "auc_roc": [curve.area_under_roc() for curve in curves],
        "auc_pr": [curve.area_under_precision_recall() for curve in curves],
        "average_precision": [curve.average_precision() for curve in curves],
    }
    return {name: float(np.mean(values)) for name, values in areas.items()}


def _matrix(pairs: Sequence[tuple[Confusion, float]], classes: int) -> np.ndarray[Any, Any]:
    """What rows count, by true and predicted class."""
    counts = np.zeros((classes, classes))
    for pair, count in pairs:
        counts[int(pair.true), int(pair.predicted)] += count
    return counts


def _of_confusion(counts: np.ndarray[Any, Any]) -> dict[str, float]:
    right, true, predicted = counts.diagonal(), counts.sum(axis=1), counts.sum(axis=0)
    precision = np.divide(right, predicted, out=np.zeros(len(right)), where=predicted > 0)
    recall = np.divide(right, true, out=np.zeros(len(right)), where=true > 0)
    both = precision + recall
    f1 = np.divide(2 * precision * recall, both, out=np.zeros(len(right)), where=both > 0)
    weights = true / true.sum()
    found = {
        "accuracy": float(right.sum() / counts.sum()),
        "balanced_accuracy": float(recall[true > 0].mean()),
        # Of the most frequent class for every row: what accuracy is to be held against.
        "baseline_accuracy": float(weights.max()),
        "weighted_f1": float(weights @ f1),
        "weighted_precision": float(weights @ precision),
        "weighted_recall": float(weights @ recall),
    }
    if len(counts) == 2:
        found |= {"f1": float(f1[1]), "precision": float(precision[1]), "recall": float(recall[1])}
    return found


def _regression(scored: Scored, held_out: bool) -> dict[str, float]:
    if held_out not in scored.errors:
        raise _nothing_scored(held_out)
    found = scored.errors[held_out]
    # An error by the size of a label of 0 is no number that says anything.
    metrics = {**_of_errors(found), **({} if found.relative is None else {"mape": found.relative})}
    if found.variance > 0:
        metrics["explained_variance"] = 1 - found.error_variance / found.variance
    if found.median is not None:  # it is asked of the rows that count for the judgement
        metrics["median_absolute_error"] = found.median
    if held_out in scored.weighted_errors:
        weighted = _of_errors(scored.weighted_errors[held_out])
        metrics |= {f"{name}{BY_WEIGHT}": value for name, value in weighted.items()}
    return metrics


def _of_errors(found: Errors) -> dict[str, float]:
    metrics = {"rmse": math.sqrt(found.mse), "mae": found.mae, "mse": found.mse}
    if found.variance > 0:
        metrics["r2"] = 1 - found.mse / found.variance
    return metrics


def _nothing_scored(held_out: bool) -> ExperimentError:
    side = "held-out" if held_out else "training"
    return ExperimentError(
        f"model must score at least one of the {side} rows, got none; a stage's handleInvalid or coldStartStrategy "
        "leaves all of them out"
    )


def _clustering(scored: Scored, held_out: bool) -> dict[str, float]:
    """Cluster sizes, and the silhouette where there is more than one cluster, by the model's own distance."""
    from pyspark.ml.evaluation import ClusteringEvaluator

    sizes = scored.cluster_sizes[held_out]
    metrics = {f"cluster_size_{cluster}": float(size) for cluster, size in sorted(sizes.items())}
    rows = scored.side(held_out)
    # Of rows that are drawn all may be of one cluster.
    are_several = len(sizes) > 1 and (
        held_out or scored.one_in == 1 or rows.select("prediction").distinct().limit(2).count() > 1
    )
    if are_several and scored.features_column is not None:
        evaluator = ClusteringEvaluator(featuresCol=scored.features_column)
        if scored.model.hasParam("distanceMeasure") and scored.model.getDistanceMeasure() == "cosine":
            evaluator.setDistanceMeasure("cosine")
        metrics["silhouette"] = evaluator.evaluate(rows)
    return metrics


def _decomposition(scored: Scored, held_out: bool) -> dict[str, float]:
    """How much of the rows a projection keeps; for topics how likely their words are."""
    model, rows = scored.model, scored.side(held_out)
    if hasattr(model, "logPerplexity"):
        likelihood, perplexity = model.logLikelihood(rows), model.logPerplexity(rows)
        return {"log_likelihood": likelihood, "log_perplexity": perplexity, "perplexity": math.exp(perplexity)}
    if scored.features_column is None or not model.hasParam("outputCol"):
        return {}
    is_judged = held_out is scored.judged_side
    spread = scored.spread if is_judged else spread_of(rows, scored.features_column, model)
    share = {"explained_variance": spread.kept / spread.total} if spread.total > 0 else {}  # constants have none
    return {**share, "reconstruction_error": spread.total - spread.kept}
