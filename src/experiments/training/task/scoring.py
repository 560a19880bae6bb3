"""What a trained network makes of rows, in Arrow batches. Runs in Spark's Python workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from experiments.training.rank.importing import import_keras
from experiments.training.rank.network import load_network
from experiments.training.rows import matrix

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_ROWS = 4096
# Networks of this Python worker, which scores one task after another.
_loaded: dict[str, Callable[[Any], Any]] = {}
_MOST_LOADED = 4


def network(content: bytes, checksum: str) -> Callable[[Any], Any]:
    """The network of a `.keras` file, loaded once for each Python worker; on one thread, as each core has a worker."""
    if checksum not in _loaded:
        first = not _loaded
        import_keras()
        import tensorflow as tf

        if first:
            tf.config.set_visible_devices([], "GPU")  # of which each of several workers would take all the memory
            tf.config.threading.set_intra_op_parallelism_threads(1)
            tf.config.threading.set_inter_op_parallelism_threads(1)
        model = load_network(content)
        while len(_loaded) >= _MOST_LOADED:
            del _loaded[next(iter(_loaded))]
        signature = [tf.TensorSpec((None, model.input_shape[-1]), tf.float32)]
        _loaded[checksum] = tf.function(
            lambda rows: model(rows, training=False), input_signature=signature, autograph=False
        )
    return _loaded[checksum]


def outputs(batches: Iterator[pa.Array], content: bytes, checksum: str, inputs: int) -> Iterator[NDArray[np.float32]]:
    """What the network gives for each batch of lists of numbers, shape (rows, outputs).

    Raises:
        ValueError: vectors of another length than those it was trained on.
    """
    predict = network(content, checksum)
    for batch in batches:
        rows = matrix(batch, inputs)
        if rows is None:
            raise ValueError(f"features must be vectors of {inputs} entries, as those that the network was trained on")
        parts = [predict(rows[start : start + MOST_ROWS]).numpy() for start in range(0, max(1, len(rows)), MOST_ROWS)]
        yield np.concatenate(parts)


def probabilities(found: NDArray[np.float32]) -> NDArray[np.float64]:
    """Of each class, shape (rows, classes); a single output is that of the second of two."""
    wide = found.astype(np.float64)
    return np.column_stack([1 - wide, wide]) if wide.shape[1] == 1 else wide


def classified(found: NDArray[np.float32]) -> pa.StructArray:
    """`probability` (list) and `prediction`, the most probable class."""
    wide = probabilities(found)
    offsets = np.arange(0, wide.size + 1, wide.shape[1], dtype=np.int32)
    lists = pa.ListArray.from_arrays(pa.array(offsets), pa.array(wide.ravel()))
    return pa.StructArray.from_arrays([lists, pa.array(wide.argmax(axis=1).astype(np.float64))], SCORE_FIELDS)


def regressed(found: NDArray[np.float32]) -> pa.Array:
    """Predictions, float64, of outputs of shape (rows, 1)."""
    return pa.array(found[:, 0].astype(np.float64))


SCORE_FIELDS = ["probability", "prediction"]
