"""Values as people type them, in quotes where Hydra could not read them without."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from dataclasses import fields
from enum import Enum
from typing import Any, TypeVar, get_type_hints

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from experiments.config.schema import Config, DataConfig
from experiments.errors import in_hydra_quotes
from experiments.redaction import REDACTED, redact

# Their keys are Spark's, whose values are texts.
SETTINGS = ("cluster.conf.", "data.options.")
Made = TypeVar("Made")
_CLOSING = {"[": "]", "{": "}", "(": ")"}


class Kind(Enum):
    """What a key takes that takes texts."""

    text = "a text"
    texts = "a list of texts"
    either = "a text, a list of them, or a number"


def parsed(word: str) -> Override | None:
    """A word as Hydra reads it; None where it cannot."""
    try:
        return OverridesParser.create().parse_override(word)
    except HydraException:
        return None


def kind_of(key: str) -> Kind | None:
    """What a key takes, as the schema says; None of a key that does not take texts."""
    key = key.lstrip("+")
    return Kind.either if key.startswith(SETTINGS) else _kinds().get(key)


def readable(word: str) -> str:
    """A word with its value in quotes, where its key takes a text and Hydra would read another one or none.

    Brackets at the beginning, quotes and commas keep their meaning, so that lists and sweeps stay what they are.
    """
    key, equals, value = word.partition("=")
    kind = kind_of(key)
    if not equals or kind is None:
        return word
    values = _all(_readable_value(each, kind) for each in _split(value))
    if not values or parsed(f"{key}=1") is None:
        return word
    spelt = f"{key}={','.join(values)}"
    return spelt if spelt == word or parsed(spelt) else word


def as_text(key: str, text: str) -> str | None:
    """The word that sets a key to a text; None where there is none that can be shown."""
    return _checked(f"{key}={text}", text) or _checked(f"{key}={in_hydra_quotes(text)}", text)


def as_list(key: str, text: str) -> str | None:
    """The word that sets a key to a list of one text."""
    return _checked(f"{key}=[{text if parsed(f'x={text}') else in_hydra_quotes(text)}]", [text])


def spelling(word: str) -> str | None:
    """A word whose value Hydra cannot read, spelt so that it can: what reads as a value or a list stays that, all else
    is text. None where nothing says what was meant, or it cannot be shown."""
    key, _, value = word.partition("=")
    if kind_of(key) is Kind.text:
        return as_text(key, value)
    repaired = _repaired(value)
    return None if repaired is None else _checked(f"{key}={repaired[0]}", repaired[1])


def shown_value(key: str, value: str) -> str:
    """What was typed behind a key, secrets out."""
    return str(redact(value, key))


def _checked(word: str, meant: object) -> str | None:
    """A word, if Hydra reads in it what was meant, and a screen may show it whole."""
    read = parsed(word)
    key, _, value = word.partition("=")
    if read is None or read.is_sweep_override() or read.value() != meant:
        return None
    if not word.isprintable() or REDACTED in shown_value(key, value):
        return None
    return word


def _readable_value(value: str, kind: Kind) -> str | None:
    """One value, quoted if that is needed and leaves no doubt; None where there is doubt."""
    read = parsed(f"x={value}")
    if read is not None:
        # A text such as 1.10 or true, which Hydra would spell anew.
        respelt = isinstance(read.value(), bool | int | float) and str(read.value()) != value.strip()
        return in_hydra_quotes(value.strip()) if respelt and kind is Kind.text else value
    if kind is not Kind.text and _is_enclosed(value, "["):
        items = _all(_readable_value(item, Kind.text) for item in _split(value.strip()[1:-1]))
        return f"[{','.join(items)}]" if items else None
    return None if _is_doubtful(value) else in_hydra_quotes(value.strip())


def _repaired(value: str) -> tuple[str, Any] | None:
    """A spelling that Hydra reads, and what it means: lists and mappings of which all that cannot be read is text."""
    read = parsed(f"x={value}")
    if read is not None:
        return None if read.is_sweep_override() else (value.strip(), read.value())
    if not (_is_enclosed(value, "[") or _is_enclosed(value, "{")):
        return None if _is_doubtful(value) else (in_hydra_quotes(value.strip()), value.strip())
    items = _split(value.strip()[1:-1])
    if value.lstrip()[0] == "[":
        values = _all(map(_repaired, items))
        return (f"[{','.join(spelt for spelt, _ in values)}]", [meant for _, meant in values]) if values else None
    keys = [item.partition(":")[0].strip() for item in items]
    values = _all(_repaired(item.partition(":")[2]) for item in items)
    pairs = ",".join(f"{key}:{spelt}" for key, (spelt, _) in zip(keys, values, strict=False))
    return (f"{{{pairs}}}", {key: meant for key, (_, meant) in zip(keys, values, strict=True)}) if values else None


def _all(values: Iterable[Made | None]) -> list[Made]:
    """All of them; none if any is None."""
    made = list(values)
    return [] if None in made else [each for each in made if each is not None]


def _split(value: str) -> list[str]:
    """A value at its commas outside of brackets and of quotes around a whole part; nothing if brackets do not match, or
    commas part nothing."""
    if not value.replace(",", "").strip():
        return [value]
    starts, open_to = [0], []
    for place, char in _outside_quotes(value):
        if char in _CLOSING:
            open_to.append(_CLOSING[char])
        elif char in _CLOSING.values():
            if not open_to or open_to.pop() != char:
                return [] if "," in value else [value]
        elif char == "," and not open_to:
            starts.append(place + 1)
    ends = [start - 1 for start in starts[1:]]
    parts = [value[start:end] for start, end in zip(starts, [*ends, len(value)], strict=True)]
    return [value] if len(parts) == 1 else [] if open_to or not all(map(str.strip, parts)) else parts


def _outside_quotes(value: str) -> Iterator[tuple[int, str]]:
    """Each character with its place, but for parts in quotes. An apostrophe within a word is none."""
    place, may_begin = 0, True
    while place < len(value):
        char = value[place]
        end = _end_of_quotes(value, place) if may_begin and char in "'\"" else None
        if end is None:
            yield place, char
            may_begin = char in ",[{(:" or (may_begin and char.isspace())
        place = place + 1 if end is None else end


def _end_of_quotes(value: str, start: int) -> int | None:
    found = re.compile(rf"{value[start]}(\\.|[^\\])*?{value[start]}", re.DOTALL).match(value, start)
    return found.end() if found else None


def _is_quoted(value: str) -> bool:
    """Whether it begins with quotes that are closed somewhere."""
    text = value.lstrip()
    return text[:1] in ("'", '"') and _end_of_quotes(text, 0) is not None


def _is_doubtful(value: str) -> bool:
    """Whether it begins as a list, a mapping or a quoted text does, and may have been meant as one."""
    return value.lstrip()[:1] in ("[", "{") or _is_quoted(value)


def _is_enclosed(value: str, opening: str) -> bool:
    """Whether the bracket that it begins with is the one that it ends with."""
    text, depth = value.strip(), 0
    for place, char in _outside_quotes(text):
        depth += (char == opening) - (char == _CLOSING[opening])
        if depth == 0:
            return place == len(text) - 1 and place > 0
    return False


@functools.cache
def _kinds() -> dict[str, Kind]:
    """Of each key of the schema that takes texts, a data set's whatever it is read from."""
    kinds = {}
    for group in fields(Config):
        owner = get_type_hints(Config)[group.name]
        owners = [owner, *DataConfig.__subclasses__()] if owner is DataConfig else [owner]
        named = [(f"{group.name}.{name}", hint) for each in owners for name, hint in _hints(each).items()]
        for key, hint in named or [(group.name, owner)]:
            if hint in (str, str | None):
                kinds[key] = Kind.text
            elif hint == list[str]:
                kinds[key] = Kind.texts
            elif hint is Any:
                kinds[key] = Kind.either
    return kinds


def _hints(owner: Any) -> dict[str, Any]:
    return get_type_hints(owner) if hasattr(owner, "__dataclass_fields__") else {}
