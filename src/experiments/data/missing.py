"""Which values are missing, and what is said of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from experiments.config.schema import DataConfig, Missing, TableData
from experiments.data.kinds import DATES, NUMBERS, base_of
from experiments.data.names import plain_name, quoted, sql_text
from experiments.data.spelling import Spelling, spelling_of
from experiments.errors import ExperimentError, override

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

COUNTED_AT_ONCE = 200
# Of more columns Java takes longer to compile one expression than that saves.
MOST_COMPILED = 200
MOST_NAMED = 50


def is_missing(name: str, kind: str) -> Column:
    """Whether a value is null, NaN or infinite; for a vector, one such entry is enough."""
    from pyspark.ml.functions import vector_to_array
    from pyspark.sql import functions as F

    if kind != "vector":
        return F.expr(missing_sql(name, kind))
    column, infinity = F.col(quoted(name)), F.lit(float("inf"))
    return column.isNull() | F.exists(
        vector_to_array(column), lambda entry: F.isnan(entry) | (F.abs(entry) == infinity)
    )


def missing_sql(name: str, kind: str) -> str:
    """As `is_missing` of anything but a vector, in SQL: each call of a function costs a round trip to Java, and columns
    may be many.

    Args:
        kind: Spark's short name of the column's type.
    """
    return _lacks(quoted(name), kind)


def filled_sql(value: str, kind: str, instead: str) -> str:
    """SQL of a value that is no vector, or of another where it is missing.

    Args:
        value, instead: SQL.
        kind: Spark's short name of the value's type.
    """
    return f"CASE WHEN {_lacks(value, kind)} THEN CAST({instead} AS {kind}) ELSE {value} END"


def _lacks(value: str, kind: str) -> str:
    if kind in ("double", "float"):
        return f"({value} IS NULL OR isnan({value}) OR abs({value}) = double('Infinity'))"
    return f"({value} IS NULL)"


def any_missing(columns: Sequence[str], kinds: Mapping[str, str]) -> Column:
    """Whether a row has a missing value in one of the columns: two expressions, however many columns there are."""
    from pyspark.sql import functions as F

    numbers = [name for name in columns if kinds[name] in ("double", "float")]
    others = [name for name in columns if name not in set(numbers) and kinds[name] != "vector"]
    found = F.lit(False)
    if 0 < len(numbers) <= MOST_COMPILED:
        # Java compiles this, and `exists` it does not: of 10 columns twice as quick. NaN is the greatest of all.
        sizes = ", ".join(f"abs(coalesce(double({quoted(name)}), double('NaN')))" for name in numbers)
        found = F.expr(f"greatest(0D, {sizes}) >= double('Infinity')")
    elif numbers:
        values = ", ".join(f"double({quoted(name)})" for name in numbers)
        found = F.expr(f"exists(array({values}), v -> v IS NULL OR isnan(v) OR abs(v) = double('Infinity'))")
    if others:
        nulls = ", ".join(f"{quoted(name)} IS NULL" for name in others)
        found = found | F.expr(f"exists(array({nulls}), v -> v)")
    for name in columns:
        if kinds[name] == "vector":
            found = found | is_missing(name, "vector")
    return found


def check_missing(rows: DataFrame, data: DataConfig, columns: Sequence[str], kinds: Mapping[str, str]) -> None:
    """Say what is missing where. Reads the rows once, as it is known already that something is.

    Raises:
        ExperimentError: with the columns, their counts and the way out.
    """
    from pyspark.sql import functions as F

    found: dict[str, int] = {}
    for start in range(0, len(columns), COUNTED_AT_ONCE):
        part = columns[start : start + COUNTED_AT_ONCE]
        counts = [F.count_if(is_missing(name, kinds[name])).alias(f"_{place}") for place, name in enumerate(part)]
        (row,) = rows.agg(*counts).collect()
        found |= {name: row[f"_{place}"] for place, name in enumerate(part) if row[f"_{place}"]}
    raise ExperimentError(_said(data, found, rows.count(), kinds))


def _said(data: DataConfig, counts: Mapping[str, int], rows: int, kinds: Mapping[str, str]) -> str:
    empty = [name for name, count in counts.items() if count == rows]
    texts = [name for name, count in counts.items() if count and kinds[name] == "string"]
    label = plain_name(data.label, ()) if data.label else None
    # `impute` fills numbers alone, and leaves a model with texts and dates that it does not take.
    has_others = any(kind in ("string", *DATES) and name != label for name, kind in kinds.items())
    learnt_by = f"preprocessing={'auto' if has_others else 'impute'}"
    way_out = (
        "set data.missing=fill (numbers among the features get data.fill_value) or data.missing=drop, or have "
        f"numbers learnt by {learnt_by}"
    )
    roles = [key for key in ("group", "time") if getattr(data, key) in counts]
    if roles:
        held = " and ".join(f"data.{key}" for key in roles)
        columns = [str(getattr(data, key)) for key in roles]
        way_out = f"{held} says which rows are held out; {_without_gaps(data, columns, kinds)}"
    elif empty:
        learnt = f", or have them learnt by {learnt_by}" if len(empty) < len(counts) else ""
        way_out = f"without any value is {', '.join(empty)}: leave it out: {override('data.exclude', empty)}"
        way_out += f"; for the others set data.missing=drop{learnt}" if learnt else ""
    elif data.missing is Missing.fill:
        way_out = f"data.missing=fill fills numbers among the features only; {_without_gaps(data, counts, kinds)}"
    elif data.missing is Missing.keep:
        way_out = (
            f"numbers and texts may be left to a stage, not the label and dates; {_without_gaps(data, counts, kinds)}"
        )
    elif texts:
        way_out += "; texts are left as they are by data.missing=keep with preprocessing=one_hot"
    listed = [f"{name}{' (the label)' if name == label else ''} {count}" for name, count in counts.items()]
    more = f" and {len(listed) - MOST_NAMED} columns more" if len(listed) > MOST_NAMED else ""
    return (
        f"data={data.name} must have a value in every row, got none, or NaN or infinity, in: "
        f"{', '.join(listed[:MOST_NAMED])}{more}; {way_out}"
    )


def _without_gaps(data: DataConfig, columns: Iterable[str], kinds: Mapping[str, str]) -> str:
    """How to leave out the rows that lack one of the columns, and no others."""
    if not isinstance(data, TableData):
        return "set data.missing=drop, which leaves out rows that lack any feature too"
    return f"leave those rows out: {override('data.query', query_without_gaps(data, columns, kinds))}"


def query_without_gaps(data: DataConfig, columns: Iterable[str], kinds: Mapping[str, str]) -> str:
    """The rows of `source` that have a value in each of the columns."""
    laws = []
    given = {plain_name(name, ()): name for name in (data.label, data.weight) if name is not None}
    # A query sees texts such as NA, before they are read as missing.
    texts = ", ".join(map(sql_text, data.missing_values)) if isinstance(data, TableData) else ""
    numbers = ", ".join(f"{number}D" for number in numbers_for_gaps(data))
    for name in columns:
        column = quoted(given.get(name, name))
        laws.append(f"{column} IS NOT NULL")
        if texts:
            laws.append(f"trim({column}) NOT IN ({texts})")
            laws += [f"coalesce(try_cast({column} AS DOUBLE) NOT IN ({numbers}), true)"] if numbers else []
        elif kinds[name] in ("double", "float"):
            laws.append(f"abs({column}) < double('Infinity')")
    query = data.query if isinstance(data, TableData) else None
    return f"SELECT * FROM {f'({query})' if query else 'source'} WHERE " + " AND ".join(laws)


def said_of_dropped(rows: int, label: int, dropped: int) -> list[str]:
    """A sentence on rows that `data.missing=drop` has left out, if there are any.

    Args:
        rows: that there were.
        label: of these, without a label.
        dropped: of these, left out.
    """
    if not dropped:
        return []
    why = f": {label:,} without a label, {dropped - label:,} that lack a feature" if label else ", which lack a feature"
    keep = (
        "; without data.missing, preprocessing=auto keeps rows whose features alone have gaps"
        if dropped > label
        else ""
    )
    return [f"data.missing=drop has left out {dropped:,} of {rows:,} rows{why}{keep}"]


def said_of_blanks(label: str, text: str, data: TableData) -> str:
    """That blanks around the texts of a label are left out."""
    bare = text.strip(" ")  # tabs stay, as of Spark's trim
    return (
        f"data.label={label} has blanks around its texts, such as {text!r}, which are left out where the config says "
        f"how texts are read: predictions are {bare!r}; "
        f"{override('data.categories', [*data.categories, label])} keeps them"
    )


def is_spelled(data: TableData) -> bool:
    """Whether the config says anything of how texts are read."""
    return spelling_of(data) != Spelling() or bool(data.numbers)


def as_read(column: str, data: DataConfig) -> str:
    """SQL of what `typed` makes of a column of text that stays one: itself, where the config says nothing of spellings.

    Args:
        column: its name with quotes.
    """
    if not isinstance(data, TableData) or not is_spelled(data):
        return column
    return present_sql(column, data.missing_values)


def present_sql(column: str, missing: Sequence[str]) -> str:
    """SQL of the text without blanks around it, null where it stands for a missing value."""
    text = f"trim({column})"
    tokens = ", ".join(sql_text(value) for value in sorted({value.strip() for value in missing}))
    return f"CASE WHEN {text} NOT IN ({tokens}) THEN {text} END" if tokens else text


def numbers_for_gaps(data: DataConfig) -> list[str]:
    """The numbers among the texts that stand for a missing value, as -999."""
    if not isinstance(data, TableData):
        return []
    return [value.strip() for value in data.missing_values if re.fullmatch(Spelling().number, value.strip())]


def number_sql(column: str, kind: str, data: DataConfig) -> str:
    """SQL of a value, null where it is a number that stands for a missing one.

    Args:
        column: its name with quotes.
        kind: Spark's short name of its type.
    """
    if base_of(kind) not in NUMBERS or not (numbers := numbers_for_gaps(data)):
        return column
    # A number of 32 bits is another one as 64.
    tokens = ", ".join(f"float({number}D)" if kind == "float" else f"{number}D" for number in numbers)
    return f"CASE WHEN {column} NOT IN ({tokens}) THEN {column} END"


def gap_counts(kinds: Mapping[str, str], data: DataConfig) -> dict[str, str]:
    """SQL of how many rows of each column of numbers have one that stands for a missing value."""
    made = {name: number_sql(quoted(name), kind, data) for name, kind in kinds.items()}
    return {
        name: f"count_if({quoted(name)} IS NOT NULL AND {sql} IS NULL)"
        for name, sql in made.items()
        if sql != quoted(name)
    }


def said_of_gaps(counts: Mapping[str, int], data: TableData) -> list[str]:
    """That numbers are read as missing, and where."""
    found = [f"{name} {rows:,}" for name, rows in counts.items() if rows]
    if not found:
        return []
    numbers = ", ".join(numbers_for_gaps(data))
    more = f" and {len(found) - MOST_NAMED} columns more" if len(found) > MOST_NAMED else ""
    return [
        f"data.missing_values has numbers ({numbers}), which are missing in columns of numbers too, in rows of: "
        f"{', '.join(found[:MOST_NAMED])}{more}"
    ]


def patterns_of(data: TableData) -> dict[str, Any]:
    """For whoever has texts of numbers and nothing of ours: `missing` texts, patterns of a `number`, of `units` and of
    what is `between` thousands, and the `decimal` sign."""
    spelling = spelling_of(data)
    between = spelling.between if spelling.thousands is not None else None
    missing = sorted({value.strip() for value in spelling.missing})
    how = {"number": spelling.number, "units": spelling.unit, "between": between, "decimal": spelling.decimal}
    return {"missing": missing, **how}


class SurelyMissing(ExperimentError):
    """Columns are numbers but for what everybody writes for a missing value, and what to do about those is said.

    Attributes:
        tokens: what is written.
        columns: where.
    """

    def __init__(self, sentence: str, tokens: list[str], columns: list[str]) -> None:
        super().__init__(sentence)
        self.tokens, self.columns = tokens, columns
