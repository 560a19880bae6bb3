"""The beginnings of files, looked at before Spark reads them: what a file is, and how its lines are made."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from experiments.errors import ExperimentError, override

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

BYTES = 128 * 1024
MOST_FILES = 100
_WHICH_FILES = ("recursivefilelookup", "pathglobfilter", "basepath", "modifiedafter", "modifiedbefore")
_SEPARATORS = (",", ";", "\t", "|")
_KINDS = (
    (b"PAR1", "parquet", "Parquet", "data.format=parquet"),
    (b"ORC", "orc", "ORC", "data.format=orc"),
    (b"Obj\x01", "avro", "Avro", "data.format=avro, with cluster.conf.spark.jars.packages=org.apache.spark:spark-avro"),
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
        return unquote(self.path).removeprefix("file://")

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
    which = {name: value for name, value in options.items() if name.casefold() in _WHICH_FILES}
    files = sorted(spark.read.format("text").options(**which).load(list(paths)).inputFiles())
    java: Any = spark.sparkContext._jvm
    conf = spark.sparkContext._jsc.hadoopConfiguration()
    codecs = java.org.apache.hadoop.io.compress.CompressionCodecFactory(conf)
    return [_head(java, conf, codecs, file) for file in files[:MOST_FILES]]


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
        if head.kind is not None and head.kind[0] != file_format:
            _, words, way_out = head.kind
            raise ExperimentError(f"data.path must be {file_format}, got '{head.name}', which is {words}; {way_out}")
    if not any(head.raw.strip() for head in heads):
        which = f"'{heads[0].name}', which is empty" if heads else "no file"
        raise ExperimentError(f"data.path must hold rows, got {which}; check the path")


def check_lines(heads: Sequence[Head], options: Mapping[str, Any]) -> None:
    """Hold the beginnings of CSV files against the options that they are to be read by.

    Raises:
        ExperimentError: lines that would be misread, with the option that reads them.
    """
    for head in heads:
        text = _decoded(head, options)
        if text.strip():
            _check_separator(head, text, options)
            _check_lines(head, text, options)


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
                f"data.options.multiLine must be true where a row of JSON is not one line, got {_shown(lines[0])} as "
                f"the first line of '{head.name}'; {override('data.options.multiLine', 'true')}"
            ) from None


def _decoded(head: Head, options: Mapping[str, Any]) -> str:
    """The head's text; an error where the bytes are not of the encoding."""
    encoding = str(options.get("encoding", options.get("charset", "UTF-8")))
    if head.raw.startswith((b"\xff\xfe", b"\xfe\xff")) and not encoding.upper().startswith("UTF-16"):
        raise _wrong_encoding(head, encoding, "UTF-16")
    try:
        text = head.raw.decode(encoding)
    except LookupError:
        return ""  # Java may know it
    except UnicodeDecodeError as error:
        if head.is_whole or error.start < len(head.raw) - 4:  # and not a letter that is cut in two
            line = head.raw[: error.start].count(b"\n") + 1
            raise _wrong_encoding(head, encoding, _guess(head.raw), line) from error
        text = head.raw[: error.start].decode(encoding)
    return text.removeprefix("\ufeff")


def _guess(raw: bytes) -> str:
    return "windows-1252" if any(0x80 <= byte < 0xA0 for byte in raw) else "ISO-8859-1"


def _wrong_encoding(head: Head, encoding: str, guess: str, line: int = 1) -> ExperimentError:
    return ExperimentError(
        f"data.options.encoding must be that of the file, got {encoding} for '{head.name}', whose line {line} has "
        f"bytes of another; try {override('data.options.encoding', guess)}"
    )


def rows_of(text: str, options: Mapping[str, Any]) -> list[list[str]]:
    """Lines taken apart as Spark would, line breaks inside quotes included."""
    separator = str(options.get("sep", options.get("delimiter", ","))).replace("\\t", "\t")
    if len(separator) != 1:
        return []
    quote = str(options.get("quote", '"'))
    escape = str(options.get("escape", quote))
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=separator,
        quotechar=quote if len(quote) == 1 else None,
        quoting=csv.QUOTE_MINIMAL if len(quote) == 1 else csv.QUOTE_NONE,
        doublequote=escape == quote,
        escapechar=None if escape == quote or len(escape) != 1 else escape,
        skipinitialspace=False,
    )
    try:
        return [row for row in reader if row]
    except csv.Error:
        return []


def _check_separator(head: Head, text: str, options: Mapping[str, Any]) -> None:
    rows = rows_of(text, options)
    if not rows or max(map(len, rows[:20])) > 1:
        return
    widths = {sep: {len(row) for row in rows_of(text, {**options, "sep": sep})[:20]} for sep in _SEPARATORS}
    likely = [sep for sep, found in widths.items() if len(found) == 1 and found != {1}]
    if likely:
        shown = "\\t" if likely[0] == "\t" else likely[0]
        raise ExperimentError(
            f"data.options.sep must be what stands between columns, got one column in '{head.name}', whose first line "
            f"is {_shown(rows[0][0])}; {override('data.options.sep', shown)}"
        )
    if len({len(row[0].split()) for row in rows[:20]}) == 1 and len(rows[0][0].split()) > 1 and len(rows) > 1:
        raise ExperimentError(
            f"data.path must have one sign between columns, got columns set apart by blanks in '{head.name}', whose "
            f"first line is {_shown(rows[0][0])}; make them commas: sed 's/^ *//' FILE | tr -s ' ' , > NEW_FILE"
        )


def _check_lines(head: Head, text: str, options: Mapping[str, Any]) -> None:
    if is_true(options, "multiLine"):
        return
    rows = rows_of(text, options)
    if not rows:
        return
    # The last may be cut in the middle of a quote.
    for row in rows if head.is_whole else rows[:-1]:
        broken = next((cell for cell in row if "\n" in cell or "\r" in cell), None)
        if broken is not None:
            raise ExperimentError(
                f"data.options.multiLine must be true where a value has line breaks, got {_shown(broken)} in "
                f"'{head.name}'; {override('data.options.multiLine', 'true')}"
            )
    width = Counter(map(len, rows)).most_common(1)[0][0]
    title = next((place for place, row in enumerate(rows) if len(row) == width), 0)
    if is_true(options, "header") and title and len(rows) > title + 1:
        lines = text[: text.find(_line_of(text, rows[title], options))].count("\n")
        raise ExperimentError(
            f"data.path must begin with the names of the columns, got {_shown(text.splitlines()[0])} above them in "
            f"'{head.name}'; take {'that line' if lines == 1 else f'those {lines} lines'} away: "
            f"tail -n +{lines + 1} FILE > NEW_FILE"
        )


def _line_of(text: str, row: Sequence[str], options: Mapping[str, Any]) -> str:
    """The first line that is taken apart to the row."""
    return next((line for line in text.splitlines() if rows_of(line, options) == [list(row)]), text)


def is_true(options: Mapping[str, Any], name: str) -> bool:
    """Whether an option of a reader is on; Spark takes any capitals."""
    lowered = {key.casefold(): value for key, value in options.items()}
    return str(lowered.get(name.casefold(), "false")).casefold() == "true"


def _shown(text: str, most: int = 60) -> str:
    return repr(text if len(text) <= most else f"{text[:most]}…")


def header_of(head: Head, options: Mapping[str, Any]) -> list[str]:
    """The names of the columns as they are written; empty without any."""
    rows = rows_of(head.text(str(options.get("encoding", "UTF-8"))), options)
    return rows[0] if rows and is_true(options, "header") else []


def is_header_only(head: Head, options: Mapping[str, Any]) -> bool:
    """Whether there is no row below the names of the columns."""
    return head.is_whole and len(rows_of(head.text(str(options.get("encoding", "UTF-8"))), options)) <= 1


def lost_zeros(heads: Sequence[Head], options: Mapping[str, Any], columns: Mapping[str, int]) -> dict[str, str]:
    """Of columns that are read as whole numbers, by their places, those with a value such as 007, which is given."""
    found: dict[str, str] = {}
    for head in heads:
        rows = rows_of(head.text(str(options.get("encoding", "UTF-8"))), options)
        for name, place in columns.items():
            if name not in found:
                values = (row[place].strip() for row in rows[1:] if place < len(row))
                value = next((value for value in values if re.fullmatch(r"[+-]?0\d+", value)), None)
                if value is not None:
                    found[name] = value
    return found
