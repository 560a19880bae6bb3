"""Epochs on their way from the first rank to the driver while it trains. Training never depends on it."""

from __future__ import annotations

import contextlib
import contextvars
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Self

from experiments.training import handshake

logger = logging.getLogger(__name__)

_SECONDS_TO_CONNECT = 3
_SECONDS_TO_DRAIN = 5
_LONGEST_LINE = 1 << 16
_END = "end"


class Sender:
    """Sends lines to the driver, as long as that can be reached.

    Args:
        address: of the driver; None sends nothing.
        token: which the driver knows.
    """

    def __init__(self, address: tuple[str, int] | None, token: str) -> None:
        self._socket: socket.socket | None = None
        if address is not None:
            with contextlib.suppress(OSError):
                peer = socket.create_connection(address, _SECONDS_TO_CONNECT)
                handshake.show(peer, token)
                self._socket = peer

    def send(self, line: str) -> None:
        if self._socket is None:
            return
        try:
            self._socket.sendall(f"{line}\n".encode())
        except OSError:
            self._socket = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._socket is not None:
            self._socket.close()


@contextlib.contextmanager
def listening(host: str, token: str, hear: Callable[[dict[str, Any]], None]) -> Iterator[tuple[str, int] | None]:
    """Hear each line that comes from whoever knows the token, until the end of the block. Runs on the driver.

    Args:
        hear: called in another thread with the caller's context variables, one line at a time.

    Yields:
        The address, or None where no port can be had.
    """
    try:
        server = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError:
        yield None
        return
    context, ended, hearing = contextvars.copy_context(), threading.Event(), list[threading.Thread]()

    def accept() -> None:
        while True:
            try:
                peer, _ = server.accept()
            except OSError:
                return
            thread = threading.Thread(target=context.copy().run, args=(_hear, peer, token, hear, ended), daemon=True)
            hearing.append(thread)
            thread.start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield server.getsockname()[:2]
    finally:
        # Comes in behind all who have connected before, who are then heard to their ends.
        with Sender(server.getsockname()[:2], token) as last:
            last.send(_END)
        ended.wait(_SECONDS_TO_DRAIN)
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        server.close()
        until = time.monotonic() + _SECONDS_TO_DRAIN
        for thread in hearing:
            thread.join(max(0.0, until - time.monotonic()))


def _hear(peer: socket.socket, token: str, hear: Callable[[dict[str, Any]], None], ended: threading.Event) -> None:
    with contextlib.suppress(OSError, ValueError), peer:
        if not handshake.is_known(peer, token):
            return
        with peer.makefile("rb") as lines:
            while line := lines.readline(_LONGEST_LINE):
                if line.strip() == _END.encode():
                    ended.set()
                else:
                    heard_or_warned(json.loads(line), hear)


def heard_or_warned(told: dict[str, Any], hear: Callable[[dict[str, Any]], None]) -> None:
    """Hand on an epoch; that it cannot be recorded must not end the training."""
    try:
        hear(told)
    except Exception as error:  # a store that does not answer, mostly
        logger.warning("epoch %s could not be recorded yet: %s", told.get("epoch"), error)
