"""What tuning has found."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from experiments.config.values import short_keys
from experiments.figures.output import Output
from experiments.inspection import model_charts
from experiments.tuning.grid import Tuned


def candidates(tuned: Tuned) -> Iterator[Output]:
    """A line for each candidate: its values, the metric's `mean`, `deviation` and value for each `fold_…`, `seconds` of
    all its fits, and whether it is the `best`."""
    keys = list(tuned.candidates[0].values)
    if not keys:  # the experiment itself was judged, and its metrics say how
        return
    names = dict(zip(keys, short_keys(keys), strict=True))
    best = tuned.best
    rows = [
        {
            **{names[key]: value for key, value in candidate.values.items()},
            "mean": candidate.mean,
            "deviation": candidate.deviation,
            **{f"fold_{fold + 1}": value for fold, value in sorted(candidate.by_fold.items())},
            "seconds": candidate.seconds,
            "best": candidate is best,
        }
        for candidate in tuned.candidates
    ]
    folds = len(best.by_fold)
    what = f"{tuned.metric}, mean of {folds} folds" if folds > 1 else f"{tuned.metric} of the held-out part"
    yield Output("tuning", rows, partial(model_charts.tuning, keys=list(names.values()), metric=what))
