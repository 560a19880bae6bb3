"""What a decomposition has found: its directions, how much each keeps, and the rows in the plane of the first two."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.evaluation.judged import Scored
from experiments.figures import charts
from experiments.figures.output import MOST_POINTS, Output
from experiments.inspection import model_charts
from experiments.inspection.sampling import sample

if TYPE_CHECKING:
    from numpy.typing import NDArray


def _directions(model: Any) -> NDArray[np.float64] | None:
    """Directions in columns, shape (features, k), of PCA or SVD."""
    matrix = getattr(model, "pc", None) if hasattr(model, "pc") else getattr(model, "V", None)
    if matrix is None:
        return None
    found: NDArray[np.float64] = matrix.toArray()
    return found


def components(scored: Scored) -> Iterator[Output]:
    """`feature`, then its weight in each `component_…`: principal components, or right singular vectors."""
    directions = _directions(scored.model)
    if directions is None:
        return
    rows = [
        {"feature": scored.name(index), **{f"component_{k + 1}": float(value) for k, value in enumerate(weights)}}
        for index, weights in enumerate(directions)
    ]
    is_pca = hasattr(scored.model, "pc")
    title = "Principal components" if is_pca else "Right singular vectors"
    name = "components" if is_pca else "right_singular_vectors"
    yield Output(name, rows, partial(model_charts.components, title=title))


def explained_variance(scored: Scored) -> Iterator[Output]:
    """`component`, of SVD `singular_value`, `explained_variance` (share of 1; of SVD of the sum of squares) and
    `cumulative`."""
    model = scored.model
    if _directions(model) is None:
        return
    values: list[float] = [] if hasattr(model, "explainedVariance") else model.s.toArray().tolist()
    shares, _ = _shares(scored)
    rows = [
        {
            "component": index + 1,
            **({"singular_value": values[index]} if values else {}),
            "explained_variance": float(share),
            "cumulative": float(total),
        }
        for index, (share, total) in enumerate(zip(shares, np.cumsum(shares), strict=True))
    ]
    yield Output("singular_values" if values else "explained_variance", rows, model_charts.scree)


def _shares(scored: Scored) -> tuple[NDArray[np.float64], str]:
    """Of each component, and of what they are shares."""
    if hasattr(scored.model, "explainedVariance"):
        return scored.model.explainedVariance.toArray(), "variance"
    return scored.spread.components / scored.spread.total, "sum of squares"


def projection(scored: Scored) -> Iterator[Output]:
    """`component_1`, `component_2` and the label, where there is one, of up to `MOST_POINTS` rows."""
    directions = _directions(scored.model)
    if directions is None or directions.shape[1] < 2:
        return
    label, column = scored.dataset.label, scored.model.getOutputCol()
    group = f"({scored.dataset.label_given})"
    found = sample(scored, MOST_POINTS).select(column, *([label] if label else [])).collect()
    rows = [
        {
            "component_1": float(row[column][0]),
            "component_2": float(row[column][1]),
            **({group: _named(row[label], scored.dataset.label_names)} if label else {}),
        }
        for row in found
    ]
    axes = ["component_1", "component_2"]
    shares, what = _shares(scored)
    labels = [f"component {place} ({share:.1%} of the {what})" for place, share in enumerate(shares[:2], 1)]
    title = f"{scored.some(len(rows))} on the first two directions"
    draw = partial(charts.groups, title=title, group=group if label else None, axes=axes, labels=labels)
    if rows:
        yield Output("projection", rows, draw)


def _named(value: Any, names: Sequence[str]) -> Any:
    """A label by its name, where it has one."""
    return names[int(value)] if names else value
