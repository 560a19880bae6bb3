"""Which columns are features, how they are called, and how they become numbers and vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from experiments.config.schema import DataConfig, Missing, TableData, Task
from experiments.data.csv_files import pandas_line
from experiments.data.dataset import FOLD, HASH, HELD_OUT, Given
from experiments.data.kinds import DATES, NUMBERS, base_of, is_numbers
from experiments.data.missing import any_missing, as_read, filled_sql, number_sql, patterns_of
from experiments.data.names import matches, not_there, plain_name, quoted, sql_text
from experiments.data.roles import BALANCE, as_weight
from experiments.data.texts import check_texts
from experiments.errors import ExperimentError, override

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

FILLED_ALONE = 50
# The decimals of many columns as one array, for those who can do with that.
FILLED = "_filled"
# Columns that Spark's models and we add, by their names without capitals.
ADDED = {
    name.casefold(): name
    for name in ("prediction", "probability", "rawPrediction", "topicDistribution", HASH, FOLD, BALANCE, FILLED)
}


def label_of(data: DataConfig, columns: Sequence[str]) -> str | None:
    """The column to predict.

    Raises:
        ExperimentError: it is not there.
    """
    if data.label is not None and data.label not in columns:
        raise ExperimentError(not_there("data.label", data.label, columns, data))
    return data.label


def features_of(
    data: DataConfig, label: str | None, columns: Sequence[str], aside: Sequence[str], left_out: Sequence[str] = ()
) -> list[str]:
    """Columns named or matched, in the order of the data; all but the label when none are.

    Args:
        aside: columns that are no features.
        left_out: columns that are features only where they are named.

    Raises:
        ExperimentError: a name or a pattern that matches nothing, or all left out.
    """
    candidates = [column for column in columns if column not in (label, HELD_OUT, *aside)]
    for key, patterns in _named(data, columns).items():
        for pattern in patterns:
            # What is no feature anyway may be excluded too, and be a text or a number.
            known = candidates if key == "data.features" else columns
            if not any(matches(column, [pattern]) for column in known):
                raise ExperimentError(not_there(key, pattern, candidates, data))
    chosen = [
        column
        for column in candidates
        if (matches(column, data.features) if data.features else column not in left_out)
        and not matches(column, data.exclude)
    ]
    if not chosen:
        raise ExperimentError("data.features must leave at least one column, got none; look at data.exclude")
    return chosen


def _named(data: DataConfig, columns: Sequence[str]) -> dict[str, Sequence[str]]:
    """Names and patterns of columns by the key that has them."""
    if HELD_OUT in columns:
        return {}  # of a test set of its own: looked at before both were put together
    named: dict[str, Sequence[str]] = {"data.features": data.features, "data.exclude": data.exclude}
    # Of what a query makes other columns they say how the source is read.
    if isinstance(data, TableData) and data.query is None:
        named |= {"data.categories": data.categories, "data.numbers": data.numbers}
    return named


def check_names(columns: Sequence[str]) -> None:
    """Refuse names that models add; Spark takes a name for the same in other capitals.

    Raises:
        ExperimentError: with the names and the way out.
    """
    meant = [name for name in columns if "${" in name or "__THIS__" in name]
    if meant:
        raise ExperimentError(
            f"data.features and data.label must be columns without ${{ and __THIS__ in their names, for which Spark "
            f"puts other texts, got {', '.join(meant)}; leave them out: {override('data.exclude', meant)}, or rename "
            "them in the file"
        )
    taken = [name for name in columns if name.casefold() in ADDED]
    if taken:
        raise ExperimentError(
            f"data.features and data.label must be columns that no model adds ({', '.join(ADDED.values())}, "
            f"in any capitals), got {', '.join(taken)}; leave them out by data.exclude, or rename them: "
            + override("data.query", f"SELECT *, `{taken[0]}` AS my_{taken[0]} FROM source")
            + " with the old one in data.exclude"
        )


def without_structs(rows: DataFrame) -> DataFrame:
    """The fields of structs as columns of their own, called `struct.field`."""
    from pyspark.sql import functions as F
    from pyspark.sql.types import StructType

    while any(isinstance(field.dataType, StructType) for field in rows.schema):
        columns: list[Column] = []
        for field in rows.schema:
            column = F.col(quoted(field.name))
            if isinstance(field.dataType, StructType):
                columns += [column[inner].alias(f"{field.name}.{inner}") for inner in field.dataType.names]
            else:
                columns.append(column)
        rows = rows.select(*columns)
    return rows


def narrow(
    source: DataFrame, task: Task, data: DataConfig, label: str | None, features: Sequence[str], aside: Sequence[str]
) -> DataFrame:
    """Only what is used, columns that are no features last.

    Numbers to predict are float64, which every Spark estimator takes, arrays of numbers vectors, categories texts, and
    truths that are to be imputed 0 and 1.

    Raises:
        ExperimentError: a label that does not suit the task.
    """
    from pyspark.sql import functions as F
    from pyspark.sql.types import BooleanType, NumericType, StringType

    types = {field.name: field.dataType for field in source.schema}
    columns = [_feature(name, types[name].simpleString(), data) for name in features]
    if label is not None:
        kind, column = types[label], F.col(quoted(label))
        is_number = isinstance(kind, NumericType | BooleanType)
        if not is_number and (task is Task.regression or not isinstance(kind, StringType)):
            if isinstance(kind, StringType):
                texts = [name for name in features if types[name].simpleString() == "string"]
                check_texts(source, [label, *(name for name in texts if not matches(name, data.categories))], data)
            law = "numbers" if task is Task.regression else "numbers or texts"
            way_out = "; texts are for a classification, such as model=random_forest" if law == "numbers" else ""
            raise ExperimentError(
                f"data.label must be a column of {law} for {task.value}, got '{label}' of type "
                f"{kind.simpleString()}{way_out}"
            )
        if task is Task.classification and (isinstance(kind, BooleanType) or matches(label, data.categories)):
            column = column.cast("string")  # false and true, or the names that they are
        elif is_number:
            column = column.cast("double")
        columns.append(column.alias(plain_name(label, features)))
    columns += [
        as_weight(name).alias(plain_name(name, features)) if name == data.weight else F.col(quoted(name))
        for name in aside
    ]
    return source.select(*columns, *([HELD_OUT] if HELD_OUT in source.columns else []))


def _feature(name: str, kind: str, data: DataConfig) -> Column:
    from pyspark.ml.functions import array_to_vector
    from pyspark.sql import functions as F

    column = F.col(quoted(name))
    if is_numbers(kind):
        return F.when(column.isNotNull(), array_to_vector(column.cast("array<double>"))).alias(name)
    if kind != "string" and matches(name, data.categories):
        return column.cast("string").alias(name)
    if kind == "boolean" and data.missing is Missing.keep:
        return column.cast("double").alias(name)
    return column


def clean(rows: DataFrame, data: DataConfig, features: Sequence[str], label: str | None) -> DataFrame:
    """Fill, drop or mark what is missing, in one step for all columns; `fail` is checked later, in the pass that fills
    the cache. Many decimals that were filled or marked are there a second time, as the array `FILLED`."""
    kinds, chosen = dict(rows.dtypes), set(features)
    if data.missing is Missing.drop:
        return rows.where(~any_missing([*features, *([label] if label else [])], kinds))
    if data.missing is Missing.fail:
        return rows
    value = _instead(data)
    decimals = [name for name in features if kinds[name] == "double"]
    if len(decimals) > FILLED_ALONE:
        # An array takes a third of the time that Spark needs to compile an expression for each of a thousand columns.
        values = f"transform(array({', '.join(map(quoted, decimals))}), v -> {_filled('v', value)})"
        others = [quoted(name) for name, kind in kinds.items() if kind != "double" or name not in chosen]
        places = {name: f"{FILLED}[{place}] AS {quoted(name)}" for place, name in enumerate(decimals)}
        columns = rows.columns
        rows = rows.selectExpr(*others, f"{values} AS {FILLED}")
        rows = rows.selectExpr(*(places.get(name, quoted(name)) for name in columns), FILLED)
        kinds = {name: kind for name, kind in kinds.items() if name not in places}
    return rows.selectExpr(
        *(
            f"{filled_sql(quoted(name), kinds[name], value)} AS {quoted(name)}"
            if name in chosen and base_of(kinds.get(name, "")) in NUMBERS
            else quoted(name)
            for name in rows.columns
        )
    )


def given_of(data: DataConfig, types: Mapping[str, str], used: Mapping[str, str]) -> Given:
    """What `narrow` and `clean` make of each feature, for whoever scores rows that have not been through them.

    Args:
        types, used: the features in order, with Spark's short type names before and after.
    """
    date_format = data.date_format if isinstance(data, TableData) else None
    fills, keeps = data.missing is Missing.fill, data.missing is Missing.keep
    conversions = {}
    for name, kind in types.items():
        made = _converted(number_sql(quoted(name), kind, data), kind, used[name], date_format)
        if kind == used[name] == "string" and not matches(name, data.categories):
            made = as_read(quoted(name), data)
        # A whole number that is kept is what it is, or null.
        if (fills and base_of(used[name]) in NUMBERS) or (keeps and used[name] in ("double", "float")):
            made = filled_sql(made, used[name], _instead(data))
        if made != quoted(name):
            conversions[name] = made
    reading = None
    if isinstance(data, TableData):
        reading = {**patterns_of(data), "file": pandas_line(data, types)}
    # No stage of ours has an answer for a missing date.
    may_be_missing = {
        name for name, kind in used.items() if (keeps and kind not in DATES) or (fills and base_of(kind) in NUMBERS)
    }
    return Given(dict(types), conversions, date_format, frozenset(may_be_missing), data.label, reading)


def _instead(data: DataConfig) -> str:
    """SQL of what stands for a missing number."""
    return "NULL" if data.missing is Missing.keep else f"double('{data.fill_value}')"


def _converted(column: str, given: str, used: str, date_format: str | None) -> str:
    if used == "vector" or given.startswith("array"):
        return column
    if used in DATES:
        # As dates, and as the texts that dates are in files.
        if date_format is None:
            return f"CAST({column} AS {used})"
        # A table may have dates of both kinds.
        return f"coalesce(try_to_timestamp({column}, {sql_text(date_format)}), CAST({column} AS timestamp))"
    if used == "string" and given != "string":
        return f"CAST(CAST({column} AS {given}) AS string)"  # which decimals and dates are spelt by
    return column if given == used else f"CAST({column} AS {used})"


def _filled(value: str, instead: str) -> str:
    return f"IF(abs({value}) < double('Infinity'), {value}, {instead})"  # neither null nor NaN is
