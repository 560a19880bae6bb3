"""Columns of pandas frames as Spark is to have them, and what is refused of them."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
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
_IN_WORDS = dict.fromkeys(DATES, "dates") | {"string": "text", "boolean": "True or False"}


class BadRows(MlflowException, ValueError):  # type: ignore[misc]  # MLflow has no types
    """Rows that the model has no answer for. Of an MLflow's error a server answers the message, without a trace."""

    def __init__(self, message: str) -> None:
        super().__init__(message, error_code=INVALID_PARAMETER_VALUE)  # type: ignore[call-arg]


def is_numbers(kind: str) -> bool:
    """Whether a type is an array of numbers."""
    item = kind.removeprefix("array<").removesuffix(">").partition("(")[0]
    return kind.startswith("array<") and item in (*WHOLE, *DECIMALS)


def arrow(name: str, kind: str, values: pd.Series, reading: Mapping[str, Any]) -> pa.Array:
    """A column of a frame as Spark is to have it. NaN and None are missing.

    Args:
        kind: Spark's short type name.
        reading: how texts were read as numbers at the fit: `missing_values`, `units`, `thousands`, `decimal`.

    Raises:
        BadRows: the values are something else.
    """
    base = kind.partition("(")[0]
    try:
        if base in DECIMALS:
            return pa.array(_numbers(name, values, reading), pa.float64(), from_pandas=True)
        if base in WHOLE:
            numbers = _numbers(name, values, reading)
            try:
                return pa.array(numbers, pa.int64(), from_pandas=True)
            except pa.ArrowInvalid:  # there are fractions
                return pa.array(numbers, pa.float64(), from_pandas=True)
        if base in DATES:
            return _dates(values)
        if base in ("boolean", "string"):
            return pa.array(values, pa.bool_() if base == "boolean" else pa.string(), from_pandas=True)
        if base == "vector" or is_numbers(kind):
            return pa.array(_lists(values), pa.list_(pa.float64()))
        return pa.array(values, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, ValueError, TypeError) as error:
        what = _IN_WORDS.get(base, "numbers" if base in (*DECIMALS, *WHOLE) else "lists of numbers")
        said = _way_to_truths(name, values) or str(error) if base == "boolean" else str(error)
        if base == "string":
            said = "read the file with dtype=str there: 007 is not 7, and Yes not True"
        raise BadRows(f"'{name}' must be {what}, as at the fit, got {values.dtype}: {said}") from error


def _numbers(name: str, values: pd.Series, reading: Mapping[str, Any]) -> pd.Series:
    """Numbers, NaN where one is missing or infinite."""
    others = (str, bytes, datetime.date, datetime.timedelta, np.datetime64, np.timedelta64)
    is_mixed = values.dtype == object
    found = [value for value in values if isinstance(value, others) and not pd.isna(value)] if is_mixed else []
    if found and isinstance(found[0], str):
        raise ValueError(_way_to_numbers(name, values, reading))
    if found or values.dtype.kind in "mM":
        raise ValueError("times or bytes, which are no numbers")
    numbers = pd.to_numeric(values)
    return numbers if pd.api.types.is_integer_dtype(numbers) else numbers.replace([np.inf, -np.inf], np.nan)


def _way_to_numbers(name: str, values: pd.Series, reading: Mapping[str, Any]) -> str:
    """The line of pandas that makes of texts the numbers that the fit made of them."""
    texts = [value for value in values if isinstance(value, str)]
    wrong = next((text for text in texts if pd.isna(pd.to_numeric(text, errors="coerce"))), texts[0])
    if any(isinstance(value, int | float) and not pd.isna(value) for value in values):
        return f"numbers and texts, such as {wrong!r}, in one column; read the file with dtype=str, and try again"
    column = f"frame[{name!r}]"
    made = f"{column}.str.strip()"
    if reading.get("missing_values"):
        made = f"{made}.mask({made}.isin({reading['missing_values']!r}))"
    for sign in (*reading.get("units", ()), *filter(None, [reading.get("thousands")])):
        made += f".str.replace({sign!r}, '')"
    if "decimal" in reading:
        made += f".str.replace({reading['decimal']!r}, '.')"
    return (
        f"texts such as {wrong!r}; as the fit read texts: {column} = pandas.to_numeric({made}), in which "
        "errors='coerce' makes missing values of what is no number after that"
    )


def _way_to_truths(name: str, values: pd.Series) -> str | None:
    texts = {value for value in values if isinstance(value, str)}
    if not texts or any(text.strip().casefold() not in ("true", "false") for text in texts):
        return None
    truths = {text: text.strip().casefold() == "true" for text in sorted(texts)}
    return f"the texts {', '.join(map(repr, truths))}; frame[{name!r}] = frame[{name!r}].replace({truths!r})"


def _dates(values: pd.Series) -> pa.Array:
    """Times as they are; texts and whole numbers as texts, which the pipeline reads by the data's own spelling."""
    if pd.api.types.is_integer_dtype(values):
        values = values.astype(str)
    if any(isinstance(value, str) for value in values):
        return pa.array(values, pa.string(), from_pandas=True)
    if pd.api.types.is_numeric_dtype(values) and values.notna().any():
        raise ValueError("numbers with fractions or gaps; give texts or times")
    times = pd.to_datetime(values)
    if times.dt.tz is None:  # as texts, of which Spark takes an hour that a change of clocks left out for the next
        return pa.array(times.dt.strftime("%Y-%m-%d %H:%M:%S.%f"), pa.string(), from_pandas=True)
    return pa.array(times, pa.timestamp("us", str(times.dt.tz)), from_pandas=True, safe=False)


def _lists(values: pd.Series) -> list[list[float] | None]:
    return [None if isinstance(value, NO_LIST) else [float(entry) for entry in value] for value in values]
