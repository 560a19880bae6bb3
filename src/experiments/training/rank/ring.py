"""Ranks that sum vectors around a ring, over sockets that are encrypted and that nobody else is let in by.

CurveZMQ: each rank has a pair of keys. It hears only who holds the key of the rank before it, and tells only who holds
the key of the rank behind it; public keys were told through Spark's barrier, secret ones never leave their machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.training.spec import Seat

if TYPE_CHECKING:
    from numpy.typing import NDArray

# That what was told last has left before the process ends.
_MS_TO_LEAVE = 10_000


class _Only:
    """Lets in who holds one key."""

    def __init__(self, key: str) -> None:
        self._key = key.encode()

    def callback(self, _domain: str, key: bytes) -> bool:
        return key == self._key


class Ring:
    """Sums over ranks 0 to `size - 1`, which all ask for the same ones in the same order.

    Each part of a vector is summed by one rank, and told to all: every rank holds the same bits.
    """

    def __init__(self, seat: Seat, rank: int, size: int) -> None:
        from zmq.auth.thread import ThreadAuthenticator
        from zmq.constants import SocketType
        from zmq.sugar.context import Context

        self._rank, self._size = rank, size
        self._context = Context()
        self._guard = ThreadAuthenticator(self._context)
        self._guard.start()
        self._guard.configure_curve_callback(domain="*", credentials_provider=_Only(seat.previous_key))
        self._before, self._behind = (self._socket(kind, seat) for kind in (SocketType.PULL, SocketType.PUSH))
        self._before.curve_server = True
        self._before.bind(seat.address)
        self._behind.curve_serverkey = seat.next_key.encode()
        self._behind.connect(seat.next_address)

    def _socket(self, kind: int, seat: Seat) -> Any:
        made = self._context.socket(kind)
        made.ipv6 = True  # it takes the other kind as well, as neighbours may have
        made.curve_publickey, made.curve_secretkey = seat.public_key.encode(), seat.secret_key.encode()
        return made

    def sum(self, vector: NDArray[Any]) -> NDArray[Any]:
        """The sum over all ranks' vectors, shape (n,). Waits for the others."""
        total: NDArray[Any] = np.array(vector)
        parts, size = np.array_split(total, self._size), self._size
        for step in range(size - 1):  # until each rank has the sum of the part behind its own number
            self._behind.send(parts[(self._rank - step) % size])
            parts[(self._rank - step - 1) % size] += self._heard(total.dtype)
        for step in range(size - 1):
            self._behind.send(parts[(self._rank - step + 1) % size])
            parts[(self._rank - step) % size][:] = self._heard(total.dtype)
        return total

    def _heard(self, kind: np.dtype[Any]) -> NDArray[Any]:
        return np.frombuffer(self._before.recv(), kind)

    def leave(self) -> None:
        """Part from the ring once all has been sent."""
        self._behind.close(linger=_MS_TO_LEAVE)
        self._before.close(linger=0)
        self._guard.stop()
        self._context.term()
