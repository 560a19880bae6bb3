"""Secrets out of what is shown or recorded."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_SECRET_KEY = re.compile(
    r"(pass(word|wd|phrase)?|pwd|secret|token(?![a-z])|credentials?|private.?key|access.?key|api.?key|account.?key)",
    re.I,
)
_URI_USER = re.compile(r"(?<=://)[^/@\s]+@")
_ASSIGNED_SECRET = re.compile(r"(?i)((?:password|passwd|pwd|secret|token|api_?key)\s*\\?=\s*)[^&;\s]+")
REDACTED = "[redacted]"


def redact(value: Any, key: str = "") -> Any:
    """The same values without passwords: those under telling keys, inside URIs, and as `password=…` in a text."""
    if isinstance(value, Mapping):
        return {name: redact(item, str(name)) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact(item, key) for item in value]
    if value not in (None, "") and _SECRET_KEY.search(key):
        return REDACTED
    return redact_text(value) if isinstance(value, str) else value


def redact_text(text: str) -> str:
    """A text without the user part of its URIs and without what follows `password=` and its like."""
    return _ASSIGNED_SECRET.sub(rf"\1{REDACTED}", _URI_USER.sub(f"{REDACTED}@", text))
