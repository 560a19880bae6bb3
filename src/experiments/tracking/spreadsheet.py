"""Texts of a user's data in CSV files, which spreadsheets open and obey."""

from __future__ import annotations

from typing import Any

_BEGIN_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def cell(value: Any) -> Any:
    """A value that no spreadsheet takes for a formula: a text that begins like one gets a quote, which it hides.
    Numbers stay."""
    if not isinstance(value, str) or not value.startswith(_BEGIN_FORMULAS):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value
