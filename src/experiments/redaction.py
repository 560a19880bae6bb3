"""Secrets out of what is shown or recorded: by the structure of texts and the words of keys."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

REDACTED = "[redacted]"

# A key is a secret's where one of these is among its words,
_ANYWHERE = {
    *("password", "passwd", "pwd", "passphrase", "passphrases", "passwords", "secret", "secrets"),
    *("credential", "credentials", "apikey", "accesskey", "secretkey", "privatekey", "accountkey", "accesstoken"),
    *("authtoken", "connectionstring", "keypassword", "storepassword", "sharedaccesssignature", "authorization"),
}
# or is the last of them,
_LAST = {*("pass", "token", "auth", "dsn", "sig", "signature", "sas", "bearer", "cookie", "pat")}
# or two that stand together.
_PAIRS = {
    *(("private", "key"), ("access", "key"), ("api", "key"), ("account", "key"), ("secret", "key"), ("storage", "key")),
    *(("encryption", "key"), ("shared", "key"), ("connection", "string"), ("sas", "token"), ("session", "token")),
    *(("fixed", "token"), ("sas", "fixed"), ("sas", "container"), ("pass", "phrase"), ("license", "key")),
}
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

_QUOTES = "\"'`"
# Up to the last @ of the word: passwords have signs that URIs do not allow. A port before the first slash is a host's,
# whose path may have an @.
_URI_USER = re.compile(rf"(?<=://)(?:[^/@\s{_QUOTES}]*|(?![^/:\s{_QUOTES}]*:\d{{1,5}}/)[^/:\s{_QUOTES}]*:[^\s{_QUOTES}]{{0,1000}})"
                       rf"@(?:[^\s{_QUOTES}]{{0,1000}}@)?(?=[\w.\-\[])")  # fmt: skip
_ORACLE = re.compile(rf"(?i)(?<=jdbc:oracle:)(thin|oci8?|oci):[^\s@/{_QUOTES}]+/[^\s{_QUOTES}]{{0,1000}}@")
_HEADER = re.compile(
    r"(?i)\b((?:proxy-)?authorization\\?[\"']?\s*[:=]\s*\\?[\"']?)(?:(?:basic|bearer|digest|token|negotiate)\s+)?"
    r"(?:AWS4-HMAC-SHA256[^\"'\r\n]*|[^\s\"',;]+)"
)
_SCHEME = re.compile(r"(?i)\b(bearer|basic)\s+(?=[^\s\"',;]*[\d+/=._-])[A-Za-z0-9+/=._~-]{8,}")
_ASSIGNED = re.compile(r"(?<![\w.\-])(?P<key>\w[\w.\-]*+)\\*+[\"']?[ \t]*+(?:=>|[:=])[ \t]*+")
_VALUE = re.compile(r"(?P<quote>\\*+[\"']).{0,4000}?(?P=quote)|[^\s&;,\"'}\])\\]+", re.DOTALL)
_KNOWN = re.compile(
    r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"  # AWS
    r"|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]+"  # a JSON web token
    r"|\bya29\.[\w-]{10,}|\bAIza[\w-]{35}"  # Google
    r"|\bgh[pousr]_\w{20,}|\bglpat-[\w-]{16,}|\bdapi[0-9a-f]{32}\b|\bhf_\w{20,}|\bxox[abprs]-[\w-]{10,}"
)
# What a query of a signed address has.
_SIGNED = re.compile(
    r"(?i)([?&;](?:sig|signature|x-(?:amz|goog)-(?:signature|credential|security-token)|awsaccesskeyid|googleaccessid"
    r"|key|code|auth|token|access_token|id_token)=)[^&#\s\"';]+"
)


def is_secret(key: str) -> bool:
    """Whether a key is that of a password, a token or the like, in whatever spelling."""
    words = [word.lower() for word in _WORDS.findall(key)]
    if not words:
        return False
    return not _ANYWHERE.isdisjoint(words) or words[-1] in _LAST or not _PAIRS.isdisjoint(pairwise(words))


def redact(value: Any, key: str = "") -> Any:
    """The same values without secrets: those under telling keys, and what `redact_text` finds in texts."""
    if isinstance(value, Mapping):
        return {name: redact(item, str(name)) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact(item, key) for item in value]
    if value not in (None, "") and is_secret(key):
        return REDACTED
    return redact_text(value) if isinstance(value, str) else value


def redact_text(text: str) -> str:
    """A text without what signs an address, the users and passwords of URIs, headers, known forms of tokens, and what
    is assigned to a telling key by `key=…`, `key: …`, JSON or a query."""
    text = _KNOWN.sub(REDACTED, text)
    text = _HEADER.sub(rf"\1{REDACTED}", text)
    text = _SCHEME.sub(rf"\1 {REDACTED}", text)
    text = _ORACLE.sub(rf"\1:{REDACTED}@", text)
    text = _URI_USER.sub(f"{REDACTED}@", text)
    text = _SIGNED.sub(rf"\1{REDACTED}", text)
    return _without_assigned(text)


def _without_assigned(text: str) -> str:
    parts, kept = [], 0
    for found in _ASSIGNED.finditer(text):
        if found.start() < kept or not is_secret(found["key"]):
            continue
        value = _VALUE.match(text, found.end())
        if value is not None and REDACTED not in value[0]:
            quote = value["quote"] or ""
            parts += [text[kept : found.end()], quote, REDACTED, quote]
            kept = value.end()
    return "".join([*parts, text[kept:]])
