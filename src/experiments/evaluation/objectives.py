"""The metrics by which models compare, which of them decides, and what is better: one law for tuning and sweeps."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence

from experiments.config.schema import Task

# Task to the metrics by which its models compare, each with whether more of it is better.
METRICS = {
    Task.classification: {
        **dict.fromkeys(("accuracy", "f1", "precision", "recall", "auc_roc", "auc_pr"), True),
        "log_loss": False,
    },
    Task.regression: {"rmse": False, "mae": False, "mse": False, "r2": True},
    Task.clustering: {"silhouette": True},
    Task.decomposition: {
        "explained_variance": True,
        "reconstruction_error": False,
        "log_likelihood": True,
        "perplexity": False,
    },
}
# Task to the metrics that decide: the first that the model has.
OBJECTIVES = {
    Task.classification: ("accuracy",),
    Task.regression: ("rmse",),
    Task.clustering: ("silhouette",),
    Task.decomposition: ("explained_variance", "perplexity"),
}


def deciding(metrics: Container[str], task: Task, wanted: Sequence[str] = ()) -> str | None:
    """Name of the metric that decides: the first that there is of those wanted, else of the task's; or None."""
    return next((name for name in wanted or OBJECTIVES[task] if name in metrics), None)


def larger_is_better(metric: str, task: Task) -> bool:
    """Whether a larger value of a metric is better; of seconds and of what Spark measured of its fit it is not."""
    return METRICS[task].get(metric, False)


def objective(metrics: Mapping[str, float], task: Task) -> float | None:
    """The metric that decides for the task, or None."""
    name = deciding(metrics, task)
    return None if name is None else metrics[name]


def merit(value: float, is_larger_better: bool) -> float:
    """A metric's value turned so that more is better; one that is not finite is worse than all others."""
    if not math.isfinite(value):
        return -math.inf
    return value if is_larger_better else -value
