"""Secrets out of what is shown or recorded: by the structure of texts and the words of keys."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

REDACTED = "[redacted]"

# A key is a secret's where one of its words ends like this,
_ENDS = ("password", "passwords", "passwd", "pwd", "passphrase", "passcode", "secret", "secrets", "apikey")
# or is one of these,
_ANYWHERE = {
    *("credential", "credentials", "accesskey", "secretkey", "privatekey", "accountkey", "accesstoken", "authtoken"),
    *("connectionstring", "sharedaccesssignature", "authorization", "userpass", "dbpass"),
}
# or the last one is one of these, unless the value is a number,
_LAST = {"pass", "token", "auth", "dsn", "sig", "signature", "sas", "bearer", "cookie", "pat"}
# (tokens of texts are not: `oov_token`)
_OF_TEXTS = {*("oov", "pad", "mask", "unk", "bos", "eos", "cls", "sep", "start", "end", "stop", "special")}
# or where two of them stand together, the second in the plural too.
_PAIRS = {
    *(("private", "key"), ("access", "key"), ("api", "key"), ("account", "key"), ("secret", "key"), ("storage", "key")),
    *(("encryption", "key"), ("shared", "key"), ("license", "key"), ("ssh", "key"), ("connection", "string")),
    *(("sas", "fixed"), ("sas", "container"), ("pass", "phrase"), ("pass", "word")),
}
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")

# The word behind `://`. Bounds and possessive repetitions (`*+`) here and below keep long texts from taking long.
_ADDRESS = re.compile(r"://(?P<word>[^\s\"'`]{1,4000})")
_HOSTS = re.compile(r"(?:[\w.\-]+|\[[\w:.%]+\])(?::\d{1,5})?(?:,[\w.\-]+(?::\d{1,5})?)*")
_NAMED_CONTAINER = re.compile(r"(?:abfs|wasb)s?$", re.I)  # their user is a folder
_ORACLE = re.compile(r"(?i)(?<=jdbc:oracle:)(thin|oci8?):[^\s@/\"'`]{1,1000}+/[^\s\"'`]{0,1000}@")
_HEADER = re.compile(
    r"(?i)\b((?:(?:proxy-)?authorization\\*+[\"']?[ \t]*+[:=]|(?:set-)?cookie:(?=[^\"'\r\n=]{0,100}=))"
    r"[ \t]*+\\*+[\"']?)"
    r"(?!\[redacted\])[^\"'\r\n]+"
)
_SCHEME = re.compile(r"(?i)\b(bearer|basic)[ \t]++(?=[^\s\"',;]{0,4000}[\d+/=._-])[A-Za-z0-9+/=._~-]{8,}")
_KNOWN = re.compile(
    r"(?s)-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)"
    r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"  # AWS
    r"|(?<![\w-])eyJ[\w-]{8,4000}+\.[\w-]{8,4000}+\.[\w-]+"  # a JSON web token
    r"|\bya29\.[\w-]{10,}|\bAIza[\w-]{35}"  # Google
    r"|\bgh[pousr]_\w{20,}|\bglpat-[\w-]{16,}|\bdapi[0-9a-f]{32}\b|\bhf_[A-Za-z0-9]{30,}|\bxox[abprs]-[\w-]{10,}"
)
# What a query of a signed address has; `key` and `code` are other things too.
_SIGNED = re.compile(
    r"(?i)([?&;](?:(?:sig|signature|x-(?:amz|goog)-(?:signature|credential|security-token)|awsaccesskeyid"
    r"|googleaccessid|auth|token|access_token|id_token)=|(?:key|code)=(?=[^&#\s\"';]{16})))(?!\[redacted\])[^&#\s\"';]+"
)
_ASSIGNED = re.compile(
    r"(?<![\w.\-])(?P<key>\w[\w.\-]*+)(?P<sign>\\*+[\"']?[ \t]*+(?:=>|[:=])[ \t]*+)"
    r"|(?<!\S)--?(?P<option>[A-Za-z][\w.\-]*+)[ \t]++(?=[^\s\-])"
)
_OPENING = re.compile(r"[bruf]{0,2}(?P<quote>\\*[\"'])")
_QUOTE = re.compile(r"(?<!\\)(?P<slashes>\\*+)(?P<sign>[\"'])")
_UNQUOTED = re.compile(r"(?:[^\s&;,\"'}\])\\]|[,)\]}](?=[^\s,;&\"'}\])])|\\(?!\\*[\"']))+")
_LONGEST_VALUE = 20_000


def is_secret(key: str) -> bool:
    """Whether a key is that of a password, a token or the like, in whatever spelling."""
    return _is_surely_secret(key) or _may_be_secret(key)


def _is_surely_secret(key: str) -> bool:
    words = _words(key)
    together = ((first, second.removesuffix("s")) for first, second in pairwise(words))
    return any(word.endswith(_ENDS) or word in _ANYWHERE for word in words) or not _PAIRS.isdisjoint(together)


def _may_be_secret(key: str) -> bool:
    words = _words(key)
    return bool(words) and words[-1] in _LAST and not (len(words) > 1 and words[-2] in _OF_TEXTS)


def _words(key: str) -> list[str]:
    return [word.lower() for word in _WORDS.findall(key)]


def redact(value: Any, key: str = "") -> Any:
    """The same values without secrets: those under telling keys, and what `redact_text` finds in texts."""
    if isinstance(value, Mapping):
        return {name: redact(item, f"{key}.{name}" if key else str(name)) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact(item, key) for item in value]
    if value not in (None, "") and (_is_surely_secret(key) or (_may_be_secret(key) and not _is_number(value))):
        return REDACTED
    return redact_text(value) if isinstance(value, str) else value


def redact_text(text: str) -> str:
    """A text without what signs an address, the users and passwords of URIs, headers, known forms of tokens, and what
    is assigned to a telling key by `key=…`, `key: …`, `--key …`, JSON, YAML or a query. Twice is as good as once."""
    text = _KNOWN.sub(REDACTED, text)
    text = _HEADER.sub(rf"\1{REDACTED}", text)
    text = _SCHEME.sub(rf"\1 {REDACTED}", text)
    text = _ORACLE.sub(rf"\1:{REDACTED}@", text)
    text = _ADDRESS.sub(_without_user, text)
    text = _SIGNED.sub(rf"\1{REDACTED}", text)
    return "".join(_without_assigned(text))


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _without_user(found: re.Match[str]) -> str:
    """Passwords have signs that URIs do not allow, so that a user with one ends at the last @ of the word."""
    word = found["word"]
    first = re.split(r"[/?#]", word, maxsplit=1)[0]  # the authority, unless a password has one of these
    user, at, _ = first.partition("@")
    if ":" in user and not (_HOSTS.fullmatch(first)):
        end = word.rfind("@")
    elif at and not _NAMED_CONTAINER.search(found.string, max(0, found.start() - 5), found.start()):
        end = first.rfind("@")
    else:
        return found[0]
    return found[0] if end < 0 else f"://{REDACTED}{word[end:]}"


def _without_assigned(text: str) -> Iterator[str]:
    """The text in parts."""
    kept = 0
    for found in _ASSIGNED.finditer(text):
        key = found["key"] or found["option"]
        if found.start() < kept or not is_secret(key) or text.startswith(REDACTED, found.end()):
            continue
        start, end = _value(text, found)
        if end <= start or text.startswith(REDACTED, start):
            continue
        if not _is_surely_secret(key) and _is_number(text[start:end]):
            continue
        yield text[kept:start]
        yield REDACTED
        kept = end
    yield text[kept:]


def _value(text: str, found: re.Match[str]) -> tuple[int, int]:
    """Where a value begins and ends: between quotes, a line and what is below it, or a word."""
    at = found.end()
    opening = _OPENING.match(text, at)
    if opening is not None:
        return opening.end(), _closing(text, opening["quote"], opening.end())
    line = text.rfind("\n", 0, found.start()) + 1
    before = text[line : found.start()]
    if found["sign"] is not None and found["sign"].rstrip().endswith(":") and not before.strip(" \t-"):
        end = _end_of_line(text, at)
        indented = re.compile(rf"(?:\n(?:[ \t]{{{len(before) + 1},}}|[ \t]{{{len(before)}}}- )[^\n]*+)*+")
        below = indented.match(text, end)
        if text[at:end].strip() in ("", "|", ">", "|-", ">-", "|+", ">+") and below is not None:
            return at, below.end()
        return at, end
    word = _UNQUOTED.match(text, at)
    return at, word.end() if word is not None else at


def _closing(text: str, quote: str, start: int) -> int:
    """Where a quoted text ends; without its second quote the line does."""
    end, skipped = min(len(text), start + _LONGEST_VALUE), -1
    for found in _QUOTE.finditer(text, start, end):
        slashes, sign = found["slashes"], found["sign"]
        if sign != quote[-1] or found.start("sign") == skipped:
            continue
        if sign == "'" and not slashes and text.startswith("''", found.start("sign")):  # YAML's for one
            skipped = found.start("sign") + 1
            continue
        if len(slashes) % 2 == 0 if len(quote) == 1 else len(slashes) == len(quote) - 1:
            return found.start()
    return _end_of_line(text, start)


def _end_of_line(text: str, start: int) -> int:
    end = text.find("\n", start)
    return len(text) if end < 0 else end
