"""What a fitted pipeline has learnt and how its predictions stand to the truth, as tables and figures.

A new kind of output is one function, listed in `OUTPUTS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from experiments.inspection.grouped import centres, clusters, hierarchy
from experiments.inspection.judged import confusion_matrix, residuals, threshold_curves
from experiments.inspection.learnt import coefficients, importances, isotonic_steps, layers, loss_history
from experiments.inspection.output import Output
from experiments.inspection.projected import components, explained_variance, projection
from experiments.inspection.text import class_priors, deciding_features, topics
from experiments.inspection.trained import network_layers, ranks, training_history
from experiments.scored import Scored

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
    centres,
    hierarchy,
    clusters,
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
