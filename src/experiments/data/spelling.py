"""How numbers, dates and truths are spelled in columns of text, and what values look like. Needs no Spark."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from experiments.config.schema import TableData
from experiments.data.dates import DATE_FORMATS, TIMES, are_of_months, is_date, is_time, without_weekday
from experiments.data.measures import measures_in

# So few different texts among numbers stand for something missing; more of them are names.
MOST_TOKENS = 20
# A column of which so many values are numbers is one of numbers.
LEAST_SHARE = 0.5
# Currencies, shares, what is about so much, and values in brackets such as [98].
SIGNS = "$€£¥₹%~≈[]"
_SPACES = r" \u00a0\u202f"


@dataclass(frozen=True)
class Spelling:
    """How values are written. Its patterns mean the same to Python and to Java.

    Attributes:
        missing: texts that stand for a missing value.
        decimal, thousands: signs in numbers.
        units: signs beside numbers, which are left out.
        date_format: of dates, in Spark's letters.
    """

    missing: tuple[str, ...] = ()
    decimal: str = "."
    thousands: str | None = None
    units: tuple[str, ...] = ()
    date_format: str | None = None

    @property
    def number(self) -> str:
        """Pattern of a number without blanks and units around it."""
        point = re.escape(self.decimal)
        whole = r"\d+"
        if self.thousands is not None:
            whole = rf"(?:[1-9]\d{{0,2}}(?:{self.between}\d{{3}})+|\d+)"  # 0.567 is no thousand
        return rf"[+-]?(?:{whole}(?:{point}\d*)?|{point}\d+)(?:[eE][+-]?\d+)?"

    @property
    def between(self) -> str:
        """Pattern of the sign between thousands."""
        return f"[{_SPACES}]" if self.thousands == " " else re.escape(self.thousands or "")

    @property
    def unit(self) -> str | None:
        """Pattern of the signs that are left out, with blanks between them and the number."""
        if not self.units:
            return None
        longest_first = map(re.escape, sorted(self.units, key=len, reverse=True))
        return rf"[{_SPACES}]*(?:{'|'.join(longest_first)})[{_SPACES}]*"

    def bare(self, value: str) -> str:
        return (re.sub(self.unit, "", value) if self.unit else value).strip()

    def is_number(self, value: str) -> bool:
        return re.fullmatch(self.number, self.bare(value)) is not None

    def is_missing(self, value: str) -> bool:
        return value.strip() in self.missing or value in self.missing

    @property
    def settings(self) -> dict[str, str | list[str]]:
        """What is unlike the default, by the keys of the config."""
        plain = Spelling()
        found: dict[str, str | list[str]] = {}
        if self.missing:
            found["data.missing_values"] = list(self.missing)
        for name in ("decimal", "thousands", "date_format"):
            if getattr(self, name) != getattr(plain, name):
                found[f"data.{name}"] = getattr(self, name)
        if self.units:
            found["data.units"] = list(self.units)
        return found


def spelling_of(data: TableData) -> Spelling:
    """What the config says."""
    return Spelling(
        tuple(data.missing_values), data.decimal, data.thousands or None, tuple(data.units), data.date_format or None
    )


@dataclass(frozen=True)
class Look:
    """What a column of text looks like.

    Attributes:
        kind: `numbers`, `dates`, `times` (of the day, or how long something took) or `true and false`.
        spelling: by which it would be read; what it says already in the config stays.
        tokens: values that are none of the kind, with their rows.
        example: a value of the kind.
        other: another spelling that reads the same values, to another end.
        shorter: of times one with fewer parts than others have, where there is one.
        may_be_thousands: whether the decimal sign of numbers has three digits behind it wherever it is.
        has_weekdays: whether the names of weekdays stand before dates.
    """

    kind: str
    spelling: Spelling
    tokens: dict[str, int] = field(default_factory=dict)
    example: str = ""
    other: Spelling | None = None
    shorter: str | None = None
    may_be_thousands: bool = False
    has_weekdays: bool = False


def settings_of(looks: Mapping[str, Look]) -> dict[str, str | list[str]]:
    """What the config must say for columns to be read as what they are, by its keys.

    Args:
        looks: of the columns, by name.
    """
    settings: dict[str, str | list[str]] = {}
    for name, look in looks.items():
        for key, value in look.spelling.settings.items():
            known = settings.get(key)
            if isinstance(known, list) and isinstance(value, list):
                settings[key] = sorted({*known, *value})
            else:
                settings.setdefault(key, value)  # of columns that differ, see `unlike_others`
        if not look.tokens and look.spelling == Spelling() and look.kind == "numbers":
            settings["data.numbers"] = [*settings.get("data.numbers", []), name]
    return settings


def unlike_others(looks: Mapping[str, Look], known: Spelling) -> dict[str, Spelling]:
    """Columns with another decimal sign or format of dates than the config's, or than that of those before them, with
    the spelling that all could have: one setting reads all columns."""
    wanted, is_set = known, known.decimal != Spelling().decimal
    found: dict[str, Spelling] = {}
    for name, look in looks.items():
        own = look.spelling
        if look.kind == "numbers" and own.decimal in look.example:
            if look.may_be_thousands:
                continue  # and is looked at once more where that is settled
            if not is_set:
                wanted, is_set = replace(wanted, decimal=own.decimal), True
            elif own.decimal != wanted.decimal:
                found[name] = wanted
        elif look.kind == "dates" and own.date_format is not None and not look.has_weekdays:
            if wanted.date_format is None:
                wanted = replace(wanted, date_format=own.date_format)
            elif own.date_format != wanted.date_format:
                found[name] = wanted
    return found


def look_at(values: Mapping[str, int], known: Spelling) -> Look | None:
    """What a column is, if it is not text: most of its values are of one kind, and what is not are a few tokens.

    Args:
        values: of a column, with their rows; a sample will do.
        known: what the config says of spellings.
    """
    values = {value: rows for value, rows in values.items() if not known.is_missing(value)}
    if not values:
        return None
    if any(re.fullmatch(r"[+-]?0\d+", value.strip()) for value in values):
        return None  # codes, whose zeros mean something
    for kind, look in _KINDS:
        spellings = look(values, known)
        if not spellings:
            continue
        tokens = {value: rows for value, rows in values.items() if not is_of(kind, value, spellings[0])}
        if kind == "true and false" and not tokens:
            continue  # names like others
        if len(tokens) > MOST_TOKENS or sum(tokens.values()) > (1 - LEAST_SHARE) * sum(values.values()):
            continue
        odd = [value for value in values if value not in tokens and not is_of(kind, value, known)]
        candidates = odd or [value for value in values if value not in tokens]
        # Of dates one that shows which of its numbers is the day.
        example = min(candidates, key=_formats_of) if kind == "dates" else candidates[0]
        # A number stands for a gap in columns of numbers too: what it is here, a query says.
        texts = {value.strip() for value in tokens if kind == "numbers" or not known.is_number(value)}
        missing = (*known.missing, *sorted(texts))
        spelling = replace(spellings[0], missing=missing)
        other = replace(spellings[1], missing=missing) if len(spellings) > 1 else None
        shorter = _shorter(values) if kind == "times" else None
        parted = kind == "numbers" and spelling.thousands is None and _are_parted(values, spelling)
        return Look(kind, spelling, tokens, example, other, shorter, parted)
    of_bare = {without_weekday(value): value for value in values}
    has_some = any(text != value.strip() for text, value in of_bare.items())
    bare = look_at({text: values[value] for text, value in of_bare.items()}, known) if has_some else None
    return replace(bare, example=of_bare[bare.example], has_weekdays=True) if bare and bare.kind == "dates" else None


def is_of(kind: str, value: str, spelling: Spelling) -> bool:
    """Whether a text is of the kind of a `Look`."""
    if kind == "numbers":
        return spelling.is_number(value)
    if kind == "dates":
        return spelling.date_format is not None and is_date(value.strip(), spelling.date_format)
    if kind == "times":
        return is_time(value)
    return value.strip().casefold() in ("true", "false")


def _as_numbers(values: Mapping[str, int], known: Spelling) -> list[Spelling]:
    """The simplest spelling that reads the most; and a second that reads the same values as other numbers."""
    signs = Counter(sign for value in values for sign in SIGNS if sign in value)
    units = tuple(sorted({*known.units, *signs, *measures_in(values)}))
    written = [
        replace(known, decimal=decimal, thousands=thousands, units=used)
        for used, decimal, thousands in itertools.product(
            dict.fromkeys((known.units, units)), (".", ","), (None, ",", ".", " ", "'")
        )
        if decimal != thousands
    ]
    counts = [sum(rows for value, rows in values.items() if spelling.is_number(value)) for spelling in written]
    most = max(counts)
    best = [spelling for spelling, count in zip(written, counts, strict=True) if count == most and most > 0]
    # Of two that say as much beside the config, the one with its decimal sign: where that is a comma, 142.760 is many.
    best.sort(key=lambda spelling: (_changes(spelling, known), spelling.decimal != known.decimal))
    if not best:
        return []
    # And takes nothing back, which other columns may need.
    simple = [
        spelling
        for spelling in best
        if _changes(spelling, known) == _changes(best[0], known) and spelling.settings.keys() >= known.settings.keys()
    ]
    # 1,234 may be a thousand and more, or little more than one.
    return [best[0], *(one for one in simple[1:2] if _differ(values, best[0], one))]


def _changes(spelling: Spelling, known: Spelling) -> int:
    """How many settings must be written for it beside those of the config."""
    return sum(known.settings.get(key) != value for key, value in spelling.settings.items()) + len(
        known.settings.keys() - spelling.settings.keys()
    )


def _differ(values: Iterable[str], one: Spelling, other: Spelling) -> bool:
    return any(
        one.is_number(value) and other.is_number(value) and as_number(value, one) != as_number(value, other)
        for value in values
    )


def as_number(value: str, spelling: Spelling) -> float:
    """The number that a text is."""
    text = spelling.bare(value)
    if spelling.thousands is not None:
        text = re.sub(spelling.between, "", text)
    return float(text.replace(spelling.decimal, "."))


def _as_dates(values: Mapping[str, int], known: Spelling) -> list[Spelling]:
    """The formats that read the most, the simplest first."""
    counts = {
        f"{date}{time}": sum(rows for value, rows in values.items() if is_date(value.strip(), f"{date}{time}"))
        for date, time in itertools.product(DATE_FORMATS, TIMES)
    }
    most = max(counts.values())
    found = [name for name, count in counts.items() if count == most and most > 0]
    if len(found) > 1:  # 01/12/2024 is of December where all others are of a first, too
        found.sort(key=lambda name: not are_of_months(values, name))
    return [replace(known, date_format=name) for name in found]


def _formats_of(value: str) -> int:
    """By how many formats a text is a date; of 01/01/2024 none tells what another would make of it."""
    parts = re.findall(r"\d+", value)
    return (parts[:1] == parts[1:2]) + len(_as_dates({value: 1}, Spelling()))


def _as_truths(values: Mapping[str, int], known: Spelling) -> Sequence[Spelling]:
    return [known] if any(value.strip().casefold() in ("true", "false") for value in values) else []


def _as_times(values: Mapping[str, int], known: Spelling) -> Sequence[Spelling]:
    return [known] if any(map(is_time, values)) else []


def _are_parted(values: Iterable[str], spelling: Spelling) -> bool:
    """Whether the decimal sign may be one between thousands: 142.760 and 526 and never 6.5."""
    numbers = [spelling.bare(value).lstrip("+-") for value in values if spelling.is_number(value)]
    signed = [number for number in numbers if spelling.decimal in number]
    return bool(signed) and all(re.fullmatch(rf"[1-9]\d{{0,2}}\{spelling.decimal}\d{{3}}", number) for number in signed)


def _shorter(values: Iterable[str]) -> str | None:
    """Of times such as 17:14 and 00:13:27 the first of those with fewer parts; None where all have as many."""
    times = sorted(filter(is_time, values), key=lambda value: value.count(":"))
    return times[0].strip() if times[0].count(":") < times[-1].count(":") else None


_KINDS = (("numbers", _as_numbers), ("dates", _as_dates), ("times", _as_times), ("true and false", _as_truths))
