"""The metrics by which models compare, which of them decides, and what is better: one law for tuning and sweeps."""

from __future__ import annotations

import itertools
import math
from collections.abc import Container, Iterable, Mapping, Sequence

from experiments.config.schema import Config, JudgedBy, Task, TuningMethod

# Metrics that need the scores of each class.
OF_CURVES = ("auc_roc", "auc_pr", "average_precision")
# Task to the metrics by which its models compare, each with whether more of it is better.
METRICS = {
    Task.classification: {
        **dict.fromkeys(("accuracy", "balanced_accuracy", "f1", "precision", "recall"), True),
        **dict.fromkeys(("weighted_f1", "weighted_precision", "weighted_recall", *OF_CURVES), True),
        "log_loss": False,
    },
    Task.regression: {
        **dict.fromkeys(("rmse", "mae", "mse", "mape", "median_absolute_error"), False),
        **dict.fromkeys(("r2", "explained_variance"), True),
    },
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

# Task to the metrics that a person wants first, where a model has them; of several in one place the first there is.
_KEY_METRICS = {
    Task.classification: (("accuracy",), ("balanced_accuracy",), ("f1", "weighted_f1"), ("auc_roc",), ("log_loss",)),
    Task.regression: (("rmse",), ("mae",), ("r2",)),
    Task.clustering: (("silhouette",), ("training_cost",)),
    Task.decomposition: (("explained_variance",), ("reconstruction_error",), ("perplexity",)),
}
# What metrics begin with that are measured within the training rows, by how these are parted.
PREFIXES = {TuningMethod.cross_validation: "cv_", TuningMethod.train_validation: "validation_"}


def prefix_of(method: TuningMethod) -> str:
    """What metrics begin with that are measured within the training rows; nothing where they are not parted."""
    return PREFIXES.get(method, "")


def judging(config: Config) -> list[str]:
    """Metrics by which the trials of a sweep are judged: those it wants, else the task's, of the rows it says."""
    task = config.model.task
    prefix = "" if config.sweep.judged_by is JudgedBy.test else prefix_of(config.tuning.method)
    names = config.sweep.objectives or OBJECTIVES[task]
    return [f"{prefix}{name}" if name in METRICS[task] else name for name in names]


def base_name(metric: str) -> str:
    """A metric's name without what says on which rows it was measured."""
    prefixes = (*PREFIXES.values(), "train_")
    bare = next((metric.removeprefix(prefix) for prefix in prefixes if metric.startswith(prefix)), metric)
    return bare.removesuffix("_by_weight")


def deciding(metrics: Container[str], task: Task, wanted: Sequence[str] = ()) -> str | None:
    """Name of the metric that decides: the first that there is of those wanted, else of the task's; or None."""
    return next((name for name in wanted or OBJECTIVES[task] if name in metrics), None)


def key_metrics(metrics: Container[str], task: Task) -> list[str]:
    """Names of the few metrics that a person wants first, those within the training rows before the others."""
    chosen = [name for names in _KEY_METRICS[task] for name in [name for name in names if name in metrics][:1]]
    within = [f"{prefix}{chosen[0]}" for prefix in PREFIXES.values()] if chosen else []
    return [*(name for name in within if name in metrics), *chosen]


def larger_is_better(metric: str, task: Task) -> bool:
    """Whether a larger value of a metric is better; of seconds and of what Spark measured of its fit it is not."""
    return METRICS[task].get(base_name(metric), False)


def within_training(names: Iterable[str]) -> list[str]:
    """Names of the same metrics, of rows within the training rows."""
    return [f"{prefix}{name}" for prefix, name in itertools.product(PREFIXES.values(), names)]


def objective(metrics: Mapping[str, float], task: Task) -> float | None:
    """The metric that decides for the task, of rows within the training rows where there is one; or None."""
    name = deciding(metrics, task, [*within_training(OBJECTIVES[task]), *OBJECTIVES[task]])
    return None if name is None else metrics[name]


def merit(value: float, is_larger_better: bool) -> float:
    """A metric's value turned so that more is better; one that is not finite is worse than all others."""
    if not math.isfinite(value):
        return -math.inf
    return value if is_larger_better else -value
