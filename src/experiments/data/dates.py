"""Days and times as people write them, in Spark's letters and in Python's. Needs no Spark."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime

# A time of the day, or how long something took.
TIME = r"\d{1,3}:[0-5]\d(?::[0-5]\d(?:[.,]\d+)?)?"
# What Spark takes for a moment of the day on which it is read.
WITHOUT_DAY = r"T?\d{1,3}:\d{1,2}(?::\d{1,2}(?:[.,]\d+)?)?(?:Z|[+-]\d\d?(?::?\d\d)?)?"
# As Spark spells them, and Python.
DATE_FORMATS = {
    "yyyy-M-d": "%Y-%m-%d",
    "d.M.yyyy": "%d.%m.%Y",
    "M/d/yyyy": "%m/%d/%Y",
    "d/M/yyyy": "%d/%m/%Y",
    "yyyy/M/d": "%Y/%m/%d",
    "d-M-yyyy": "%d-%m-%Y",
    "d.M.yy": "%d.%m.%y",
    "M/d/yy": "%m/%d/%y",
    "d/M/yy": "%d/%m/%y",
    "d-M-yy": "%d-%m-%y",
    "MMM d yyyy": "%b %d %Y",
    "MMM d, yyyy": "%b %d, %Y",
    "MMMM d, yyyy": "%B %d, %Y",
    "d MMM yyyy": "%d %b %Y",
    "d MMMM yyyy": "%d %B %Y",
    "d-MMM-yyyy": "%d-%b-%Y",
    "d-MMM-yy": "%d-%b-%y",
    # Months, which count as their first day.
    "M/yyyy": "%m/%Y",
    "M-yyyy": "%m-%Y",
    "MMM yyyy": "%b %Y",
    "MMMM yyyy": "%B %Y",
    "MMM-yy": "%b-%y",
}
TIMES = {
    "": "",
    " H:mm": " %H:%M",
    " H.mm": " %H.%M",
    " H:mm:ss": " %H:%M:%S",
    " h:mm a": " %I:%M %p",
    " h:mm:ss a": " %I:%M:%S %p",
}


# Before a date, as `Fri` and `Friday,`, which Spark does not read; none of them is a month too. The same to Java.
WEEKDAY = (
    r"(?i:mon(?:day)?|tue(?:s(?:day)?)?|wed(?:nesday)?|thu(?:rs?(?:day)?)?|fri(?:day)?|sat(?:urday)?|sun(?:day)?|"
    r"mo(?:ntag)?|di(?:enstag)?|mi(?:ttwoch)?|do(?:nnerstag)?|fr(?:eitag)?|sa(?:mstag)?|so(?:nntag)?|"
    r"lun(?:di)?|mardi|mer(?:credi)?|jeu(?:di)?|ven(?:dredi)?|sam(?:edi)?|dim(?:anche)?)\.?,? +"
)


def without_weekday(value: str) -> str:
    """A date without the name of a weekday before it; itself where there is none."""
    return re.sub(f"^{WEEKDAY}", "", value.strip())


def is_date(value: str, spelled: str) -> bool:
    """Whether a text is a date of one of the formats that are looked for."""
    time = time_of(spelled)
    python = DATE_FORMATS.get(spelled.removesuffix(time))
    if python is None:
        return False
    try:
        date = datetime.strptime(value, python + TIMES[time])
    except ValueError:
        return False
    # A code such as 12-4567 is no month.
    return "d" in spelled or 1900 <= date.year < 2100


def are_of_months(values: Iterable[str], spelled: str) -> bool:
    """Whether the dates of a format are of one day, as the first, of several months, as in a table of months."""
    python = DATE_FORMATS[spelled.removesuffix(time_of(spelled))] + TIMES[time_of(spelled)]
    dates = [datetime.strptime(value.strip(), python) for value in values if is_date(value.strip(), spelled)]
    return len({date.day for date in dates}) == 1 and len({date.month for date in dates}) > 2


def time_of(spelled: str) -> str:
    """What a format of dates says of the time of the day; empty for days."""
    return next((time for time in reversed(TIMES) if spelled.endswith(time)), "")


def is_time(value: str) -> bool:
    """Whether a text is a time of the day, or how long something took."""
    return re.fullmatch(TIME, value.strip()) is not None
