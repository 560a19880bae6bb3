"""CSV files as people have them: several whose columns are matched by their names, and names of all kinds."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlparse

from experiments.config.schema import TableData
from experiments.data.heads import MOST_FILES, Head, file_name, is_true
from experiments.data.kinds import DATES
from experiments.data.lines import Lines, check_lines, java_numbers, lines_of, lost_zeros, times_of_day
from experiments.data.names import matches
from experiments.errors import ExperimentError, override

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_OF_PATTERNS = re.compile(r"([][{}*?^\\])")
# What pandas has a word for, or does without one.
_TO_PANDAS = {
    *("sep", "delimiter", "encoding", "charset", "quote", "comment", "header", "multiline", "mode", "inferschema"),
    *("enforceschema", "mergeschema"),
}
_NAMELESS = re.compile(r"|Unnamed: \d+(_level_\d+)?")


@dataclass(frozen=True)
class Source:
    """What was read.

    Attributes:
        rows: all columns.
        left_out: columns that are no features unless they are named: those without a name.
        warnings: what a person should know of them.
        codes: columns of numbers that lose zeros before them.
        texts: columns that are texts in the source, and something else by the config.
    """

    rows: DataFrame
    left_out: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()


def read_csv(
    spark: SparkSession, data: TableData, options: dict[str, Any], paths: list[str], heads: Sequence[Head]
) -> Source:
    """Files whose columns are matched by their names."""
    tops = [lines_of(head, options) for head in heads]
    for lines in tops:
        check_lines(lines, options)
    if all(lines.is_header_only for lines in tops):
        raise ExperimentError(
            f"data.path must hold rows, got '{heads[0].name}', which has the names of its columns and nothing below"
        )
    if data.schema is not None or data.decimal != "." or data.thousands:
        options.pop("inferSchema", None)  # 1.234 may be a thousand and more
    headers = {lines.head.path: lines.header for lines in tops}
    groups: dict[tuple[str, ...], list[str]] = {}
    for file, header in headers.items():
        groups.setdefault(tuple(header), []).append(file)
    is_parted = any(re.search(r"/[^/]+=[^/]*/", head.path) for head in heads)
    if len(groups) == 1 or len(heads) == MOST_FILES or is_parted:
        if len(groups) > 1 or len(heads) == MOST_FILES:
            options.setdefault("enforceSchema", False)  # a header that says otherwise than the first is an error
        rows = _csv_rows(spark, data, options, paths, tops)
    else:
        _check_headers(headers, options)
        parts = [
            _csv_rows(
                spark,
                data,
                options,
                [literal(unquote(urlparse(file).path), file) for file in files],
                [lines for lines in tops if lines.head.path in files],
            )
            for files in groups.values()
        ]
        _check_types(parts)
        rows = reduce(lambda one, other: one.unionByName(other, allowMissingColumns=True), parts)
    first = next(iter(groups))
    nameless = _nameless(first, rows.columns)
    lost = lost_zeros(tops, [name for name, kind in rows.dtypes if kind in ("int", "bigint")])
    said = (*_said_of_names(first, rows.columns, nameless), *said_of_zeros(used(lost, data), data.categories))
    return Source(rows, nameless, said, tuple(lost))


def pandas_line(data: TableData, kinds: Mapping[str, str]) -> str | None:
    """The call of pandas that reads such a file as the config does; None where that is what pandas does anyway.

    Args:
        kinds: Spark's short names of the types of the columns that a model reads.
    """
    if data.format != "csv" or data.schema is not None:
        return None
    options = {key.casefold(): value for key, value in data.options.items()}
    if options.keys() - _TO_PANDAS or not is_true({"header": True, **options}, "header"):
        return None
    texts = [
        name
        for name, kind in kinds.items()
        if (kind == "string" and matches(name, data.categories)) or (kind in DATES and data.date_format)
    ]
    said = {
        "sep": options.get("sep", options.get("delimiter")),
        "encoding": options.get("encoding", options.get("charset")),
        "decimal": data.decimal if data.decimal != "." else None,
        "thousands": data.thousands,
        "quotechar": options.get("quote"),
        "comment": options.get("comment"),
        "na_values": list(data.missing_values),
        "dtype": dict.fromkeys(texts, "str"),
    }
    if not any(said.values()):
        return None
    # Its own texts for gaps, as NA and None, are texts to Spark.
    said |= {"keep_default_na": False, "na_values": ["", *data.missing_values]}
    words = [f"{key}={value!r}" for key, value in said.items() if value or key == "keep_default_na"]
    line = f"pandas.read_csv('FILE', {', '.join(words)})"
    return f"{line}, and then what data.query does" if data.query is not None else line


def literal(path: str, uri: str) -> str:
    """A path that Hadoop takes for one file, whatever is in its name."""
    parsed = urlparse(uri)
    escaped = _OF_PATTERNS.sub(r"\\\1", path)
    return f"{parsed.scheme}://{parsed.netloc}{escaped}"


def _csv_rows(
    spark: SparkSession, data: TableData, options: Mapping[str, Any], paths: list[str], tops: Sequence[Lines]
) -> DataFrame:
    from pyspark.sql.types import StringType, StructField, StructType

    reader, header = spark.read.format("csv").options(**options), tops[0].header
    if data.schema is not None:
        schema = StructType.fromDDL(data.schema)
        if is_true(options, "header") and not is_true(options, "enforceSchema"):
            if set(schema.names) != set(header):
                raise ExperimentError(
                    f"data.schema must name the columns of the file ({', '.join(header)}), got "
                    f"{', '.join(schema.names)}; data.options.enforceSchema=true takes them by their places"
                )
            schema = StructType([schema[name] for name in header])
        return reader.schema(schema).load(paths)
    rows = reader.load(paths)
    names = [name for name in rows.columns if data.categories and matches(name, data.categories)]
    if "timestampformat" not in {key.casefold() for key in options}:
        moments = [name for name, kind in rows.dtypes if kind.startswith("timestamp")]
        names += times_of_day(tops, rows.columns, moments)
    names += java_numbers(tops, rows.columns, [name for name, kind in rows.dtypes if kind == "double"])
    if not names:
        return rows
    # As it is written: read as a number, 007 would be 7, 1D would be 1, and 17:14 a moment of today.
    fields = [StructField(one.name, StringType()) if one.name in names else one for one in rows.schema]
    if "enforceschema" not in {key.casefold() for key in options}:
        reader = reader.option("enforceSchema", True)
    return reader.schema(StructType(fields)).load(paths)


def _check_headers(headers: Mapping[str, Sequence[str]], options: Mapping[str, Any]) -> None:
    """Refuse files of which one has a column that another has not, unless they are to be merged."""
    (first, columns), *others = headers.items()
    for file, header in others:
        more, less = (sorted(set(one) - set(two)) for one, two in ((header, columns), (columns, header)))
        if (more or less) and not is_true(options, "mergeSchema"):
            raise other_columns(file, first, more, less)


def other_columns(file: str, first: str, more: Sequence[str], less: Sequence[str]) -> ExperimentError:
    """That a file has columns which the first has not, or lacks some."""
    said = [f"the column {', '.join(more)} more"] if more else []
    said += [f"no column {', '.join(less)}"] if less else []
    return ExperimentError(
        f"data.path must be files with the same columns, got '{file_name(file)}' with {' and '.join(said)} than "
        f"'{file_name(first)}'; data.options.mergeSchema=true takes all columns, missing where a file has none"
    )


def _check_types(parts: Sequence[DataFrame]) -> None:
    """Refuse a column that is text in some files only: the numbers of the others would become text."""
    kinds: dict[str, set[bool]] = {}
    for part in parts:
        for name, kind in part.dtypes:
            kinds.setdefault(name, set()).add(kind == "string")
    mixed = [name for name, found in kinds.items() if len(found) > 1]
    if mixed:
        raise ExperimentError(
            f"data.path must be files whose columns are alike, got {', '.join(mixed)} as text in some and as numbers "
            f"in others; say what stands for a missing value, as in {override('data.missing_values', ['NA'])}, or "
            f"that they are names: {override('data.categories', mixed)}"
        )


def _nameless(header: Sequence[str], columns: Sequence[str]) -> tuple[str, ...]:
    if len(header) != len(columns):
        return ()
    return tuple(name for written, name in zip(header, columns, strict=True) if _NAMELESS.fullmatch(written.strip()))


def _said_of_names(header: Sequence[str], columns: Sequence[str], nameless: Sequence[str]) -> list[str]:
    said = []
    if nameless:
        names = ", ".join(nameless)
        said.append(
            f"data has columns without a name, called {names} here, which are left out: they are row numbers or "
            "empty; name them in data.features to have them in"
        )
    counts = Counter(name.casefold() for name in header if name)
    twice = [name for name, count in counts.items() if count > 1]
    if twice and len(header) == len(columns):
        renamed = [name for written, name in zip(header, columns, strict=True) if written.casefold() in twice]
        said.append(
            f"data has several columns called {', '.join(twice)} (capitals make no difference), which are "
            f"{', '.join(renamed)} here; leave out those that are not wanted: {override('data.exclude', renamed[1:])}"
        )
    return said


def used(columns: Mapping[str, str], data: TableData) -> dict[str, str]:
    """Those that a run reads, as far as the config says it."""
    if data.query is not None:
        return dict(columns)
    beside = (data.label, data.group, data.id, data.time, data.weight)

    def is_feature(name: str) -> bool:
        return (not data.features or matches(name, data.features)) and not matches(name, data.exclude)

    return {name: value for name, value in columns.items() if name in beside or is_feature(name)}


def said_of_zeros(lost: Mapping[str, str], categories: Sequence[str]) -> list[str]:
    """That codes such as 007 are read as numbers; an example by the name of each column."""
    if not lost:
        return []
    said = ", ".join(f"'{value}' in '{name}'" for name, value in lost.items())
    what = "lose their zeros" if all(value[-1].isdigit() for value in lost.values()) else "lose what is no number"
    return [
        f"data has codes that are read as numbers and {what}, such as {said}; "
        f"{override('data.categories', [*categories, *lost])} keeps them as they are"
    ]
