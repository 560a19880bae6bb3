"""What a table's columns hold, by one aggregate over its rows. Runs on the driver, which gets a row."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from experiments.config.schema import DataConfig, TableData
from experiments.data.doubts import MOST_TEXTS
from experiments.data.kinds import DATES, NUMBERS
from experiments.data.names import matches, quoted
from experiments.data.spelling import Look, Spelling, look_at, spelling_of
from experiments.data.texts import look_through
from experiments.data.totals import of_totals, totals_of
from experiments.data.ways import agreed
from experiments.errors import ExperimentError, readable_cause

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

# Of each column: the most frequent values that are told, texts that are no numbers which are looked at, and quantiles.
MOST_VALUES = 8
MOST_ODD = 200
QUANTILES = 51
# Rows that are compared with each other, which takes another look.
MOST_COMPARED = 200_000
# Relative deviation of the number of different values.
WITHIN = 0.01


@dataclass(frozen=True)
class Column:
    """What a column holds.

    Attributes:
        name: as the data has it.
        kind: Spark's short type name.
        rows: of the table.
        missing: of them, null, NaN or infinite.
        distinct: different values, nearly; None where they are not compared.
        values: the most frequent with their rows, of texts, truths and whole numbers.
        quantiles: of numbers and of dates (seconds since 1970), from the least to the largest.
        mean, deviation: of numbers, else NaN.
        explains: share of the variance of a label of numbers, by a straight line, else NaN.
        words: of a text, in the mean over its rows, else NaN.
        misread: rows with the sign for unreadable letters.
        empty: rows of a text without a letter, but not missing.
        look: of a text that is nearly something else, else None.
    """

    name: str
    kind: str
    rows: int
    missing: int
    distinct: int | None = None
    values: tuple[tuple[str, int], ...] = ()
    quantiles: tuple[float, ...] = ()
    mean: float = math.nan
    deviation: float = math.nan
    explains: float = math.nan
    words: float = math.nan
    misread: int = 0
    empty: int = 0
    look: Look | None = None

    @property
    def is_date(self) -> bool:
        return self.kind in DATES


@dataclass(frozen=True)
class Profile:
    """What a table holds.

    Attributes:
        rows: of the table.
        columns: in the table's order.
        warnings: of reading it.
        left_out: columns that are no features unless they are named.
        codes: columns of numbers that lose zeros before them.
        totals: rows that texts call a total, by the columns in which a few are.
        doubled: rows that are another one's like in all columns; 0 where there are too many to look.
    """

    rows: int
    columns: list[Column]
    warnings: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    totals: Mapping[str, int] = field(default_factory=dict)
    doubled: int = 0


def profile(rows: DataFrame, data: DataConfig) -> Profile:
    """One look at all rows; one more at a text of very many values, at what is called a total, and for rows that are
    there twice, where these are not too many to compare.

    Args:
        rows: as they are read.
        data: how texts are spelled, and which column is the label.

    Raises:
        ExperimentError: the rows cannot be read; with the reader's reason.
    """
    from pyspark.sql import functions as F

    spelling = spelling_of(data) if isinstance(data, TableData) else Spelling()
    kinds = dict(rows.dtypes)
    label = data.label if data.label and _is_number(kinds.get(data.label, "")) else None
    asked = {"rows": "count(*)"}
    for place, (name, kind) in enumerate(rows.dtypes):
        asked |= {f"{place}_{what}": sql for what, sql in _asked(name, kind, spelling, label).items()}
    # A class may be called a total.
    texts = [name for name, kind in rows.dtypes if kind == "string" and name != data.label][:MOST_TEXTS]
    try:
        found = rows.agg(*(F.expr(sql).alias(name) for name, sql in asked.items()), *of_totals(texts)).first()
    except Exception as error:  # Spark raises Py4J's and its own kinds
        raise ExperimentError(f"data={data.name} must be readable, but: {readable_cause(error)}") from error
    assert found is not None
    counted = found.asDict()
    columns = [_column(name, kind, place, counted) for place, (name, kind) in enumerate(rows.dtypes)]
    columns = [
        replace(column, look=_look(rows, column, place, counted, spelling)) if column.kind == "string" else column
        for place, column in enumerate(columns)
    ]
    looks = {column.name: column.look for column in columns if column.look is not None}
    # What is said to be names tells nothing of how others are written.
    told = agreed({name: look for name, look in looks.items() if not matches(name, data.categories)})
    columns = [replace(column, look=told.get(column.name, column.look)) for column in columns]
    totals = totals_of(rows, texts, counted["rows"]) if counted.get("_totals") else {}
    doubled = _doubled(rows) if counted["rows"] <= MOST_COMPARED else 0
    return Profile(counted["rows"], columns, totals=totals, doubled=doubled)


def _doubled(rows: DataFrame) -> int:
    """How many rows are there once more, by the hash of all that they hold. Reads the rows."""
    from pyspark.sql import functions as F

    # As JSON: a hash of columns passes over what is missing, so that (1, null) would be (null, 1).
    exactly = {"timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSS", "timestampNTZFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSS"}
    written = F.to_json(F.struct(*map(quoted, rows.columns)), exactly)
    found = rows.groupBy(F.xxhash64(written).alias("hash")).count().agg(F.sum(F.col("count") - 1)).first()
    return int(found[0] or 0) if found is not None else 0


def _is_number(kind: str) -> bool:
    return kind.partition("(")[0] in NUMBERS


def _asked(name: str, kind: str, spelling: Spelling, label: str | None) -> dict[str, str]:
    """Aggregates of one column, by what they tell."""
    column = quoted(name)
    if _is_number(kind):
        number = f"double({column})"
        finite = f"IF(abs({number}) < double('Infinity'), {number}, NULL)"
        asked = {**_spread(finite), "mean": f"avg({finite})", "deviation": f"stddev({finite})"}
        if kind not in ("double", "float"):
            asked["values"] = f"approx_top_k(string({column}), {MOST_VALUES})"
        if label is not None and label != name:
            asked["explains"] = f"regr_r2(double({quoted(label)}), {finite})"
        return asked
    if kind in DATES:
        # As it is written, whatever the session's time zone is.
        return _spread(f"double(unix_date(date({column})) * 86400L)")
    if kind == "boolean":
        return {"there": f"count({column})", "values": f"approx_top_k(string({column}), 2)"}
    if kind != "string":
        return {"there": f"count({column})"}
    pattern = spelling.number.replace("'", r"\x27")
    is_plain = f"trim({column}) RLIKE r'^(?:{pattern})$'"
    return {
        "there": f"count({column})",
        "distinct": f"approx_count_distinct({column}, {WITHIN})",
        "values": f"approx_top_k({column}, {MOST_VALUES})",
        "plain": f"count_if({is_plain})",
        "codes": rf"count_if(trim({column}) RLIKE r'^[+-]?0\d+$')",
        "odd": f"approx_top_k(IF({is_plain}, NULL, trim({column})), {MOST_ODD})",
        "words": f"avg(1 + length(trim({column})) - length(replace(trim({column}), ' ', '')))",
        "misread": f"count_if(contains({column}, '\ufffd'))",
        "empty": f"count_if(trim({column}) = '')",
    }


def _spread(number: str) -> dict[str, str]:
    shares = ", ".join(f"{step / (QUANTILES - 1):.4f}" for step in range(QUANTILES))
    return {
        "there": f"count({number})",
        "distinct": f"approx_count_distinct({number}, {WITHIN})",
        "quantiles": f"percentile_approx({number}, array({shares}))",
    }


def _column(name: str, kind: str, place: int, found: Mapping[str, Any]) -> Column:
    def told(what: str) -> Any:
        return found.get(f"{place}_{what}")

    def number(what: str) -> float:
        value = told(what)
        return math.nan if value is None else float(value)

    rows = found["rows"]
    there = told("there")
    return Column(
        name,
        kind,
        rows,
        rows - there,
        # A sketch may count a few more than there are.
        None if told("distinct") is None else min(told("distinct"), there),
        _most(told("values")),
        tuple(map(float, told("quantiles") or ())),
        number("mean"),
        number("deviation"),
        number("explains"),
        number("words"),
        told("misread") or 0,
        told("empty") or 0,
    )


def _most(values: Sequence[Any] | None) -> tuple[tuple[str, int], ...]:
    """Frequent values with their rows, without the null among them."""
    return tuple((value["item"], value["count"]) for value in values or () if value["item"] is not None)


def _look(rows: DataFrame, column: Column, place: int, found: Mapping[str, Any], spelling: Spelling) -> Look | None:
    """What a text column is nearly, by its texts that are no numbers and how many numbers stand beside them."""
    plain, there = found[f"{place}_plain"], column.rows - column.missing
    if found[f"{place}_codes"]:
        return None  # whose zeros mean something
    odd = dict(_most(found[f"{place}_odd"]))
    if sum(odd.values()) < there - plain:
        return look_through(rows, column.name, spelling)  # more texts than the aggregate lists
    number = next((value for value, _ in column.values if spelling.is_number(value)), "1")
    return look_at({**odd, **({number: plain} if plain else {})}, spelling)
