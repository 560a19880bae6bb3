"""Files and tables by any reader that Spark has."""

from __future__ import annotations

import glob
import os
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlparse

from experiments.config.schema import TableData
from experiments.errors import ExperimentError, readable_cause

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

FILE_FORMATS = ("csv", "json", "parquet", "orc", "text", "libsvm")
# A malformed row is an error, not a null; a header and types are what people's CSV files have.
DEFAULT_OPTIONS: dict[str, dict[str, Any]] = {
    "csv": {"header": True, "inferSchema": True, "mode": "FAILFAST", "columnPruning": False},
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
        if parsed.scheme in ("", "file") and "{" not in local and not glob.glob(local):
            problems.append(f"{key} must be there, got '{item}', which matches no file; check the path")
    return problems


def read_table(spark: SparkSession, data: TableData, path: Any) -> DataFrame:
    """The rows of one path, or of a reader without paths (jdbc), through the query if there is one.

    Raises:
        ExperimentError: the reader's own reason.
    """
    options = {**DEFAULT_OPTIONS.get(data.format, {}), **data.options}
    if data.schema is not None:
        options.pop("inferSchema", None)
    try:
        reader = spark.read.format(data.format).options(**options)
        if data.schema is not None:
            reader = reader.schema(data.schema)
        rows = reader.load(_paths_for_java(spark, data.format, path)) if path is not None else reader.load()
        if data.query is None:
            return rows
        rows.createOrReplaceTempView("source")
        return spark.sql(data.query)
    except Exception as error:  # readers raise Spark's, Java's and their own kinds
        raise ExperimentError(f"data.format={data.format} must be readable, but: {readable_cause(error)}") from error


def _paths_for_java(spark: SparkSession, file_format: str, path: Any) -> list[str]:
    """Relative paths of files made absolute: Java keeps to the folder in which it was started, Python may have left."""
    is_local = str(spark.sparkContext._jsc.hadoopConfiguration().get("fs.defaultFS")).startswith("file:")
    if not is_local or file_format not in FILE_FORMATS:
        return paths_of(path)
    return [item if urlparse(item).scheme else os.path.abspath(item) for item in paths_of(path)]
