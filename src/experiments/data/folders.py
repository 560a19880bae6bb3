"""Columns that folders make, as `zip=007/part-0.parquet` makes one called zip."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlparse

from experiments.data.kinds import NUMBERS, base_of
from experiments.data.names import matches

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType

_FOLDER = re.compile(r"([^/=]+)=([^/]*)/")
# Numbers to Spark, and something else to whoever has named a folder so.
_CODE = re.compile(r"[+-]?0\d+|[+-]?\d[\d.eE+-]*[dDfF]")


def folder_values(files: Iterable[str]) -> dict[str, set[str]]:
    """What stands in the names of folders, by column.

    Args:
        files: URIs, in which Spark has what its own names of folders escape escaped once more.
    """
    found: dict[str, set[str]] = {}
    for file in files:
        for name, value in _FOLDER.findall(urlparse(file).path):
            found.setdefault(unquote(unquote(name)), set()).add(unquote(unquote(value)))
    return found


def files_in_folders(rows: DataFrame) -> list[str]:
    """The files of rows, where their folders make columns; they may be many, and are asked for only then."""
    files = rows._jdf.inputFiles()
    first = folder_values(files[:1]) if len(files) else {}
    return list(files) if first.keys() & {*rows.columns} else []


def with_texts(rows: DataFrame, categories: Sequence[str]) -> StructType | None:
    """The schema by which columns of folders that are categories stay as they are written; None where they do."""
    from pyspark.sql.types import StringType, StructField, StructType

    if not any(matches(name, categories) and kind != "string" for name, kind in rows.dtypes):
        return None
    made = folder_values(files_in_folders(rows))
    texts = [name for name, kind in rows.dtypes if name in made and kind != "string" and matches(name, categories)]
    fields = [StructField(one.name, StringType()) if one.name in texts else one for one in rows.schema]
    return StructType(fields) if texts else None


def codes_of_folders(files: Iterable[str], kinds: Mapping[str, str]) -> dict[str, str]:
    """Of columns of folders that are read as numbers those with a value such as 007, which is given.

    Args:
        kinds: Spark's short names of the columns' types.
    """
    codes = {}
    for name, found in folder_values(files).items():
        # Months and days such as 01 are numbers.
        are_padded = {len(value) for value in found if value.isdigit()} <= {2}
        code = next((value for value in sorted(found) if _CODE.fullmatch(value)), None)
        if code is not None and base_of(kinds.get(name, "")) in NUMBERS and not (are_padded and code.isdigit()):
            codes[name] = code
    return codes
