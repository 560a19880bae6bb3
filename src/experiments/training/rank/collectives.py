"""What ranks do together is one thing: they sum tensors. Three ways to do it, which one training loop uses alike.

Broadcasting is a sum to which all but one add zeros, gathering a sum of vectors in which each rank has its own place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Collective(Protocol):
    """Ranks that sum.

    Attributes:
        rank: of this process, from 0.
        size: number of ranks.
    """

    rank: int
    size: int

    def sum(self, tensors: Sequence[Any]) -> list[Any]:
        """The sums over all ranks, which wait for each other here. All call it with the same shapes and types."""
        ...


class Alone:
    """One rank, whose sums are what it has."""

    rank, size = 0, 1

    def sum(self, tensors: Sequence[Any]) -> list[Any]:
        return list(tensors)


class TensorFlowRanks:
    """Ranks of TensorFlow's `MultiWorkerMirroredStrategy`, over gRPC. `TF_CONFIG` says who they are.

    The strategy must be made before anything else is asked of TensorFlow. It only sums: Keras's `fit` under it is
    broken (keras#20585), and variables of its own would be summed a second time.
    """

    def __init__(self) -> None:
        import tensorflow as tf

        options = tf.distribute.experimental.CommunicationOptions(
            implementation=tf.distribute.experimental.CommunicationImplementation.RING
        )
        self._strategy = tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)
        resolver = self._strategy.cluster_resolver
        self.rank = resolver.task_id
        self.size = self._strategy.num_replicas_in_sync
        self.sum = tf.function(self._sum, autograph=False)

    def _sum(self, tensors: Sequence[Any]) -> list[Any]:
        return _by_type(tensors, self._sum_of_type)

    def _sum_of_type(self, tensors: list[Any]) -> list[Any]:
        """In one message, as each costs a round."""
        import tensorflow as tf

        flat = tf.concat([tf.reshape(tensor, [-1]) for tensor in tensors], 0)
        per_replica = self._strategy.run(lambda value: value, args=(flat,))
        summed = self._strategy.reduce(tf.distribute.ReduceOp.SUM, per_replica, axis=None)
        parts = tf.split(summed, [tensor.shape.num_elements() for tensor in tensors])
        return [tf.reshape(part, tensor.shape) for part, tensor in zip(parts, tensors, strict=True)]


class HorovodRanks:
    """Ranks of Horovod. Its optimizer and callbacks do nothing, or raise, under Keras 3; its sums are sound."""

    def __init__(self) -> None:
        import horovod.tensorflow as hvd
        import tensorflow as tf

        hvd.init()
        self._hvd = hvd
        self.rank, self.size = hvd.rank(), hvd.size()
        self.sum = tf.function(self._sum, autograph=False)

    def _sum(self, tensors: Sequence[Any]) -> list[Any]:
        return _by_type(tensors, lambda group: list(self._hvd.grouped_allreduce(group, op=self._hvd.Sum)))


def _by_type(tensors: Sequence[Any], summed: Callable[[list[Any]], list[Any]]) -> list[Any]:
    """Sums of tensors of several types, each type's together: neither engine sums mixed ones."""
    groups: dict[Any, list[int]] = {}
    for index, tensor in enumerate(tensors):
        groups.setdefault(tensor.dtype, []).append(index)
    found: dict[int, Any] = {}
    for group in groups.values():
        found |= dict(zip(group, summed([tensors[index] for index in group]), strict=True))
    return [found[index] for index in range(len(tensors))]


def join(engine: str) -> Collective:
    """Meet the other ranks, whose addresses the environment holds."""
    if engine == "tensorflow":
        return TensorFlowRanks()
    return HorovodRanks() if engine == "horovod" else Alone()


def share(collective: Collective, variables: Sequence[Any]) -> None:
    """Give all ranks the values of rank 0."""
    import tensorflow as tf

    if collective.size == 1 or not variables:
        return
    own = [tf.convert_to_tensor(variable) for variable in variables]
    values = own if collective.rank == 0 else [tf.zeros_like(value) for value in own]
    for variable, value in zip(variables, collective.sum(values), strict=True):
        variable.assign(value)


def gather(collective: Collective, values: Sequence[float]) -> NDArray[np.float64]:
    """Every rank's values, shape (ranks, values)."""
    import tensorflow as tf

    table = np.zeros((collective.size, len(values)))
    table[collective.rank] = values
    (summed,) = collective.sum([tf.constant(table, tf.float64)])
    gathered: NDArray[np.float64] = summed.numpy()
    return gathered


def told_by_first(collective: Collective, text: str) -> str:
    """A text of rank 0, on all ranks."""
    import tensorflow as tf

    data = text.encode() if collective.rank == 0 else b""
    length = int(gather(collective, [float(len(data))])[0, 0])
    held = tf.Variable(np.frombuffer(data.ljust(length, b"\0"), np.uint8).astype(np.int32))
    if length:
        share(collective, [held])
    return bytes(held.numpy().astype(np.uint8)).decode()
