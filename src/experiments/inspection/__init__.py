"""What a fitted pipeline has learnt and how its predictions stand to the truth, as tables and figures.

A new kind of output is one function, in `learnt` or `judged`, listed in `OUTPUTS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from experiments.evaluation import Scored
from experiments.inspection.judged import clusters, confusion_matrix, residuals, threshold_curves
from experiments.inspection.learnt import centres, coefficients, importances, loss_history
from experiments.inspection.output import Output

OUTPUTS: tuple[Callable[[Scored], Iterator[Output]], ...] = (
    importances,
    coefficients,
    centres,
    loss_history,
    confusion_matrix,
    threshold_curves,
    residuals,
    clusters,
)


def inspect(scored: Scored) -> list[Output]:
    """Every output that this model has. Runs on the driver; what it collects does not grow with the rows."""
    return [output for function in OUTPUTS for output in function(scored)]


__all__ = ["OUTPUTS", "Output", "inspect"]
