"""Types of columns by Spark's short names, as far as more than one room tells them apart."""

from __future__ import annotations

WHOLE = ("bigint", "int", "smallint", "tinyint")
DECIMALS = ("double", "float", "decimal")
NUMBERS = (*DECIMALS, *WHOLE)
DATES = ("date", "timestamp", "timestamp_ntz")


def base_of(kind: str) -> str:
    """A type without its arguments: `decimal` of `decimal(10,2)`."""
    return kind.partition("(")[0]


def is_numbers(kind: str) -> bool:
    """Whether a type is an array of numbers."""
    return kind.startswith("array<") and base_of(kind.removeprefix("array<").removesuffix(">")) in NUMBERS
