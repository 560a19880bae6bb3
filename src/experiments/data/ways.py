"""Texts that can be read in two ways, as 1,234 and 04/12/2023: what other columns tell, and what is said of others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from experiments.data.made import made_by_query
from experiments.data.spelling import Look, Spelling
from experiments.errors import override

_KEYS = ("decimal", "thousands", "date_format")


@dataclass(frozen=True)
class Way:
    """The other way to read a column.

    Attributes:
        example: one of its values.
        otherwise: what that is in the other way, in words.
        words: that read it so; empty where a query reads the column.
        now: words that read it as it is read now.
        keys: of the data's config, which those words set.
    """

    example: str
    otherwise: str
    words: str
    now: str
    keys: tuple[str, ...]


def agreed(looks: Mapping[str, Look]) -> dict[str, Look]:
    """Columns that can be read in two ways in the one that another column surely has."""
    sure = [look for look in looks.values() if look.other is None and not look.may_be_thousands]
    decimals = {
        look.spelling.decimal for look in sure if look.kind == "numbers" and look.spelling.decimal in look.example
    }
    formats = {look.spelling.date_format for look in sure if look.kind == "dates"}
    return {name: _agreeing(look, decimals, formats) for name, look in looks.items()}


def _agreeing(look: Look, decimals: set[str], formats: set[str | None]) -> Look:
    if look.other is None:
        return look
    ways, is_date = (look.spelling, look.other), look.kind == "dates"
    agreeing = [way for way in ways if (way.date_format in formats if is_date else way.decimal in decimals)]
    return replace(look, spelling=agreeing[0], other=None) if len(agreeing) == 1 else look


def other_ways(looks: Mapping[str, Look], known: Spelling) -> dict[str, Way]:
    """Of the columns that can be read in two ways the other one.

    Args:
        known: what the config says of spellings.
    """
    made, found = made_by_query(looks, known), {}
    for name, look in looks.items():
        if look.other is None:
            continue
        keys = tuple(key for key in _KEYS if getattr(look.other, key) != getattr(look.spelling, key))
        now, words = (_words(keys, way) for way in (look.spelling, look.other))
        otherwise = "a number with decimals" if look.kind == "numbers" else "a day of another month"
        example = " ".join(look.example.split())  # on one line, as in the comment of a file
        found[name] = Way(example, otherwise, "" if name in made else words, now, keys)
    return found


def _words(keys: tuple[str, ...], way: Spelling) -> str:
    """Also those that take back what the other way says."""
    values = {f"data.{key}": getattr(way, key) for key in keys}
    return " ".join(f"{key}=null" if value is None else override(key, value) for key, value in values.items())
