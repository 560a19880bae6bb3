"""The config of a data set that suits a table: what the user has said of it, and what one look has shown."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import MISSING as NO_DEFAULT
from dataclasses import Field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import yaml

from experiments.config.schema import Missing, TableData
from experiments.config.values import plain_value
from experiments.data.doubts import LEAST_ROWS
from experiments.data.made import made_by_query
from experiments.data.spelling import settings_of, spelling_of
from experiments.data.table import paths_of
from experiments.data.ways import other_ways
from experiments.errors import ConfigError
from experiments.profile.doubtful import is_constant, is_counting, names_rows, with_looks
from experiments.profile.gaps import has_gaps, is_left_out, nothing_fills, query_of_needed, typed_columns
from experiments.profile.look import Column, Profile
from experiments.redaction import redact, redact_text
from experiments.terminal.harmless import harmless


def suited(profile: Profile, data: TableData, name: str) -> dict[str, Any]:
    """The keys of the data set's YAML, without those that are as they are by default.

    Args:
        name: of the data set.
    """
    said = {
        field.name: plain_value(getattr(data, field.name))
        for field in fields(TableData)
        if getattr(data, field.name) != _default(field)
    }
    for key in ("path", "test_path"):
        if key in said:
            paths = [_absolute(path) for path in paths_of(said[key])]
            said[key] = paths if isinstance(said[key], list) else paths[0]
    looks = {column.name: column.look for column in typed_columns(profile, data) if column.look is not None}
    made = made_by_query(looks, spelling_of(data))
    for setting, value in settings_of({name: look for name, look in looks.items() if name not in made}).items():
        key = setting.removeprefix("data.")
        said[key] = [*dict.fromkeys([*said.get(key, []), *value])] if isinstance(value, list) else value
    unused = [column.name for column in profile.columns if _is_unused(column, profile, data)]
    if found := [name for name in profile.codes if name not in (*data.categories, *unused, *data.exclude)]:
        said["categories"] = [*data.categories, *found]
    if unused and not data.features:
        said["exclude"] = [*dict.fromkeys([*data.exclude, *unused])]
    # Without these a row is of no use: nothing fills a label or a date.
    needed = {
        column.name: column.kind
        for column in profile.columns
        if has_gaps(column) and column.name not in unused and nothing_fills(column, data)
    }
    looked = with_looks(profile, data)
    assert isinstance(looked, TableData)
    if looked.query is not None:
        said["query"] = looked.query
    if needed and data.query is None:
        said["query"] = query_of_needed(profile, looked, needed)
    lacks = any(column.missing and column.name not in (*unused, *needed) for column in profile.columns)
    if data.missing is Missing.fail and (lacks or said.get("missing_values")):
        said["missing"] = Missing.keep.value
    return {**said, "name": name}


def notes_of(profile: Profile, leaks: Sequence[str], data: TableData) -> dict[str, str]:
    """What is to be said of a key in the file: where texts can be read in another way.

    Args:
        leaks: features that alone give the label.
    """
    looks = {column.name: column.look for column in typed_columns(profile, data) if column.look is not None}
    ways = other_ways(looks, spelling_of(data)).values()
    notes = {
        key: f"Where {way.example} is {way.otherwise} instead: {way.words}"
        for way in ways
        if way.words
        for key in way.keys
    }
    if leaks:
        notes["label"] = f"Alone given by {', '.join(leaks)}: to be in exclude, if known only once the label is."
    return notes


def _default(field: Field[Any]) -> Any:
    return field.default_factory() if field.default_factory is not NO_DEFAULT else field.default


def _absolute(path: str) -> str:
    return path if urlparse(path).scheme else os.path.abspath(path)


def _is_unused(column: Column, profile: Profile, data: TableData) -> bool:
    if column.name in (data.label, data.weight, data.id, data.group, data.time) or column.name in profile.left_out:
        return False
    if profile.rows < LEAST_ROWS:  # too few to say so
        return False
    if is_left_out(column, data):
        return True
    return is_constant(column) or is_counting(column) or names_rows(column, profile, data)


_WHY = {
    "exclude": "Left out: what is the same in all rows or another in nearly each, as names and row numbers are, and "
    "dates that many rows lack.",
    "missing": "Gaps of numbers and texts are left to preprocessing=auto or impute.",
    "query": "SQL that reads what no setting does, and leaves out rows without the label or a date.",
    "missing_values": "Texts that stand for a missing value.",
    "label": "Column to predict.",
    "categories": "Codes that lose the zeros before them as numbers.",
}
_NO_LABEL = "# Column to predict; without one: clustering and decomposition.\n# label: …\n"


def as_yaml(
    keys: dict[str, Any], rows: int, command: str, notes: Mapping[str, str] | None = None, of: int | None = None
) -> str:
    """The text of the file. Secrets are left out, with a line that says so.

    Args:
        keys: of `suited`.
        rows: of the table, for the line that describes the data set.
        command: what fits a model on it, for the same line.
        notes: more of keys, as `notes_of` has them.
        of: rows of the table before some were left out.
    """
    place = redact_text(str(keys.get("path") or keys.get("table") or keys.get("format")))
    head = f"# {rows:,} {f'of {of:,} ' if of and of > rows else ''}rows of {place}."
    text = f"{' '.join(head.split())}   {command}\n"
    text += "defaults: [table_schema]\n"
    order = ["name", "label", *(field.name for field in fields(TableData) if field.name not in ("name", "label"))]
    for key in order:
        if key == "label" and key not in keys:
            text += _NO_LABEL
        if key not in keys:
            continue
        shown = redact(keys[key], key)
        if shown != keys[key]:
            text += f"# {key} has a secret: write it here as ${{oc.env:NAME}}.\n"
            continue
        text += f"# {_WHY[key]}\n" if key in _WHY else ""
        text += f"# {harmless(notes[key])}\n" if notes and key in notes else ""
        written = yaml.safe_dump({key: shown}, allow_unicode=True, width=1_000, sort_keys=False)
        text += written.replace("${", "\\${")
    return text


def check_target(path: Path) -> list[str]:
    """What is wrong with the file to write; a sentence for each problem."""
    if path.suffix != ".yaml":
        return [f"--to must be a file like my_conf/data/{path.stem}.yaml, got '{path}'"]
    return [_is_there(path)] if path.exists() else []


def _is_there(path: Path) -> str:
    return f"--to must be a new file, got '{path}', which is there; take it away, or choose another name"


def save(text: str, path: Path) -> None:
    """Write a new file.

    Raises:
        ConfigError: it is there meanwhile, or cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise ConfigError([_is_there(path)]) from error
    except OSError as error:
        raise ConfigError([f"--to must be writable, got '{path}': {error.strerror}"]) from error
