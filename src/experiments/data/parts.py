"""How many tasks can read a source at once; rows that too few could read are dealt out over all cores."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

# Less is read, and fitted on, sooner than it is dealt out.
LEAST_BYTES = 16 * 1024 * 1024
MOST_BYTES_OF_A_PART = 128 * 1024 * 1024
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
        size: bytes of what is used of them, as Spark estimates them; of a join far too many.
    """
    if size < LEAST_BYTES:
        return None
    cores = int(source.sparkSession.sparkContext.defaultParallelism)
    pieces = _pieces(source, FILES_PER_CORE * cores)
    whole = sum(pieces)
    if whole < LEAST_BYTES or whole / max(pieces) >= ENOUGH * cores:
        return None
    return max(cores, math.ceil(whole / MOST_BYTES_OF_A_PART))


def _pieces(source: DataFrame, most: int) -> list[int]:
    """Bytes of each piece that one task must read whole; none where that is not known.

    Args:
        most: files that are looked at: of more, several are read at once anyway.
    """
    files = source._jdf.inputFiles()
    if not 0 < len(files) <= most:
        return []
    try:
        return [piece for file in map(str, files) for piece in _pieces_of(source, file)]
    except Exception:  # a file that cannot be read or is gone: whoever reads the rows says so, or leaves it out
        return []


def _pieces_of(source: DataFrame, file: str) -> list[int]:
    """Of a file of Parquet those of its row groups, of which its end tells, wherever it lies.

    Raises:
        ValueError: it is of another kind.
    """
    java, settings = source.sparkSession._jvm, source.sparkSession._jsc.hadoopConfiguration()
    path = java.org.apache.hadoop.fs.Path(java.java.net.URI(file))
    if file.endswith(UNSPLIT):
        return [path.getFileSystem(settings).getFileStatus(path).getLen()]
    if not file.endswith(".parquet"):
        raise ValueError(file)
    parquet = java.org.apache.parquet.hadoop
    reader = parquet.ParquetFileReader.open(parquet.util.HadoopInputFile.fromPath(path, settings))
    try:
        return [group.getTotalByteSize() for group in reader.getRowGroups()]
    finally:
        reader.close()
