"""Values that are missing from a table, and what the config that suits it does about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from experiments.config.schema import DataConfig, TableData
from experiments.data.doubts import LEAST_ROWS
from experiments.data.missing import MOST_NAMED, query_without_gaps
from experiments.data.names import matches, quoted
from experiments.data.spelling import settings_of
from experiments.errors import override
from experiments.profile.look import Column, Profile

# For the gaps of a column up to so many rows are left out, for more the column is.
MOST_LACKING = 0.05
# What pandas.read_csv takes for a missing value, which here is one where the config says so.
PANDAS_GAPS = ("NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "None", "<NA>", "#N/A")

# And what people write, in small letters; to Spark and to pandas these are texts like others.
_NOT_KNOWN = (
    *("k.a.", "k. a.", "keine angabe", "unbekannt", "n.a.", "n/k", "unknown", "not known", "not available", "missing"),
    *("inconnu", "non renseigné", "desconocido", "sconosciuto", "onbekend", "-", "--", "?"),
)


def has_gaps(column: Column) -> bool:
    """Whether values are missing, or texts that stand for one."""
    return bool(column.missing or (column.look is not None and column.look.spelling.missing))


def gaps_of(column: Column) -> int:
    """Rows without a value; a text that stands for a missing one is none."""
    return column.missing + (sum(column.look.tokens.values()) if column.look is not None else 0)


def is_left_out(column: Column, data: DataConfig) -> bool:
    """Whether so many rows lack a value which nothing fills that the others would be a choice of their own."""
    used = (data.label, data.weight, data.group, data.time)
    # Where features are named nothing is left out of them, and of a few rows nothing can be said.
    if column.name in used or data.features or column.rows < LEAST_ROWS:
        return False
    return nothing_fills(column, data) and gaps_of(column) > MOST_LACKING * column.rows


def nothing_fills(column: Column, data: DataConfig) -> bool:
    """Whether a row without a value of the column is of no use: no stage of ours fills a role or a date."""
    is_dated = column.is_date or (column.look is not None and column.look.kind == "dates")
    return column.name in (data.label, data.weight, data.group, data.time) or is_dated


def needed_of(profile: Profile, data: DataConfig) -> dict[str, str]:
    """Columns whose gaps nothing fills, with their types, where there is no query yet that may see to them."""
    if not isinstance(data, TableData) or data.query is not None:
        return {}
    lacking = [each for each in profile.columns if has_gaps(each) and nothing_fills(each, data)]
    return {each.name: each.kind for each in lacking if not is_left_out(each, data)}


def said_of_missing(profile: Profile, data: DataConfig, needed: Mapping[str, str]) -> list[str]:
    """Of values that are missing.

    Args:
        needed: columns whose gaps nothing fills.
    """
    lacking = {column.name: column.missing for column in profile.columns if 0 < column.missing < column.rows}
    gaps = {column.name: f"{column.name} ({gaps_of(column):,} of {column.rows:,} rows)" for column in profile.columns}
    said = []
    if needed:
        listed = ", ".join(gaps[name] for name in needed)
        said.append(
            f"data={data.name} lacks what nothing fills, as a label, a group or a date: {listed}; the config that "
            "suits it leaves out these rows"
        )
    if left_out := [column.name for column in profile.columns if is_left_out(column, data)]:
        if isinstance(data, TableData) and data.query is None:
            flags = ", ".join(f"{quoted(name)} IS NULL AS {quoted(f'no_{name}')}" for name in left_out)
            told = override("data.query", f"SELECT *, {flags} FROM source")
            way_out = f"; that there is none may tell something: {told}"
        else:
            way_out = f": {override('data.exclude', left_out)}"
        said.append(
            f"data={data.name} lacks dates, which nothing fills, in many rows: "
            f"{', '.join(gaps[name] for name in left_out)}; the config that suits it leaves the column out{way_out}"
        )
    for name in (*needed, *left_out):
        lacking.pop(name, None)
    if lacking:
        listed = ", ".join(f"{name} ({rows:,} row{'s' * (rows > 1)})" for name, rows in lacking.items())
        said.append(
            f"data={data.name} lacks values: {listed}; preprocessing=auto fills all but dates, preprocessing=impute "
            "numbers, data.missing=drop drops the rows"
        )
    return said


def said_of_gaps_to_pandas(features: list[Column], data: DataConfig) -> Iterator[str]:
    """Of names such as NA, which whoever uses the model may read as a gap."""
    known = getattr(data, "missing_values", [])
    for column in features:
        texts = column.values if column.kind == "string" and column.look is None else ()
        for text, rows in texts:
            if text in PANDAS_GAPS and text not in known:
                yield (
                    f"data has '{text}' in '{column.name}' ({rows:,} rows), which is read as a value; if it is a gap: "
                    f"{override('data.missing_values', [*known, text])}; if it is a name, read new rows by "
                    "pandas.read_csv(…, keep_default_na=False), which else makes a gap of it"
                )


def said_of_other_gaps(features: list[Column], data: DataConfig) -> list[str]:
    """A sentence on texts that people write for what they do not know, where they are categories of their own."""
    known = getattr(data, "missing_values", [])
    # Which the config that suits the table has.
    known_by_others = {text for column in features if column.look is not None for text in column.look.tokens}
    found = [
        (text, column.name, rows)
        for column in features
        if column.kind == "string" and column.look is None and not matches(column.name, data.categories)
        for text, rows in column.values
        if text.strip().casefold() in _NOT_KNOWN and text not in {*known, *known_by_others, *PANDAS_GAPS}
    ]
    if not found:
        return []
    listed = ", ".join(f"'{text}' in '{name}' ({rows:,} rows)" for text, name, rows in found[:MOST_NAMED])
    texts = dict.fromkeys(text.strip() for text, _, _ in found)
    return [
        f"data has texts that may stand for what is not known: {listed}; they are categories of their own; to have "
        f"them missing: {override('data.missing_values', [*dict.fromkeys([*known, *texts])])}"
    ]


def query_of_needed(profile: Profile, data: DataConfig, needed: Mapping[str, str]) -> str:
    """The rows that have a value in each of the columns; a text that stands for a missing one is none.

    Args:
        needed: names of columns, with their types.
    """
    looks = {column.name: column.look for column in typed_columns(profile, data) if column.look is not None}
    found = settings_of(looks).get("data.missing_values", [])
    if isinstance(data, TableData):
        data = replace(data, missing_values=[*dict.fromkeys([*data.missing_values, *found])])
    return query_without_gaps(data, needed, needed)


def typed_columns(profile: Profile, data: DataConfig) -> list[Column]:
    """Columns of text that are something else, and are not said to be names."""
    return [column for column in profile.columns if column.look and not matches(column.name, data.categories)]
