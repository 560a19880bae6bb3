"""The beginnings of files: what a file is, whatever it is called."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from experiments.errors import ExperimentError, override

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# Of names that begin with a dot or an underscore Spark reads none.
_PLAIN = re.compile(r"file:///(?:[\w.+ -]*/)*[^\W_][\w.+ -]*\.(csv|tsv|txt|data|json|jsonl)")
BYTES = 128 * 1024
MOST_FILES = 100
_WHICH_FILES = ("recursivefilelookup", "pathglobfilter", "basepath", "modifiedafter", "modifiedbefore")
_AVRO = f"org.apache.spark:spark-avro_2.13:{version('pyspark')}"
_KINDS = (
    (b"PAR1", "parquet", "Parquet", "data.format=parquet"),
    (b"ORC", "orc", "ORC", "data.format=orc"),
    (b"Obj\x01", "avro", "Avro", f"data.format=avro cluster.conf.spark.jars.packages={_AVRO}"),
    (b"\xd0\xcf\x11\xe0", "", "an old Excel file", "save it as CSV"),
    (b"\xfd7zXZ", "", "packed by xz", "unpack it: unxz"),
    (b"7z\xbc\xaf", "", "packed by 7-Zip", "unpack it: 7z x"),
    (b"\x1f\x8b", "gz", "packed by gzip", "give it a name that ends in .gz"),
    (b"BZh", "bz2", "packed by bzip2", "give it a name that ends in .bz2"),
    (b"\x28\xb5\x2f\xfd", "zst", "packed by zstd", "give it a name that ends in .zst"),
    (b"SQLite format 3", "", "a SQLite database", "save its table as CSV"),
    (b"version https://git-lfs", "", "a pointer of Git LFS and not the file", "fetch it: git lfs pull"),
    (b"<!DOCTYPE", "", "a web page", "download the file itself"),
    (b"<html", "", "a web page", "download the file itself"),
)
_ZIPPED = (
    (b"xl/", "an Excel file", "save it as CSV, in Excel or by pandas.read_excel(…).to_csv(…, index=False)"),
    (b"", "packed by zip", "unpack it: unzip"),
)


@dataclass(frozen=True)
class Head:
    """The first bytes of a file, unpacked where Spark would.

    Attributes:
        path: as Spark says it.
        raw: at most `BYTES`.
        is_whole: whether there is no more.
    """

    path: str
    raw: bytes
    is_whole: bool

    @property
    def name(self) -> str:
        return file_name(self.path)

    def text(self, encoding: str) -> str:
        """Whole lines, as far as there are."""
        text = self.raw.decode(encoding, errors="replace").removeprefix("\ufeff")
        return text if self.is_whole else text.rpartition("\n")[0] or text

    @cached_property
    def kind(self) -> tuple[str, str, str] | None:
        """What it is if not text: Spark's name for the format, in words, and what to do about it."""
        if self.raw.startswith(b"PK\x03\x04"):
            said = next((words, way) for mark, words, way in _ZIPPED if mark in self.raw)
            return ("", *said)
        found = (kind for mark, *kind in _KINDS if self.raw[: len(mark)].upper() == mark.upper())
        return next(((name, words, way) for name, words, way in found), None)


def heads_of(spark: SparkSession, paths: Sequence[str], options: Mapping[str, Any]) -> list[Head]:
    """Of the first `MOST_FILES` files that Spark would read."""
    if all(map(_is_plain, paths)):  # nothing that only Java can find or unpack
        return [_local_head(path) for path in paths[:MOST_FILES]]
    which = {name: value for name, value in options.items() if name.casefold() in _WHICH_FILES}
    files = sorted(spark.read.format("text").options(**which).load(list(paths)).inputFiles())
    java: Any = spark.sparkContext._jvm
    conf = spark.sparkContext._jsc.hadoopConfiguration()
    codecs = java.org.apache.hadoop.io.compress.CompressionCodecFactory(conf)
    return [_head(java, conf, codecs, file) for file in files[:MOST_FILES]]


def plain_head(path: str, most: int) -> Head | None:
    """The first bytes of one plain file of this machine, at most so many; None of anything else."""
    file = f"file://{os.path.abspath(path.removeprefix('file://'))}"
    return _local_head(file, most) if _is_plain(file) else None


def _is_plain(path: str) -> bool:
    """Whether a path says that it is one file of this machine, not packed, and nothing in it is a pattern to Hadoop."""
    return _PLAIN.fullmatch(path) is not None and os.path.isfile(path.removeprefix("file://"))


def _local_head(path: str, most: int = BYTES) -> Head:
    with open(path.removeprefix("file://"), "rb") as file:
        raw = file.read(most + 1)
    return Head(path, raw[:most], len(raw) <= most)


def _head(java: Any, conf: Any, codecs: Any, file: str) -> Head:
    path = java.org.apache.hadoop.fs.Path(java.java.net.URI(file))
    stream = path.getFileSystem(conf).open(path)
    try:
        codec = codecs.getCodec(path)
        if codec is not None:
            stream = codec.createInputStream(stream)
        raw = bytes(stream.readNBytes(BYTES + 1))
    finally:
        stream.close()
    return Head(file, raw[:BYTES], len(raw) <= BYTES)


def check_kinds(heads: Sequence[Head], file_format: str) -> None:
    """Refuse files that are something else than what they are to be read as.

    Raises:
        ExperimentError: with the file, what it is and what to do.
    """
    for head in heads:
        kind = head.kind or (_json(head) if file_format == "csv" else None)
        if kind is not None and kind[0] != file_format:
            _, words, way_out = kind
            raise ExperimentError(f"data.path must be {file_format}, got '{head.name}', which is {words}; {way_out}")
    if not any(head.raw.strip() for head in heads):
        which = f"'{heads[0].name}', which is empty" if heads else "no file"
        raise ExperimentError(f"data.path must hold rows, got {which}; check the path")


def _json(head: Head) -> tuple[str, str, str] | None:
    """As `Head.kind`, of a file that begins with an object whose first key is in quotes."""
    begin = re.match(rb'\s*(\[)?\s*\{\s*"', head.raw.removeprefix(b"\xef\xbb\xbf"))
    if begin is None:
        return None
    is_by_line = not begin[1] and b"\n" not in begin[0]
    return "json", "JSON", f"data.format=json{'' if is_by_line else ' data.options.multiLine=true'}"


def check_json(heads: Sequence[Head], options: Mapping[str, Any]) -> None:
    """Refuse JSON that is not one object on each line, unless it is said that it is not.

    Raises:
        ExperimentError: with the option that reads it.
    """
    if is_true(options, "multiLine"):
        return
    for head in heads:
        lines = [line for line in head.text("UTF-8").splitlines() if line.strip()]
        try:
            if lines and (len(lines) > 1 or head.is_whole):
                json.loads(lines[0].strip().rstrip(","))
        except ValueError:
            raise ExperimentError(
                f"data.options.multiLine must be true where a row of JSON is not one line, got {shown(lines[0])} as "
                f"the first line of '{head.name}'; {override('data.options.multiLine', 'true')}"
            ) from None


def is_true(options: Mapping[str, Any], name: str) -> bool:
    """Whether an option of a reader is on; Spark takes any capitals."""
    lowered = {key.casefold(): value for key, value in options.items()}
    return str(lowered.get(name.casefold(), "false")).casefold() == "true"


def shown(text: str, most: int = 60) -> str:
    """The beginning of a text in quotes."""
    return repr(text if len(text) <= most else f"{text[:most]}…")


def file_name(file: str) -> str:
    """As a person calls it."""
    return unquote(file).removeprefix("file://")
