"""Texts among numbers and dates that mean more than a gap: limits such as <0.5, and rows that sum up others."""

from __future__ import annotations

import re
from collections.abc import Mapping

from experiments.data.made import with_made
from experiments.data.names import quoted
from experiments.data.spelling import Look
from experiments.data.totals import is_total, without_totals
from experiments.errors import override

_LIMIT = re.compile(r"[<>≤≥]\s*=?\s*[-+]?[\d.,]+")


def said_of_tokens(looks: Mapping[str, Look], query: str | None) -> str:
    """What to do about such texts, to be put behind what reads them as missing; nothing without one.

    Args:
        looks: of columns.
        query: that there is already.
    """
    limits = {name: text for name, look in looks.items() for text in look.tokens if _LIMIT.fullmatch(text.strip())}
    totals = {name: text for name, look in looks.items() for text in look.tokens if is_total(text)}
    if not limits and not totals:
        return ""
    said, does = [], []
    if limits:
        said += [f"'{text}' in '{name}' is a limit and no gap" for name, text in limits.items()]
        does += ["reads limits as the numbers that they name"]
        query = with_made({name: f"regexp_replace({quoted(name)}, '^[<>≤≥= ]+', '')" for name in limits}, query)
    if totals:
        said += [f"'{text}' in '{name}' names a row that sums up others" for name, text in totals.items()]
        does += ["leaves out rows that sum up others"]
        query = without_totals(totals, query)
    return f"; {', '.join(said)}: {override('data.query', query or '')} {' and '.join(does)}"
