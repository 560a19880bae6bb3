"""How the processes of one training know each other: a secret that is asked for and never sent."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import socket

SECONDS = 10
_BYTES = 32


def is_known(peer: socket.socket, token: str) -> bool:
    """Ask whoever has connected to show that it knows the token: the HMAC-SHA256 of a nonce that is never used again.

    A stranger, one who is silent for `SECONDS`, and one who is gone are not known.
    """
    nonce = secrets.token_bytes(_BYTES)
    try:
        peer.settimeout(SECONDS)
        peer.sendall(nonce)
        answer = _received(peer)
        peer.settimeout(None)
    except OSError:
        return False
    return hmac.compare_digest(answer, _answer(token, nonce))


def show(peer: socket.socket, token: str) -> None:
    """Answer the one who was connected to, so that it knows us.

    Raises:
        OSError: it does not ask.
    """
    before = peer.gettimeout()
    peer.settimeout(SECONDS)
    peer.sendall(_answer(token, _received(peer)))
    peer.settimeout(before)


def _received(peer: socket.socket) -> bytes:
    said = b""
    while len(said) < _BYTES and (part := peer.recv(_BYTES - len(said))):
        said += part
    if len(said) < _BYTES:
        raise ConnectionError("gone in the middle of a handshake")
    return said


def _answer(token: str, nonce: bytes) -> bytes:
    return hmac.digest(token.encode(), nonce, hashlib.sha256)
