"""How many tasks can read a source at once; rows that too few could read are dealt out over all cores."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

# Less is read, and fitted on, sooner than it is dealt out.
LEAST_BYTES = 16 * 1024 * 1024
MOST_BYTES_OF_A_PART = 128 * 1024 * 1024
MOST_PARTS = 10_000
FILES_PER_CORE = 4
# Of the cores, how many must have something to read.
ENOUGH = 0.75
# Files that only one task can read, from their start.
UNSPLIT = (".gz", ".zst", ".lz4", ".snappy", ".zip")


def parts_to_deal(source: DataFrame, size: int) -> int | None:
    """Into how many equal parts rows are dealt out; None where most of the cores are busy anyway.

    A file of Parquet is read by one task for each of its row groups, of which a file of a million rows may have one,
    and one that is packed as a whole by one: all other cores would stand still in every pass over the cached rows.

    Args:
        source: the rows as Spark reads them.
        size: bytes of what is used of them, as Spark estimates them.
    """
    if size < LEAST_BYTES:
        return None
    cores = int(source.sparkSession.sparkContext.defaultParallelism)
    if _parts(source, FILES_PER_CORE * cores) >= ENOUGH * cores:
        return None
    return max(cores, min(math.ceil(size / MOST_BYTES_OF_A_PART), MOST_PARTS))


def _parts(source: DataFrame, most: int) -> float:
    """How many tasks can read at once, by the largest of what one must read; endless where that is not known.

    Args:
        most: files that are looked at: of more, several are read at once anyway.
    """
    files = source._jdf.inputFiles()
    if not 0 < len(files) <= most:
        return math.inf
    sizes: list[int] = []
    for file in map(str, files):
        if file.endswith(UNSPLIT):
            sizes.append(1)
        elif file.endswith(".parquet"):
            sizes += _row_groups(source, file)
        else:
            return math.inf
    return sum(sizes) / max(sizes) if any(sizes) else math.inf


def _row_groups(source: DataFrame, file: str) -> list[int]:
    """The rows of each row group, of which the end of a file of Parquet tells, wherever it lies."""
    java, settings = source.sparkSession._jvm, source.sparkSession._jsc.hadoopConfiguration()
    parquet = java.org.apache.parquet.hadoop
    path = java.org.apache.hadoop.fs.Path(java.java.net.URI(file))
    reader = parquet.ParquetFileReader.open(parquet.util.HadoopInputFile.fromPath(path, settings))
    try:
        return [group.getRowCount() for group in reader.getRowGroups()]
    finally:
        reader.close()
