"""Epochs on their way from the first rank to the driver while it trains. Training never depends on it."""

from __future__ import annotations

import contextlib
import contextvars
import hmac
import json
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any, Self

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
                self._socket = socket.create_connection(address, _SECONDS_TO_CONNECT)
                self._socket.sendall(f"{token}\n".encode())

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
    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(_serve, server, token, hear), daemon=True)
    thread.start()
    try:
        yield server.getsockname()[:2]
    finally:
        # Behind all who have connected before, so that what they say is heard.
        with Sender(server.getsockname()[:2], token) as last:
            last.send(_END)
        thread.join(_SECONDS_TO_DRAIN)
        server.close()


def _serve(server: socket.socket, token: str, hear: Callable[[dict[str, Any]], None]) -> None:
    while True:
        try:
            peer, _ = server.accept()
        except OSError:
            return
        with contextlib.suppress(OSError, ValueError), peer, peer.makefile("rb") as lines:
            peer.settimeout(_SECONDS_TO_CONNECT)
            if not hmac.compare_digest(lines.readline(_LONGEST_LINE).strip(), token.encode()):
                continue
            peer.settimeout(None)
            while line := lines.readline(_LONGEST_LINE):
                if line.strip() == _END.encode():
                    return
                heard_or_warned(json.loads(line), hear)


def heard_or_warned(told: dict[str, Any], hear: Callable[[dict[str, Any]], None]) -> None:
    """Hand on an epoch; that it cannot be recorded must not end the training."""
    try:
        hear(told)
    except Exception as error:  # a store that does not answer, mostly
        logger.warning("epoch %s could not be recorded yet: %s", told.get("epoch"), error)
