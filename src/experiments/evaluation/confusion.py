"""How many rows of each class are predicted to be of each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from experiments.data.dataset import HELD_OUT


@dataclass(frozen=True)
class Confusion:
    """Rows of one class that are predicted to be of one.

    Attributes:
        held_out: the side of the split.
        true, predicted: numbers of classes.
        rows: row count.
        log_loss: sum over the rows; NaN of a model without probabilities.
        weight, weighted_loss: what the rows count, and the sum of their losses by it; of data with weights.
    """

    held_out: bool
    true: float
    predicted: float
    rows: int
    log_loss: float
    weight: float = math.nan
    weighted_loss: float = math.nan


def confusions_of(pairs: Sequence[Any]) -> list[Confusion]:
    """Of each side, by classes.

    Args:
        pairs: `_held_out`, `true`, `predicted`, `rows` and sums; several of the same classes are summed up.
    """
    groups: dict[tuple[bool, float, float], list[Any]] = {}
    for row in pairs:
        groups.setdefault((row[HELD_OUT], row["true"], row["predicted"]), []).append(row)
    return [
        Confusion(
            *key,
            rows=sum(row["rows"] for row in found),
            log_loss=_total(found, "log_loss"),
            weight=_total(found, "weight"),
            weighted_loss=_total(found, "weighted_loss"),
        )
        for key, found in sorted(groups.items())
    ]


def _total(found: Sequence[Any], name: str) -> float:
    """Sum over collected rows; NaN where they do not have it."""
    return math.fsum(math.nan if name not in row or row[name] is None else row[name] for row in found)
