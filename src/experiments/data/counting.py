"""Columns of whole numbers that number the rows, nearly or exactly."""

from __future__ import annotations

import math

# Of so many rows numbers may be nearly as many, and nearly as evenly dealt out: some rows are there twice.
MANY_ROWS, NEARLY = 1_000, 0.05


def counts_rows(low: float, high: float, mean: float, variance: float, rows: int) -> bool:
    """Whether whole numbers are as many as there are rows, from one end to the other."""
    span = high - low + 1
    if span == rows and math.isclose(mean, (low + high) / 2, rel_tol=1e-9):
        return True
    is_near = rows >= MANY_ROWS and abs(span - rows) <= NEARLY * rows and abs(mean - (low + high) / 2) <= NEARLY * span
    return is_near and math.isclose(variance, span**2 / 12, rel_tol=2 * NEARLY)
