"""What a fitted pipeline has learnt and how its predictions stand to the truth, as tables and figures.

A new kind of output is one function, listed in `OUTPUTS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from experiments.evaluation.judged import Scored
from experiments.figures.output import Output
from experiments.inspection.clustering import clusters, hierarchy
from experiments.inspection.decomposition import components, explained_variance, projection
from experiments.inspection.naive_bayes import class_priors, deciding_features
from experiments.inspection.networks import network_layers, ranks, training_history
from experiments.inspection.predictions import confusion_matrix, residuals, threshold_curves
from experiments.inspection.supervised import coefficients, importances, isotonic_steps, layers, loss_history
from experiments.inspection.topics import topics

OUTPUTS: tuple[Callable[[Scored], Iterator[Output]], ...] = (
    importances,
    coefficients,
    isotonic_steps,
    layers,
    loss_history,
    training_history,
    network_layers,
    ranks,
    class_priors,
    deciding_features,
    topics,
    clusters,
    hierarchy,
    components,
    explained_variance,
    projection,
    confusion_matrix,
    threshold_curves,
    residuals,
)


def inspect(scored: Scored) -> list[Output]:
    """Every output that this model has. Runs on the driver; what it collects does not grow with the rows."""
    return [output for function in OUTPUTS for output in function(scored)]


__all__ = ["OUTPUTS", "Output", "inspect"]
