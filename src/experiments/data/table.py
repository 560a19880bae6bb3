"""Files and tables by any reader that Spark has."""

from __future__ import annotations

import glob
import os
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote, urlparse

from experiments.config.schema import TableData
from experiments.data.columns import without_structs
from experiments.data.csv_files import Source, literal, other_columns, read_csv, said_of_zeros, used
from experiments.data.folders import codes_of_folders, files_in_folders, with_texts
from experiments.data.heads import MOST_FILES, check_json, check_kinds, file_name, heads_of
from experiments.data.names import matches, quoted
from experiments.data.texts import typed
from experiments.errors import ExperimentError, readable_cause

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

# What a query calls the rows, of one at a time: trials of a sweep are threads of one session.
_VIEW, _viewing = "source", threading.Lock()
_NANOS = "spark.sql.legacy.parquet.nanosAsLong"
# What pandas calls an index that has no name.
_ROW_NUMBERS = re.compile(r"__index_level_\d+__")
FILE_FORMATS = ("csv", "json", "parquet", "orc", "text", "libsvm")
# A malformed row is an error, not a null; a header and types are what people's CSV files have, and quotes are doubled
# (RFC 4180).
DEFAULT_OPTIONS: dict[str, dict[str, Any]] = {
    "csv": {
        "header": True,
        "inferSchema": True,
        "mode": "FAILFAST",
        "columnPruning": False,
        "escape": '"',
    },
    "json": {"mode": "FAILFAST"},
}


def paths_of(path: Any) -> list[str]:
    """A `path` or `test_path` as a list."""
    if path is None:
        return []
    return [str(item) for item in path] if isinstance(path, list | tuple) else [str(path)]


def missing_paths(key: str, path: Any) -> list[str]:
    """What is wrong with a path on this machine; other file systems are left to Spark."""
    problems = []
    for item in paths_of(path):
        parsed = urlparse(item)
        local = unquote(parsed.path) if parsed.scheme == "file" else item
        # Of {a,b} only Hadoop knows what it means.
        is_local = parsed.scheme in ("", "file") and "{" not in local
        if is_local and not os.path.exists(local) and not glob.glob(local):
            problems.append(f"{key} must be there, got '{item}', which matches no file; check the path")
    return problems


def read_table(spark: SparkSession, data: TableData, path: Any) -> Source:
    """The rows of one path, of a table, or of a reader without paths (jdbc), through the query if there is one.

    Raises:
        ExperimentError: files that are something else, would be misread or differ; the reader's own reason.
    """
    try:
        source = _source(spark, data, path)
        rows = source.rows
        if data.query is not None:
            rows = _queried(spark, rows, data.query)
        read = without_structs(rows)
        rows, of_label = typed(read, data)
        kinds = dict(rows.dtypes)
        texts = tuple(name for name, kind in read.dtypes if kind == "string" and kinds[name] != "string")
        numbers = tuple(
            name for name in rows.columns if _ROW_NUMBERS.fullmatch(name) and not matches(name, data.features)
        )
        more = (*_said_of_row_numbers(numbers), *of_label)
        left_out, warnings = (*source.left_out, *numbers), (*source.warnings, *more)
        return replace(source, rows=rows, left_out=left_out, warnings=warnings, texts=texts)
    except ExperimentError:
        raise
    except Exception as error:  # readers raise Spark's, Java's and their own kinds
        what = f"data.table={data.table}" if data.table else f"data.format={data.format}"
        said = readable_cause(error)
        known = "; to data.query what was read is `source`" if data.query and "TABLE_OR_VIEW_NOT_FOUND" in said else ""
        raise ExperimentError(f"{what} must be readable, but: {said}{known}") from error


def _said_of_row_numbers(names: Sequence[str]) -> list[str]:
    if not names:
        return []
    return [
        f"data has the index of a pandas frame as {', '.join(names)}, which is left out, as row numbers are; name it "
        "in data.features to have it in"
    ]


def _queried(spark: SparkSession, rows: DataFrame, query: str) -> DataFrame:
    """What a query makes of rows that it calls `source`; a view of that name in a session of others stays theirs."""
    with _viewing:
        has_own = spark._jsparkSession.sessionState().catalog().getTempView(_VIEW).isDefined()
        own = spark.table(_VIEW) if has_own else None
        rows.createOrReplaceTempView(_VIEW)
        try:
            return spark.sql(query)
        finally:
            if own is None:
                spark.catalog.dropTempView(_VIEW)
            else:
                own.createOrReplaceTempView(_VIEW)


def _source(spark: SparkSession, data: TableData, path: Any) -> Source:
    if data.table is not None:
        return Source(spark.table(data.table))
    reader = spark.read.format(data.format)
    options = {**DEFAULT_OPTIONS.get(data.format, {}), **data.options}
    if {"encoding", "charset"} & {key.casefold() for key in options}:
        # Without it Spark knows six, and windows-1252, which half of the world's spreadsheets write, is none of them.
        spark.conf.set("spark.sql.legacy.javaCharsets", "true")
    if path is None:
        return Source(_read(reader, data, options))
    paths = _paths_for_java(spark, data.format, path)
    if data.format not in FILE_FORMATS:
        return Source(_read(reader, data, options, paths))
    if data.format == "csv":  # which takes anything for lines of text
        heads = heads_of(spark, paths, options)
        check_kinds(heads, data.format)
        return _with_codes(read_csv(spark, data, options, paths, heads), data)
    try:
        if data.format in ("parquet", "orc"):
            return _with_codes(Source(_columnar(spark, data, options, paths)), data)
        return _with_codes(Source(_read(reader, data, options, paths)), data)
    except ExperimentError:
        raise
    except Exception:
        # What the files are says more than that they cannot be read.
        heads = heads_of(spark, paths, options)
        check_kinds(heads, data.format)
        if data.format == "json":
            check_json(heads, options)
        raise


def _with_codes(source: Source, data: TableData) -> Source:
    """The same with what is to be said of columns that folders make."""
    if data.schema is not None:
        return source
    lost = codes_of_folders(files_in_folders(source.rows), dict(source.rows.dtypes))
    said = said_of_zeros(used(lost, data), data.categories)
    return replace(source, warnings=(*source.warnings, *said), codes=(*source.codes, *lost))


def _read(reader: Any, data: TableData, options: Mapping[str, Any], paths: list[str] | None = None) -> DataFrame:
    reader = reader.options(**options)
    if data.schema is not None:
        reader = reader.schema(data.schema)
    if paths is None:
        return cast("DataFrame", reader.load())
    rows: DataFrame = reader.load(paths)
    texts = with_texts(rows, data.categories) if data.format in FILE_FORMATS and data.schema is None else None
    return rows if texts is None else reader.schema(texts).load(paths)


def _columnar(spark: SparkSession, data: TableData, options: Mapping[str, Any], paths: list[str]) -> DataFrame:
    """Parquet or ORC; an error where files differ and were not said to be merged."""
    reader = spark.read.format(data.format)
    try:
        rows = _read(reader, data, options, paths)
    except Exception as error:
        if "TIMESTAMP(NANOS" not in str(error):
            raise
        spark.conf.set(_NANOS, True)
        rows = _read(spark.read.format(data.format), data, options, paths)
    files = rows.inputFiles()
    if data.format == "parquet" and spark.conf.get(_NANOS) == "true" and files:
        rows = _with_times(spark, rows, files[0])
    if len(files) < 2 or data.schema is not None or "mergeschema" in {key.casefold() for key in options}:
        return rows
    try:
        merged = _read(spark.read.format(data.format), data, {**options, "mergeSchema": True}, paths)
        if merged.dtypes == rows.dtypes:
            return rows
    except Exception:  # types that cannot be merged
        merged = None
    _say_which_differs(spark, data, options, files)
    return rows if merged is None else merged


def _with_times(spark: SparkSession, rows: DataFrame, file: str) -> DataFrame:
    """Nanoseconds, which pandas writes and Spark reads as whole numbers, as the times that they are."""
    from pyspark.sql import functions as F

    java: Any = spark.sparkContext._jvm
    path = java.org.apache.hadoop.fs.Path(java.java.net.URI(file))
    conf = spark.sparkContext._jsc.hadoopConfiguration()
    footer = java.org.apache.parquet.hadoop.ParquetFileReader.readFooter(conf, path)
    fields = footer.getFileMetaData().getSchema().getFields()
    kinds = {field.getName(): str(field.getLogicalTypeAnnotation()) for field in fields}
    columns = []
    for name in rows.columns:
        column, kind = quoted(name), kinds.get(name, "")
        if kind.startswith("TIMESTAMP(NANOS"):
            since = "TIMESTAMP '1970-01-01 00:00:00Z'" if "true" in kind else "TIMESTAMP_NTZ '1970-01-01 00:00:00'"
            column = f"{since} + make_dt_interval(0, 0, 0, {column} / 1e9BD) AS {column}"
        columns.append(F.expr(column))
    return rows.select(*columns)


def _say_which_differs(spark: SparkSession, data: TableData, options: Mapping[str, Any], files: Sequence[str]) -> None:
    kinds: dict[str, dict[str, str]] = {}
    for file in sorted(files)[:MOST_FILES]:
        path = literal(unquote(urlparse(file).path), file)
        kinds[file] = dict(spark.read.format(data.format).options(**options).load([path]).dtypes)
    (first, columns), *others = kinds.items()
    for file, found in others:
        if set(found) != set(columns):
            raise other_columns(file, first, sorted(set(found) - set(columns)), sorted(set(columns) - set(found)))
        other = next((name for name in found if found[name] != columns[name]), None)
        if other is not None:
            raise ExperimentError(
                f"data.path must be files whose columns are alike, got '{other}' as {found[other]} in "
                f"'{file_name(file)}' and as {columns[other]} in '{file_name(first)}'; write them with one type, or "
                "read them by data.schema"
            )


def _paths_for_java(spark: SparkSession, file_format: str, path: Any) -> list[str]:
    """Relative paths of files made absolute: Java keeps to the folder in which it was started, Python may have left.

    A path that is there as it stands is that file, and no pattern.
    """
    is_local = str(spark.sparkContext._jsc.hadoopConfiguration().get("fs.defaultFS")).startswith("file:")
    if not is_local or file_format not in FILE_FORMATS:
        return paths_of(path)
    absolute = [item if urlparse(item).scheme else os.path.abspath(item) for item in paths_of(path)]
    return [literal(item, "file://") if os.path.exists(item) else item for item in absolute]
