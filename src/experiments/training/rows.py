"""The rows of one rank as files that its training process maps: written row by row where they belong."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.training.batches import mixed

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

TRAIN, VALIDATION = "train", "validation"
CHANGED = "the rows must be the same each time that Spark computes them"
KEEP_THEM = "cache them, or leave out what is random"


@dataclass(frozen=True)
class Rows:
    """Rows of one side of a rank, as they lie on disk.

    Attributes:
        features: shape (rows, inputs), float32.
        labels: shape (rows,), float32.
        weights: shape (rows,), float32.
    """

    features: NDArray[np.float32]
    labels: NDArray[np.float32]
    weights: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.labels)


def open_rows(folder: Path, side: str, rows: int, inputs: int, mode: Any = "r") -> Rows:
    """Map what was written."""

    def mapped(name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        if 0 in shape:  # which no file can be mapped as
            return np.zeros(shape, np.float32)
        # A plain array over the map, which is quicker to index.
        return np.asarray(np.memmap(folder / f"{side}.{name}", np.float32, mode, shape=shape))

    return Rows(mapped("features", (rows, inputs)), mapped("labels", (rows,)), mapped("weights", (rows,)))


def matrix(column: pa.ListArray, width: int) -> NDArray[np.float32] | None:
    """Lists of numbers as rows, shape (rows, width); None where one has another length, or a null is among them."""
    values = column.flatten()
    lengths = column.value_lengths().to_numpy(zero_copy_only=False)
    if column.null_count or values.null_count or (lengths != width).any():
        return None
    rows: NDArray[np.float32] = values.to_numpy().reshape(len(column), width)
    return rows


class RowWriter:
    """Takes Arrow batches of a rank's rows, in any order, to disk.

    Memory does not grow with the rows: the operating system writes mapped pages back as it needs.

    Args:
        folder: where to.
        rows: how many of each side there will be.
        inputs: length of the feature vectors.

    Raises:
        OSError: there is not room enough on the disk.

    Attributes:
        digest: of the rows' content, whatever their order, modulo 2^64.
    """

    def __init__(self, folder: Path, rows: dict[str, int], inputs: int) -> None:
        self.digest = 0
        self._expected, self._received = sum(rows.values()), 0
        self._inputs = inputs
        self._coefficients = mixed(np.arange(inputs + 2), np.uint64(1)).astype(np.uint32) | np.uint32(1)
        self._sides, self._seen = {}, {}
        for side, count in rows.items():
            for name, width in (("features", inputs), ("labels", 1), ("weights", 1)):
                with (folder / f"{side}.{name}").open("wb") as file:
                    if count * width:
                        os.posix_fallocate(file.fileno(), 0, 4 * count * width)
            self._sides[side] = open_rows(folder, side, count, inputs, "r+")
            self._seen[side] = np.zeros(count, bool)

    def add(self, batch: pa.RecordBatch) -> None:
        """Write a batch of `features`, `label`, `weight`, `place`, `is_validation`.

        Raises:
            ValueError: a row that cannot be trained on.
        """
        columns = {name: batch.column(name) for name in batch.schema.names}
        features = matrix(columns["features"], self._inputs)
        if features is None:
            raise ValueError(
                f"all feature vectors must have {self._inputs} entries, as the first, and none of them null"
            )
        labels, weights = (columns[name].to_numpy().astype(np.float32) for name in ("label", "weight"))
        places = columns["place"].to_numpy()
        held_out = columns["is_validation"].to_numpy(zero_copy_only=False)
        self._check(features, labels)
        self._digest(features, labels, weights)
        for side, chosen in ((TRAIN, ~held_out), (VALIDATION, held_out)):
            if not chosen.any():
                continue
            rows, where = self._sides[side], places[chosen]
            everything = chosen.all()
            rows.features[where] = features if everything else features[chosen]
            rows.labels[where] = labels[chosen]
            rows.weights[where] = weights[chosen]
            self._seen[side][where] = True
        self._received += len(places)

    def close(self) -> None:
        """Have all rows on their way to disk.

        Raises:
            ValueError: rows are missing.
        """
        if self._received != self._expected:
            raise ValueError(f"{CHANGED}, but {self._received:,} came and {self._expected:,} were counted; {KEEP_THEM}")
        if not all(seen.all() for seen in self._seen.values()):
            raise ValueError(f"{CHANGED}, but others came than were counted; {KEEP_THEM}")

    def _check(self, features: NDArray[np.float32], labels: NDArray[np.float32]) -> None:
        # A sum is not finite if an entry is not; it may overflow without one, so that it only says where to look.
        if np.isfinite(features.sum(dtype=np.float64)) and np.isfinite(labels.sum(dtype=np.float64)):
            return
        if not np.isfinite(labels).all():
            raise ValueError("labels must be finite numbers, got NaN or infinity; data.missing=drop leaves them out")
        wrong = np.argwhere(~np.isfinite(features))
        if len(wrong):
            raise ValueError(
                f"features must be finite numbers of at most 3.4e38, got {features[tuple(wrong[0])]} in entry "
                f"{wrong[0][1]}; data.missing=fill or drop, or preprocessing=impute, takes care of them"
            )

    def _digest(
        self,
        features: NDArray[np.float32],
        labels: NDArray[np.float32],
        weights: NDArray[np.float32],
    ) -> None:
        """Add a number of each row, so that neither their order nor who holds them counts."""
        wide, label, weight = (values.view(np.uint32) for values in (features, labels, weights))
        with np.errstate(over="ignore"):
            each = np.einsum("ij,j->i", wide, self._coefficients[:-2])  # without a copy of the features
            each += label * self._coefficients[-2] + weight * self._coefficients[-1]
            self.digest = int(np.uint64(self.digest) + mixed(each, np.uint64(0)).sum(dtype=np.uint64))
