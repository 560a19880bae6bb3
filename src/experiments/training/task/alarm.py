"""How the tasks of one training tell each other that a rank has failed, so that the others do not wait for it."""

from __future__ import annotations

import contextlib
import socket
import threading

from experiments.training import handshake

_ALARM, _FAREWELL = b"!", b"."


class Alarm:
    """Rings in all tasks once it rings in one, or once one of them is gone. The first rank's task passes it on.

    Args:
        token: which all tasks know and nobody else.

    Attributes:
        ringing: set when it rings.
    """

    def __init__(self, token: str) -> None:
        self.ringing = threading.Event()
        self._token = token
        self._peers: list[socket.socket] = []
        self._server: socket.socket | None = None
        self._closing = False
        self._lock = threading.Lock()

    def listen(self, host: str) -> int:
        """Wait for the others; returns the port."""
        self._server = socket.create_server((host, 0), family=_family(host))
        threading.Thread(target=self._accept, daemon=True).start()
        port: int = self._server.getsockname()[1]
        return port

    def connect(self, host: str, port: int) -> None:
        """Be told by, and tell, the one that listens."""
        peer = socket.create_connection((host, port), handshake.SECONDS)
        peer.settimeout(None)
        handshake.show(peer, self._token)
        self._add(peer)

    def ring(self) -> None:
        """Tell all."""
        self.ringing.set()
        with self._lock:
            for peer in self._peers:
                with contextlib.suppress(OSError):
                    peer.sendall(_ALARM)

    def close(self) -> None:
        """Part without alarm."""
        self._closing = True
        with self._lock:
            for peer in self._peers:
                with contextlib.suppress(OSError):
                    peer.sendall(_FAREWELL)
            for each in [*self._peers, *([self._server] if self._server else [])]:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
                each.close()

    def _accept(self) -> None:
        assert self._server is not None
        while True:
            try:
                peer, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._admit, args=(peer,), daemon=True).start()

    def _admit(self, peer: socket.socket) -> None:
        """Take one who knows the token."""
        if handshake.is_known(peer, self._token):
            self._add(peer)
        else:
            peer.close()

    def _add(self, peer: socket.socket) -> None:
        with self._lock:
            self._peers.append(peer)
        if self.ringing.is_set():
            with contextlib.suppress(OSError):
                peer.sendall(_ALARM)
        threading.Thread(target=self._hear, args=(peer,), daemon=True).start()

    def _hear(self, peer: socket.socket) -> None:
        said = b""
        with contextlib.suppress(OSError):
            said = peer.recv(1)
        # Either it rings there, or whoever was there is gone without a word.
        if said != _FAREWELL and not self._closing and not self.ringing.is_set():
            self.ring()


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
