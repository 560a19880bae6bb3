"""Words beside numbers, as in `75,270 km`: those that are measures and no names. Needs no Spark."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

# Any other word behind a blank is one where nearly all values have it and are many: a few are as good as names.
LEAST_SHARE, FEW, LONGEST = 0.9, 20, 60
_CURRENCY = "EUR|USD|GBP|CHF|JPY|CNY|SEK|NOK|DKK|PLN|CZK|HUF|INR|AUD|CAD|NZD|ZAR|BRL|MXN|kr|zł|Kč|Ft|Rs"
_KNOWN = re.compile(
    r"[kcm]?m|[mcd]?[lL]|k?g|mg|t|mi|ft|in|yd|lbs?|oz|m[²³23]|qm|sqm|sqft|ccm?|km/h|km[ph]?h|mph|m/s|hr?s?|min|m?s|sec|d|yrs|"
    r"[kM]?Wh?|PS|hp|k?V|mA|°[CFK]|px|[kKMGT]B|bar|[hk]?Pa|psi|[kMG]?Hz|dB|k?cal|kJ|mol|ppm|pcs|Stk\.?|"
    rf"{_CURRENCY}"
)
# Half a day and months are no measures: 3 PM is another hour than 3 AM.
_NO_MEASURES = re.compile(
    r"[ap]\.?m\.?|uhr|st|nd|rd|th|(jan|feb|mar|mär|apr|may|mai|jun|jul|aug|sep|oct|okt|nov|dec|dez)\w*", re.I
)
_NUMBER = r"[-+~≈<>]?\s?\d[\d.,'\u00a0\u202f ]*"
_WORD = r"m[²³23]|[^\W\d_][^\s\d]*|°[CFK]"
_BEHIND = re.compile(rf"\s*{_NUMBER}(?<=[\d.,])(?P<blank>\s*)(?P<word>{_WORD})\s*")
# V8 is an engine, and no volts.
_BEFORE = re.compile(rf"\s*(?P<word>{_CURRENCY})(?P<blank>\s*){_NUMBER}\s*")


def measures_in(values: Mapping[str, int]) -> tuple[str, ...]:
    """The word that stands beside nearly all numbers, in up to two forms as `room` and `rooms`; none of several
    measures, as of kilometres and miles, which numbers alone would not tell apart.

    Args:
        values: of a column, with their rows.
    """
    found, total = Counter[str](), 0
    for value, rows in values.items():
        word = _word_of(value, is_many=len(values) > FEW)
        if word is not None:
            found[word] += rows
        total += rows if any(map(str.isdigit, value)) else 0
    if not found or sum(found.values()) < LEAST_SHARE * total:
        return ()
    words = sorted(found, key=len)
    are_forms = len(words) <= 2 and words[-1].startswith(words[0])
    # Of `km` and `km/h` one is no form of the other, nor `m` of `mm`.
    is_one = len(words) == 1 or (are_forms and len(words[0]) > 2 and words[-1].isalpha())
    return tuple(reversed(words)) if is_one else ()


def _word_of(value: str, is_many: bool) -> str | None:
    """The measure beside a number; None where there is none.

    Args:
        is_many: whether it may be any word.
    """
    for pattern in (_BEHIND, _BEFORE):
        # Of a long text the patterns would try very many ways.
        parts = pattern.fullmatch(value) if len(value) <= LONGEST else None
        if parts is None:
            continue
        word = parts["word"]
        is_name = _NO_MEASURES.fullmatch(word) is not None or (len(word) < 2 and not _KNOWN.fullmatch(word))
        is_told = is_many and pattern is _BEHIND and bool(parts["blank"])
        return word if not is_name and (is_told or _KNOWN.fullmatch(word)) else None
    return None
