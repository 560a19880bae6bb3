"""Columns of pandas frames as Spark is to have them, and what is refused of them."""

from __future__ import annotations

import contextlib
import datetime
import difflib
import re
import warnings
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

WHOLE = ("bigint", "int", "smallint", "tinyint")
DECIMALS = ("double", "float", "decimal")
# What stands where a list is missing; pandas has NaN there.
NO_LIST = (float, type(None))
DATES = ("date", "timestamp", "timestamp_ntz")
_TIME = r"\d{1,2}:\d{1,2}(?::\d{1,2}(?:[.,]\d+)?)?"
_ISO = rf"\d{{4}}-\d{{1,2}}-\d{{1,2}}(?:[ T]{_TIME})?(?: ?(?:[A-Za-z/_]+|[+-]\d{{1,2}}(?::?\d{{2}})?))?"
_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
# What people write for them.
_YES = {"yes", "y", "ja", "j", "oui", "si", "sí", "s", "sim", "da", "t", "wahr", "vrai", "1", "on"}
_NO = {"no", "n", "nein", "non", "não", "nao", "f", "falsch", "faux", "0", "off"}
_IN_WORDS = dict.fromkeys(DATES, "dates") | {"string": "text", "boolean": "True or False"}


# Of columns in one message.
MOST_NAMED = 20


class BadRows(MlflowException, ValueError):  # type: ignore[misc]  # MLflow has no types
    """Rows that the model has no answer for. Of an MLflow's error a server answers the message, without a trace."""

    def __init__(self, message: str) -> None:
        super().__init__(message, error_code=INVALID_PARAMETER_VALUE)  # type: ignore[call-arg]


def is_numbers(kind: str) -> bool:
    """Whether a type is an array of numbers."""
    item = kind.removeprefix("array<").removesuffix(">").partition("(")[0]
    return kind.startswith("array<") and item in (*WHOLE, *DECIMALS)


def arrow(name: str, kind: str, values: pd.Series, reading: Mapping[str, Any] | None) -> pa.Array:
    """A column of a frame as Spark is to have it. NaN and None are missing.

    Args:
        kind: Spark's short type name.
        reading: how texts were read as numbers at the fit: `missing` texts, patterns of a `number`, of `units` and of
            what is `between` thousands, the `decimal` sign, how pandas reads such a `file`, and the `date_format` of
            dates, None of which is year, month and day; None where that is not known.

    Raises:
        BadRows: the values are something else.
    """
    base = kind.partition("(")[0]
    try:
        return _array(name, base, kind, values, reading)
    except BadRows:
        raise
    except (pa.ArrowInvalid, pa.ArrowTypeError, ValueError, TypeError) as error:
        what = _IN_WORDS.get(base, "numbers" if base in (*DECIMALS, *WHOLE) else "lists of numbers")
        said = str(error)
        if base == "string":
            said = "give the texts of the file" if values.dtype == bool else f"read it with dtype={{{name!r}: 'str'}}"
            said += "" if values.dtype == bool else ", as zeros that are lost do not come back"
        raise BadRows(f"'{name}' must be {what}, as at the fit, got {values.dtype}: {said}") from error


def _array(name: str, base: str, kind: str, values: pd.Series, reading: Mapping[str, Any] | None) -> pa.Array:
    if base in (*DECIMALS, *WHOLE):
        numbers = _numbers(name, values, reading)
        if base in WHOLE:
            with contextlib.suppress(pa.ArrowInvalid):  # there are fractions
                return pa.array(numbers, pa.int64(), from_pandas=True)
        return pa.array(numbers, pa.float64(), from_pandas=True)
    if base in DATES:
        return _dates(name, values, reading or {})
    if base == "boolean":
        return pa.array(_truths(name, values, reading), pa.bool_(), from_pandas=True)
    if base == "string":
        return pa.array(values, pa.string(), from_pandas=True)
    if base == "vector" or is_numbers(kind):
        lists = [None if isinstance(value, NO_LIST) else [float(entry) for entry in value] for value in values]
        return pa.array(lists, pa.list_(pa.float64()))
    return pa.array(values, from_pandas=True)


def column_of(
    name: str, kind: str, rows: pd.DataFrame, may_be_missing: bool, reading: Mapping[str, Any] | None
) -> pa.Array:
    """A column as Spark is to have it; of gaps alone where it is not there.

    Raises:
        BadRows: it is something else, or lacks values.
    """
    made = arrow(name, kind, rows[name] if name in rows else pd.Series([None] * len(rows), dtype=object), reading)
    if made.null_count and not may_be_missing:
        raise BadRows(
            f"'{name}' must have a value in every row, got {made.null_count} of {len(rows)} without, as at the fit; "
            f"the others are frame[frame[{name!r}].notna()]"
        )
    return made


def check_columns(rows: pd.DataFrame, kinds: Mapping[str, str], optional: Collection[str]) -> None:
    """Warn of columns that are not there, or are empty, and may be.

    Raises:
        BadRows: one is not there that must be, or is called nearly so.
    """
    absent = [name for name in kinds if name not in rows]
    others = [str(name) for name in rows.columns if name not in kinds]
    for name in absent:
        if name in optional and (near := nearest(name, others)) is not None:
            raise BadRows(f"the rows must have the column '{name}', got '{near}'; rename it, or drop another one")
    if needed := [name for name in absent if name not in optional]:
        listed, there = (", ".join(map(str, names[:MOST_NAMED])) for names in (needed, list(rows.columns)))
        raise BadRows(f"the rows must have the column{'s' * (len(needed) > 1)} '{listed}', got {there}")
    if absent:
        listed = ", ".join(map(repr, absent))
        warnings.warn(f"no column is called {listed}: missing in every row, as the model sees it", stacklevel=4)
    empty = [name for name in kinds if name in optional and name in rows and len(rows) > 1 and rows[name].isna().all()]
    if empty:
        listed = ", ".join(map(repr, empty))
        warnings.warn(f"{listed}: missing in every row, and filled as gaps were at the fit", stacklevel=4)


def nearest(name: str, others: Sequence[str]) -> str | None:
    """The one of others that a name may mean, in whatever case they are written; None where none is near."""
    by_folded = {other.strip().casefold(): other for other in others}
    near = difflib.get_close_matches(name.strip().casefold(), by_folded, 1, 0.75)
    return by_folded[near[0]] if near else None


def of_whole_file(reading: Mapping[str, Any] | None) -> str:
    """How pandas reads a whole file as the fit did, where it would not by itself."""
    line = (reading or {}).get("file")
    return f"; a file as that of the fit: {line}" if line else ""


def _numbers(name: str, values: pd.Series, reading: Mapping[str, Any] | None) -> pd.Series:
    """Numbers, NaN where one is missing or infinite; texts of them as the fit read them."""
    others = (str, bytes, datetime.date, datetime.timedelta, np.datetime64, np.timedelta64)
    is_mixed = values.dtype == object or isinstance(values.dtype, pd.StringDtype | pd.CategoricalDtype)
    found = [value for value in values if isinstance(value, others) and not pd.isna(value)] if is_mixed else []
    if found and isinstance(found[0], str):
        values = _read_as_at_the_fit(name, values, reading)
    elif found or values.dtype.kind in "mM":
        raise ValueError("times or bytes, which are no numbers")
    numbers = pd.to_numeric(values)
    gaps = [float(text) for text in (reading or {}).get("missing", ()) if re.fullmatch(_NUMBER, text)]
    numbers = numbers.mask(numbers.isin(gaps)) if gaps and numbers.isin(gaps).any() else numbers
    return numbers if pd.api.types.is_integer_dtype(numbers) else numbers.replace([np.inf, -np.inf], np.nan)


def _read_as_at_the_fit(name: str, values: pd.Series, reading: Mapping[str, Any] | None) -> pd.Series:
    """Texts as what is left of them when units, signs between thousands and texts for gaps are taken away.

    Raises:
        ValueError: one that is spelled otherwise, or what pandas has read otherwise in part.
    """
    texts = [value for value in values if isinstance(value, str)]
    if any(not isinstance(value, str) and not pd.isna(value) for value in values):
        raise ValueError(
            f"numbers and texts, such as {texts[0]!r}, in one column; of a file all are texts with dtype=str"
        )
    if reading is None:
        raise ValueError(f"texts such as {texts[0]!r}; give numbers, as they were at the fit")
    gaps = ("", *reading["missing"])
    there = [text for text in texts if text.strip() not in gaps]
    wrong = next((text for text in there if not re.fullmatch(reading["number"], _bare(text, reading))), None)
    if wrong is not None:
        raise ValueError(_why_wrong(name, wrong, there, values, reading))
    if there and reading["between"] == r"\.":
        # Of such a file pandas takes 1.234 in another column for a little more than one: whoever reads it must know.
        raise ValueError(f"texts such as {there[0]!r}; as the fit read them: {_way_to_numbers(name, values, reading)}")
    bare = values.astype(object).str.strip()
    bare = bare.mask(bare.isin(gaps))
    for pattern in filter(None, (reading["units"], reading["between"])):
        bare = bare.str.replace(pattern, "", regex=True)
    return bare.str.replace(reading["decimal"], ".", regex=False)


def _way_to_numbers(name: str, values: pd.Series, reading: Mapping[str, Any]) -> str:
    """The line of pandas that does the same."""
    column = f"frame[{name!r}]" if values.dtype == object else f"frame[{name!r}].astype(object)"
    made = f"{column}.str.strip()"
    if reading["missing"]:
        made = f"{made}.mask({made}.isin({reading['missing']!r}))"
    for pattern in filter(None, (reading["units"], reading["between"])):
        made += f".str.replace({pattern!r}, '', regex=True)"
    return f"frame[{name!r}] = pandas.to_numeric({made}.str.replace({reading['decimal']!r}, '.'))"


def _why_wrong(name: str, wrong: str, there: Sequence[str], values: pd.Series, reading: Mapping[str, Any]) -> str:
    """What is said of a text that is spelled otherwise.

    Args:
        there: the column's texts that stand for no gap.
    """
    column = f"frame[{name!r}]" if values.dtype == object else f"frame[{name!r}].astype(object)"
    said = f"texts such as {wrong!r}, which is spelled otherwise than numbers were at the fit"
    is_plain = reading["decimal"] == "." and not reading["between"] and not reading["units"]
    if is_plain and all(re.fullmatch(r"\s*[+-]?\d+,\d+\s*|" + _NUMBER, text) for text in there):
        commas = f"pandas.to_numeric({column}.str.replace(',', '.'))"
        return f"{said}; if its comma stands before decimals: frame[{name!r}] = {commas}"
    lost = sum(re.fullmatch(_NUMBER, text.strip()) is None for text in there)
    if is_plain and lost < len(there):
        counted = f"{lost:,} of {len(values):,} become gaps"
        return f"{said}; by pandas.to_numeric({column}, errors='coerce') {counted}"
    return said


def _bare(text: str, reading: Mapping[str, Any]) -> str:
    return (re.sub(reading["units"], "", text) if reading["units"] else text).strip()


def _truths(name: str, values: pd.Series, reading: Mapping[str, Any] | None) -> pd.Series:
    """Truths, None where one is missing; texts of them as the fit read them.

    Raises:
        ValueError: other texts, with what they may mean.
    """
    there = {value for value in values if isinstance(value, str | bool)}
    missing = (reading or {}).get("missing", ())
    known = {"true": True, "false": False, **dict.fromkeys(map(str.casefold, missing))}
    folded = {value: str(value).strip().casefold() for value in sorted(there, key=str)}
    others = [value for value, text in folded.items() if text not in known]
    if not others:
        made = {value: known[text] for value, text in folded.items()}
        return values.astype(object).map(made) if any(isinstance(value, str) for value in there) else values
    meant = {**known, **dict.fromkeys(_YES, True), **dict.fromkeys(_NO, False)}
    guess = {value: meant[text] for value, text in folded.items() if text in meant}
    if len(guess) == len(folded):
        way_out = f"if that is what they mean: frame[{name!r}] = frame[{name!r}].map({guess!r})"
    else:  # nothing to paste before somebody has decided
        each = ", ".join(f"{value!r}: {guess.get(value, '?')}" for value in folded)
        way_out = f"say which is which: frame[{name!r}] = frame[{name!r}].map({{{each}}})"
    raise ValueError(f"the text{'s' * (len(others) > 1)} {', '.join(map(repr, others[:5]))}; {way_out}")


def _dates(name: str, values: pd.Series, reading: Mapping[str, Any]) -> pa.Array:
    """Times as they are; texts and whole numbers as texts, which the pipeline reads by the data's own spelling."""
    were_whole = pd.api.types.is_integer_dtype(values)
    values = values.astype(str) if were_whole else values
    if any(isinstance(value, str) for value in values):
        there = [value for value in values if isinstance(value, str)]
        gaps = [value for value in there if value.strip() in reading.get("missing", ())]
        values, there = values.mask(values.isin(gaps)), [value for value in there if value not in gaps]
        _check_spelling(name, there, reading, were_whole)
        return pa.array(values, pa.string(), from_pandas=True)
    if pd.api.types.is_numeric_dtype(values) and values.notna().any():
        raise ValueError("numbers, which days such as 21.03.2024 become where dots are left out; give texts or times")
    times = pd.to_datetime(values)
    if times.dt.tz is None:  # as texts, of which Spark takes an hour that a change of clocks left out for the next
        return pa.array(times.dt.strftime("%Y-%m-%d %H:%M:%S.%f"), pa.string(), from_pandas=True)
    return pa.array(times, pa.timestamp("us", str(times.dt.tz)), from_pandas=True, safe=False)


def _check_spelling(name: str, texts: Sequence[str], reading: Mapping[str, Any], were_whole: bool) -> None:
    """Refuse what Spark takes for a date all the same: 122025 is a year to it, and 10:30 a time of today."""
    if "date_format" not in reading:
        return  # a model that does not say
    spellings = list(dict.fromkeys([reading["date_format"] or "yyyy-MM-dd", "yyyy-MM-dd"]))
    patterns = [_ISO, *([date_pattern(reading["date_format"])] if reading["date_format"] else [])]
    wrong = next((text for text in texts if not any(re.fullmatch(each, text.strip()) for each in patterns)), None)
    if wrong is None:
        return
    more = f"; pandas' thousands='.' makes such numbers of dates: dtype={{{name!r}: 'str'}}" if were_whole else ""
    raise BadRows(f"'{name}' must be spelled as at the fit, dates as {' or '.join(spellings)}, got {wrong!r}{more}")


def date_pattern(date_format: str) -> str:
    """What texts look like that are dates of one of Java's formats."""
    made = ""
    for part in re.findall(r"'[^']*'|([A-Za-z])(\1*)|(.)", date_format, re.DOTALL):
        letter, more, sign = part
        width = 1 + len(more)
        if sign:
            made += {"[": "(?:", "]": ")?"}.get(sign, re.escape(sign))
        elif letter in "yu":
            made += rf"\d{{{width}}}" if width in (2, 4) else r"\d+"
        elif (letter in "MLE" and width > 2) or letter == "E":
            made += r"[^\W\d_]+\.?"
        elif letter in "MLdHhmskK":
            made += rf"\d{{{width},2}}"
        elif letter:
            made += r"\d+" if letter == "S" else r".+"
        else:
            made += ".*"  # a text in quotes
    return made
