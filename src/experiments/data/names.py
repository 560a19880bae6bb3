"""Names of columns: as Spark takes them, as patterns match them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

from experiments.config.schema import DataConfig, TableData
from experiments.errors import override, suggest


def quoted(name: str) -> str:
    """A column's name as Spark takes it, also one with dots."""
    return f"`{name.replace('`', '``')}`"


def sql_text(value: str) -> str:
    """A text as a literal of Spark's SQL, in which Spark puts no variables (`${env:…}`), and a stage no table."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'").replace("$", "\\u0024").replace("__", "\\u005f_")
    return f"'{escaped}'"


def unquoted(name: str) -> str:
    """A column's name as the data has it, of one that Spark takes with quotes."""
    return name[1:-1].replace("``", "`") if len(name) > 1 and name[0] == name[-1] == "`" else name


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Whether a column is named by one of the names and patterns; a name with brackets is itself."""
    return any(name == pattern or fnmatchcase(name, pattern) for pattern in patterns)


def plain_name(name: str, taken: Sequence[str]) -> str:
    """A column's name as Spark's estimators take it, which read a dot as a path into a struct."""
    plain = re.sub("[.`]", "_", name)
    while plain != name and plain in taken:
        plain += "_"
    return plain


def not_there(key: str, name: str, columns: Sequence[str], data: DataConfig) -> str:
    """That a column is not there; where it is but for blanks or quotes around it, how the file is read without."""
    said = f"{key} must be in the data ({', '.join(columns[:50])}), got '{name}'"
    around = next((column for column in columns if column.strip(" \t'\"") == name.strip(" \t'\"")), None)
    if around is None:
        return said + suggest(name, columns)
    ways = []
    if around.strip() != around:
        ways += ["data.options.ignoreLeadingWhiteSpace=true", "data.options.ignoreTrailingWhiteSpace=true"]
    if around.strip().startswith("'"):
        ways.append(override("data.options.quote", "'"))
    if not ways or not isinstance(data, TableData) or data.format != "csv":
        return f"{said}; it is written {override(key, around)}"
    return f"{said}; names have {'quotes' if ways[-1].startswith(chr(39)) else 'blanks'} around them: {' '.join(ways)}"
