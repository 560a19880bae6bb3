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


def with_texts(rows: DataFrame, categories: Sequence[str]) -> StructType | None:
    """The schema by which columns of folders that are categories stay as they are written; None where they do."""
    from pyspark.sql.types import StringType, StructField, StructType

    if not any(matches(name, categories) and kind != "string" for name, kind in rows.dtypes):
        return None
    made = folder_values(rows.inputFiles())
    texts = [name for name, kind in rows.dtypes if name in made and kind != "string" and matches(name, categories)]
    fields = [StructField(one.name, StringType()) if one.name in texts else one for one in rows.schema]
    return StructType(fields) if texts else None


def codes_of_folders(files: Iterable[str], kinds: Mapping[str, str]) -> dict[str, str]:
    """Of columns of folders that are read as numbers those with a value such as 007, which is given.

    Args:
        kinds: Spark's short names of the columns' types.
    """
    values = folder_values(files)
    codes = {name: [each for each in sorted(found) if _CODE.fullmatch(each)] for name, found in values.items()}
    return {name: found[0] for name, found in codes.items() if found and base_of(kinds.get(name, "")) in NUMBERS}
