"""Texts that mean one thing and are written in two ways, which a model learns as two."""

from __future__ import annotations

import unicodedata


def letters(text: str) -> str:
    """What texts have in common that a person reads as one: no blanks around them, no capitals, one way to encode."""
    return unicodedata.normalize("NFC", text).strip().lower()


def is_encoded_otherwise(one: str, other: str) -> bool:
    """Whether two texts are the same letters in other characters, as an umlaut that is one or two of them."""
    return unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other)


def said_of_variants(name: str, one: str, other: str, what: str) -> str:
    """The sentence for a column; of what looks the same with the numbers of its characters, and what makes it one.

    Args:
        what: they are taken for.
    """
    if is_encoded_otherwise(one, other):
        return (
            f"data has values in '{name}' that look the same and are other characters, such as {one!a} and "
            f"{other!a}, which are {what}: write the file anew with unicodedata.normalize('NFC', text)"
        )
    return (
        f"data has values in '{name}' that differ in blanks or capitals only, such as {one!r} and {other!r}, which are "
        f"{what}"
    )
