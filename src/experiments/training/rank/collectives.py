"""What ranks do together is one thing: they sum tensors. Three ways to do it, which one training loop uses alike.

Broadcasting is a sum to which all but one add zeros, gathering a sum of vectors in which each rank has its own place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from experiments.training.rank.ring import Ring
from experiments.training.spec import RankSetup, Seat

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

    def leave(self) -> None:
        """Part from the others, once what was sent to them has left."""
        ...


class Alone:
    """One rank, whose sums are what it has."""

    rank, size = 0, 1

    def sum(self, tensors: Sequence[Any]) -> list[Any]:
        return list(tensors)

    def leave(self) -> None:
        pass


class RingRanks:
    """Ranks that sum over sockets of their own, see `ring`.

    TensorFlow's strategies open a server to every network, which runs whatever graph it is sent and cannot be told not
    to (docs/decisions/0015).
    """

    def __init__(self, seat: Seat, rank: int, size: int) -> None:
        self.rank, self.size = rank, size
        self._ring = Ring(seat, rank, size)

    def sum(self, tensors: Sequence[Any]) -> list[Any]:
        return _by_type(tensors, self._sum_of_type)

    def _sum_of_type(self, tensors: list[Any]) -> list[Any]:
        """In one message, as each costs a round."""
        import tensorflow as tf

        arrays = [np.asarray(tensor) for tensor in tensors]
        summed = self._ring.sum(np.concatenate([array.ravel() for array in arrays]))
        parts = np.split(summed, np.cumsum([array.size for array in arrays])[:-1])
        return [tf.constant(part.reshape(array.shape)) for part, array in zip(parts, arrays, strict=True)]

    def leave(self) -> None:
        self._ring.leave()


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

    def leave(self) -> None:
        """Not by way of what Horovod does at its end: it waits for, or complains of, ranks that have left before."""


def _by_type(tensors: Sequence[Any], summed: Callable[[list[Any]], list[Any]]) -> list[Any]:
    """Sums of tensors of several types, each type's together: neither engine sums mixed ones."""
    groups: dict[Any, list[int]] = {}
    for index, tensor in enumerate(tensors):
        groups.setdefault(tensor.dtype, []).append(index)
    found: dict[int, Any] = {}
    for group in groups.values():
        found |= dict(zip(group, summed([tensors[index] for index in group]), strict=True))
    return [found[index] for index in range(len(tensors))]


def join(setup: RankSetup) -> Collective:
    """Meet the other ranks, whose addresses the setup or, for Horovod, the environment holds."""
    if setup.seat is not None:
        return RingRanks(setup.seat, setup.rank, setup.training.world_size)
    return HorovodRanks() if setup.training.engine == "horovod" else Alone()


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
