"""Which rows make each step's batch: for any number of ranks the same rows, shuffled anew in each epoch.

Rows are numbered from 0. A batch of B rows takes one row from each of B lanes, lane l holding the rows l, l + B, l + 2B
and so on, and each lane is shuffled on its own. Rank r of n holds the rows r, r + n, r + 2n …, which are whole lanes,
as n divides B. So each rank finds its share of every batch without asking the others, and all shares are equal.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

NO_ROW = -1
WINDOW_BYTES = 256 * 1024 * 1024
_LAST = np.uint64(2**64 - 1)


def shard_rows(rows: int, ranks: int, shard: int) -> int:
    """How many of the rows one rank holds."""
    return max(0, -(-(rows - shard) // ranks))


def steps_of(rows: int, batch_size: int) -> int:
    """Steps of an epoch; one of them may have fewer rows."""
    return -(-rows // batch_size)


def epoch_batches(
    rows: int, batch_size: int, ranks: int, shard: int, seed: int, epoch: int, row_bytes: int = 1
) -> Iterator[NDArray[np.int64]]:
    """A rank's share of each batch of an epoch, step by step.

    Rows that stand near each other are shuffled among themselves, and so are these windows of `WINDOW_BYTES`, so that
    rows which no memory holds are read from the disk nearly in order.

    Args:
        rows: over all ranks.
        batch_size: over all ranks, which it must be a multiple of.
        row_bytes: size of a row.

    Yields:
        Places among the rank's rows, shape (batch_size / ranks,); `NO_ROW` where a batch is short.
    """
    steps = steps_of(rows, batch_size)
    window = max(1, WINDOW_BYTES // (batch_size * row_bytes))
    salt = mixed(np.array([seed]), np.uint64(epoch))[0]
    for number in np.argsort(mixed(np.arange(-(-steps // window)), salt), kind="stable"):
        first = int(number) * window
        yield from _window(first, min(steps, first + window), rows, batch_size // ranks, ranks, shard, salt)


def _window(first: int, end: int, rows: int, lanes: int, ranks: int, shard: int, salt: np.uint64) -> NDArray[np.int64]:
    """The rank's rows of some steps, each lane shuffled on its own, shape (steps, lanes)."""
    place = np.arange(first * lanes, end * lanes, dtype=np.int64).reshape(-1, lanes)
    is_there = place < shard_rows(rows, ranks, shard)
    keys = mixed(place * ranks + shard, salt)
    keys[~is_there] = _LAST
    found = (first + np.argsort(keys, axis=0, kind="stable")) * lanes + np.arange(lanes)
    # A lane that is a row short has none for the last step.
    found[-1, ~is_there[-1]] = NO_ROW
    return found


def mixed(numbers: NDArray[Any], salt: np.uint64) -> NDArray[np.uint64]:
    """Numbers as random ones that depend on nothing else (SplitMix64)."""
    with np.errstate(over="ignore"):
        value = (numbers.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15) + salt
        value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return value ^ (value >> np.uint64(31))
