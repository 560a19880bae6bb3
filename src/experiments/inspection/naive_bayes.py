"""What naive Bayes has learnt of its classes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from experiments.evaluation.judged import Scored
from experiments.figures import charts
from experiments.figures.output import Output

MOST_TERMS = 200


def class_priors(scored: Scored) -> Iterator[Output]:
    """`class`, `prior` (share of the training rows, smoothed) of naive Bayes."""
    if not hasattr(scored.model, "theta"):
        return
    priors = np.exp(scored.model.pi.toArray())
    rows = [{"class": scored.dataset.class_name(index), "prior": float(prior)} for index, prior in enumerate(priors)]
    draw = partial(charts.bars, name="class", value="prior", title="Class priors", unit="share of the training rows")
    yield Output("class_priors", rows, draw)


def deciding_features(scored: Scored) -> Iterator[Output]:
    """`class`, `feature`, `weight`: how much one more of the feature speaks for the class (log of the odds against the
    other classes), the `MOST_TERMS` strongest of each. A hashed feature is named by its most frequent word of the
    training rows; `(+2)` says that two other words share it. Gaussian: `mean` and `deviation` of each feature."""
    model = scored.model
    if not hasattr(model, "theta"):
        return
    theta = model.theta.toArray()
    if model.getModelType() == "gaussian":
        deviations = np.sqrt(model.sigma.toArray())
        yield Output(
            "class_means",
            [
                {
                    "class": scored.dataset.class_name(index),
                    "feature": scored.name(place),
                    "mean": float(mean),
                    "deviation": float(deviations[index, place]),
                }
                for index, means in enumerate(theta)
                for place, mean in enumerate(means)
            ],
        )
        return
    rows = []
    for index, weights in enumerate(_log_odds(theta, model.pi.toArray())):
        strongest = np.argsort(-weights, kind="stable")[:MOST_TERMS].tolist()
        name = scored.dataset.class_name(index)
        rows += [{"class": name, "feature": scored.name(place), "weight": float(weights[place])} for place in strongest]
    title, unit = "Features that decide most", "log odds for the class"
    if any(" (+" in str(row["feature"]) for row in rows):
        unit += "; (+N): N other words share the hash"
    draw = partial(charts.bars_by_group, group="class", name="feature", value="weight", title=title, unit=unit)
    yield Output("deciding_features", rows, draw)


def _log_odds(theta: np.ndarray, pi: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    """Log probability of each feature in a class less that in all other classes, shape (classes, features)."""
    joint = theta + pi[:, None]
    odds = np.empty_like(theta)
    for index in range(len(theta)):
        others = np.delete(joint, index, axis=0)
        weight = np.logaddexp.reduce(np.delete(pi, index))
        odds[index] = theta[index] - (np.logaddexp.reduce(others, axis=0) - weight)
    return odds
