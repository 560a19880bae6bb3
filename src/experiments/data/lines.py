"""The beginning of a CSV file: how its lines are made, looked at before Spark reads them."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.data.dates import WITHOUT_DAY
from experiments.data.heads import Head, is_true, shown
from experiments.errors import ExperimentError, override

_SEPARATORS = (",", ";", "\t", "|")
# What ISO-8859-1 makes of the signs that windows-1252 has besides, such as € and Š.
_NOBODYS = re.compile("[\x80-\x9f]")
_NOT_IN_1252 = b"\x81\x8d\x8f\x90\x9d"


@dataclass(frozen=True)
class Lines:
    """The beginning of a CSV file, taken apart once by the options that it is to be read by.

    Attributes:
        head: of the file.
        text: whole lines.
        rows: taken apart as Spark would, empty lines left out; none where only Java knows how.
        header: the names of the columns as they are written; empty without any.
    """

    head: Head
    text: str
    rows: list[list[str]]
    header: list[str]

    @property
    def is_header_only(self) -> bool:
        """Whether there is no row below the names of the columns."""
        return self.head.is_whole and bool(self.header) and len(self.rows) == 1


def lines_of(head: Head, options: Mapping[str, Any]) -> Lines:
    """The beginning of a file as lines.

    Raises:
        ExperimentError: bytes of another encoding.
    """
    text = _decoded(head, options)
    if not head.is_whole:
        text = text.rpartition("\n")[0] or text
    rows = rows_of(text, options)
    return Lines(head, text, rows, rows[0] if rows and is_true(options, "header") else [])


def check_lines(lines: Lines, options: Mapping[str, Any]) -> None:
    """Hold the beginning of a CSV file against the options that it is to be read by.

    Raises:
        ExperimentError: lines that would be misread, with the option that reads them.
    """
    if not lines.rows:
        return
    if not {"sep", "delimiter"} & options.keys():  # who has named one may have one column
        _check_separator(lines, options)
    if len(lines.header) > 1 and lines.header in lines.rows[1:]:
        raise ExperimentError(
            f"data.path must have the names of its columns once, got them again in line "
            f"{lines.rows.index(lines.header, 1) + 1} of '{lines.head.name}'; take them out: "
            "awk 'NR==1 {first=$0; print} $0!=first' FILE > NEW_FILE"
        )
    if not is_true(options, "multiLine"):
        _check_breaks(lines)
        _check_first_line(lines, options)


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
    if (found := _NOBODYS.search(text)) and codecs.lookup(encoding).name.startswith("iso8859"):
        raise _wrong_encoding(head, encoding, _guess(head.raw), text[: found.start()].count("\n") + 1)
    return text.removeprefix("\ufeff")


def _guess(raw: bytes) -> str | None:
    """An encoding that has letters for all bytes, of those that people use; None where these have none."""
    if not any(0x80 <= byte < 0xA0 for byte in raw):
        return "ISO-8859-1"
    return None if any(byte in _NOT_IN_1252 for byte in raw) else "windows-1252"


class WrongEncoding(ExperimentError):
    """Bytes that are not of the encoding.

    Attributes:
        guess: the encoding that they may be of, or None.
    """

    def __init__(self, sentence: str, guess: str | None) -> None:
        super().__init__(sentence)
        self.guess = guess


def _wrong_encoding(head: Head, encoding: str, guess: str | None, line: int = 1) -> WrongEncoding:
    way_out = f"try {override('data.options.encoding', guess)}" if guess else "who wrote it knows which it has"
    return WrongEncoding(
        f"data.options.encoding must be that of the file, got {encoding} for '{head.name}', whose line {line} has "
        f"bytes of another; {way_out}",
        guess,
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


def _check_separator(lines: Lines, options: Mapping[str, Any]) -> None:
    rows, name = lines.rows[:20], lines.head.name
    found_widths = set(map(len, rows))
    if len(found_widths) == 1 and found_widths != {1}:
        return
    widths = {sep: {len(row) for row in rows_of(lines.text, {**options, "sep": sep})[:20]} for sep in _SEPARATORS}
    # Lines may be of different lengths for other reasons; another sign must part the first one more.
    likely = [sep for sep, found in widths.items() if len(found) == 1 and min(found) > max(1, len(rows[0]) - 1)]
    if likely:
        sign = "\\t" if likely[0] == "\t" else likely[0]
        raise ExperimentError(
            f"data.options.sep must be what stands between columns, got "
            f"{'one column' if found_widths == {1} else 'lines of different lengths'} in '{name}', whose first line is "
            f"{shown(lines.text.lstrip().splitlines()[0])}; {override('data.options.sep', sign)}"
        )
    if found_widths != {1}:
        return
    # In quotes there may be blanks that set nothing apart.
    lined = [line.replace("\t", " ").strip() for line in lines.text.splitlines()[:20]]
    words = [row for row in csv.reader(lined, delimiter=" ", skipinitialspace=True) if row]
    # Sentences of one length are no columns; numbers set apart by blanks are.
    numbers = [word for row in words[1:] for word in row if re.fullmatch(r"[-+]?[\d.,]+", word)]
    if len(set(map(len, words))) == 1 and len(words[0]) > 1 and 2 * len(numbers) > sum(map(len, words[1:])):
        raise ExperimentError(
            f"data.path must have one sign between columns, got columns set apart by blanks in '{name}', whose first "
            f"line is {shown(rows[0][0])}; make them commas: python -c \"import pandas; pandas.read_csv('FILE', "
            "sep=r'\\s+', header=None, dtype=str, keep_default_na=False)"
            ".to_csv('NEW_FILE', index=False, header=False)\""
        )


def _check_breaks(lines: Lines) -> None:
    # The last may be cut in the middle of a quote.
    for row in lines.rows if lines.head.is_whole else lines.rows[:-1]:
        broken = next((cell for cell in row if "\n" in cell or "\r" in cell), None)
        if broken is not None:
            raise ExperimentError(
                f"data.options.multiLine must be true where a value has line breaks, got {shown(broken)} in "
                f"'{lines.head.name}'; {override('data.options.multiLine', 'true')}"
            )


def _check_first_line(lines: Lines, options: Mapping[str, Any]) -> None:
    """Refuse a title above the names of the columns, and names that are one less than the columns."""
    rows, text, name = lines.rows, lines.text, lines.head.name
    width = Counter(map(len, rows)).most_common(1)[0][0]
    # A spreadsheet writes a title with as many separators as columns.
    is_title = width > 2 and len(rows[0]) == width and sum(map(bool, map(str.strip, rows[0]))) == 1
    wide = (place for place, row in enumerate(rows) if len(row) == width and (place or not is_title))
    first = next(wide, 0)
    if not lines.header or not first or len(rows) <= first + 1:
        return
    if first == 1 and len(rows[0]) == width - 1 > 1 and all(rows[0]):
        separator = str(options.get("sep", options.get("delimiter", ",")))
        raise ExperimentError(
            f"data.path must have a name for each column, got {width - 1} for {width} columns in '{name}', as R writes "
            f"row names; name them too: sed '1s/^/row{separator}/' FILE > NEW_FILE"
        )
    above = text[: text.find(_line_of(text, rows[first], options))].count("\n")
    raise ExperimentError(
        f"data.path must begin with the names of the columns, got {shown(text.splitlines()[0])} above them in "
        f"'{name}'; take {'that line' if above == 1 else f'those {above} lines'} away: "
        f"tail -n +{above + 1} FILE > NEW_FILE"
    )


def _line_of(text: str, row: Sequence[str], options: Mapping[str, Any]) -> str:
    """The first line that is taken apart to the row."""
    return next((line for line in text.splitlines() if rows_of(line, options) == [list(row)]), text)


def times_of_day(tops: Sequence[Lines], columns: Sequence[str], moments: Sequence[str]) -> list[str]:
    """Of columns that are read as timestamps those of times such as 17:14, which Spark puts on the day of reading.

    Args:
        columns: all of them, as Spark names them.
        moments: of these, the ones read as timestamps.
    """
    return _with_a_value(WITHOUT_DAY, tops, columns, moments)


def java_numbers(tops: Sequence[Lines], columns: Sequence[str], decimals: Sequence[str]) -> list[str]:
    """Of columns that are read as decimals those with a text such as 1D or 2F, which is a number to Java alone.

    Args:
        columns: all of them, as Spark names them.
        decimals: of these, the ones read as decimals.
    """
    return _with_a_value(r"[+-]?\d[\d.eE+-]*[dDfF]", tops, columns, decimals)


def _with_a_value(pattern: str, tops: Sequence[Lines], columns: Sequence[str], among: Sequence[str]) -> list[str]:
    """Those of some columns that have a value of a pattern."""
    found = []
    for place, name in enumerate(columns):
        rows = (row for lines in tops for row in lines.rows[1 if lines.header else 0 :] if place < len(row))
        if name in among and any(re.fullmatch(pattern, row[place].strip()) for row in rows):
            found.append(name)
    return found


def lost_zeros(tops: Sequence[Lines], columns: Sequence[str]) -> dict[str, str]:
    """Of columns that are read as whole numbers those with a value such as 007, which is given."""
    found: dict[str, str] = {}
    for lines in tops:
        for place, name in enumerate(lines.header):
            if name in columns and name not in found:
                values = (row[place].strip() for row in lines.rows[1:] if place < len(row))
                value = next((value for value in values if re.fullmatch(r"[+-]?0\d+", value)), None)
                if value is not None:
                    found[name] = value
    return found
