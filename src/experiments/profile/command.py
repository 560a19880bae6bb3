"""`experiments profile`: look at a table, say what is doubtful, and write the config that suits it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.cluster.session import start_session
from experiments.config.schema import Config, DataConfig, TableData
from experiments.data.checks import check_source
from experiments.data.columns import label_of
from experiments.data.dataset import HELD_OUT
from experiments.data.doubts import said_of_leaks, words_of_sentences
from experiments.data.loading import read_source
from experiments.data.names import matches, quoted
from experiments.data.spelling import as_number
from experiments.data.table import paths_of
from experiments.errors import ConfigError, ExperimentError, lists_of, override
from experiments.profile.doubtful import doubtful, is_of_sentences, leaks_of
from experiments.profile.gaps import typed_columns
from experiments.profile.look import Column, Profile, profile
from experiments.profile.panels import panel_of, said_of_panel
from experiments.profile.shown import page, show
from experiments.profile.suited import as_yaml, check_target, notes_of, save, suited
from experiments.terminal.progress import Progress
from experiments.terminal.screen import say, screen

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# Until settings change no more how columns are read.
MOST_LOOKS = 3


def profile_data(config: Config, to: Path | None, html: Path | None) -> None:
    """Show a data set's profile on standard output.

    Args:
        to: a new file for the YAML that suits it.
        html: a file for the same as a page.

    Raises:
        ConfigError: before Spark starts.
        ExperimentError: the rows cannot be read.
    """
    with lists_of(config.data):
        _profile(config, to, html)


def _profile(config: Config, to: Path | None, html: Path | None) -> None:
    data = config.data
    problems = check_source(data, config.cluster)
    if to is not None and not isinstance(data, TableData):
        problems.append(f"--to must be left out unless data=table, got data={data.name}, which has its YAML")
    problems += check_target(to) if to is not None else []
    if problems:
        raise ConfigError(problems)
    name = to.stem if to is not None else _name(data)
    progress = Progress(f"profile of {name}", screen(stderr=True))
    with progress.phase("start"):
        spark = start_session(config.cluster)
    with progress.phase("look"):
        found = _look(spark, data, config.seed, looks_for_panels=data.group is None and data.time is None)
    warnings = doubtful(found, data)
    text, settled, leaks = "", found, []
    if isinstance(data, TableData):
        looks_again = any(typed_columns(found, data))
        with progress.phase("look by what was found") if looks_again else contextlib.nullcontext():
            settled, keys, more = _settled(spark, data, config.seed, found, name)
        leaks = leaks_of(settled, data)
        warnings += [*more, *(said_of_leaks(leaks) if leaks != leaks_of(found, data) else ())]
        has_classes = any(each.name == data.label and _is_of_classes(each) for each in settled.columns)
        texts = [each for each in settled.columns if each.name != data.label and is_of_sentences(each)]
        file = to or Path("my_conf", "data", f"{name}.yaml")
        command = _next(file, data.label, has_classes, texts)
        text = as_yaml(keys, settled.rows, command, notes_of(found, leaks, data), found.rows)
    show(found, warnings)
    if to is not None:
        save(text, to)
        say(f"written to {to}{_still_in(leaks)}; next: {command}")
    elif text:
        say(f"a config that suits it, which --to {file} writes; after that {command}")
        for line in text.rstrip().split("\n"):
            say(f"  {line}")
    if html is not None:
        html.write_text(page(found, warnings, text, name), encoding="utf-8")
        say(f"the same as a page: {html}")


def _still_in(leaks: Sequence[str]) -> str:
    """What a person must decide before the next command."""
    listed = ", ".join(leaks)
    return f", still with {listed}, of which the label follows (exclude: what is known after it)" if leaks else ""


def _look(spark: SparkSession, data: DataConfig, seed: int, looks_for_panels: bool = False) -> Profile:
    source = read_source(spark, data, seed)
    label_of(data, source.rows.columns)
    looked_at = [name for name in source.rows.columns if name != HELD_OUT and not matches(name, data.exclude)]
    rows = source.rows.select(*map(quoted, looked_at))
    found = profile(rows, data)
    panel = panel_of(rows, found.columns, data.label) if looks_for_panels else None
    said = (*source.warnings, *said_of_panel(panel, found.rows))
    return replace(found, warnings=said, left_out=tuple(source.left_out), codes=source.codes)


def _settled(
    spark: SparkSession, data: TableData, seed: int, found: Profile, name: str
) -> tuple[Profile, dict[str, Any], list[str]]:
    """The keys that suit a table and the profile by them: what is set for one column changes how others are read, and
    what was text may be a label of numbers.

    Args:
        found: by the config as it is.
        name: of the data set.

    Returns:
        The last profile, the keys, and why a table cannot be read by them, if so.
    """
    keys, said = suited(found, data, name), []
    for look in range(MOST_LOOKS):
        typed = typed_columns(found, data)
        if not any(typed):
            break
        said += _said_of_thousands(typed, data) if look else []  # at the first it is said with all others
        data = replace(data, **{key: _from_yaml(data, key, value) for key, value in keys.items()})
        try:
            found = _look(spark, data, seed)
        except ExperimentError as error:
            return found, keys, [*said, f"the config below does not read the table yet: {error}"]
        keys = suited(found, data, name)
    return found, keys, said


def _said_of_thousands(columns: Iterable[Column], data: TableData) -> list[str]:
    """Where another column's decimal sign has made one between thousands of what was a decimal sign."""
    return [
        f"data has '{each.look.example}' and its like in '{each.name}', which the config that suits it reads as "
        f"{as_number(each.look.example, each.look.spelling):.0f}, since '{data.decimal}' is before decimals in other "
        "columns; if it is not so, write the file with one sign for all"
        for each in columns
        if each.look is not None and each.look.spelling.thousands and not data.thousands
    ]


def _from_yaml(data: TableData, key: str, value: Any) -> Any:
    """A value of the keys as the config has it: of a choice the choice."""
    known = getattr(data, key)
    return type(known)(value) if isinstance(known, Enum) else value


def _name(data: object) -> str:
    """After the file, where there is one."""
    if isinstance(data, TableData):
        of = data.table or next(iter(paths_of(data.path)), data.name)
        return re.sub(r"\W+", "_", Path(of.rstrip("/")).name.partition(".")[0]).strip("_") or data.name
    return str(getattr(data, "name", "data"))


def _is_of_classes(column: Column) -> bool:
    """Whether a label is no number, or 0 and 1, as pandas writes them with a point where some are missing."""
    two = {float(end) for end in (column.quantiles[0], column.quantiles[-1])} if column.quantiles else set()
    return column.kind in ("string", "boolean") or (two == {0.0, 1.0} and (column.distinct or 0) <= 2)


def _next(to: Path, label: str | None, has_classes: bool, texts: Sequence[Column]) -> str:
    """The words that fit a model on what was written.

    Args:
        label: without one rows are clustered.
        has_classes: whether the label says of which of several classes a row is.
        texts: columns of sentences.
    """
    model = ("random_forest" if has_classes else "random_forest_regressor") if label else "kmeans"
    folder = to.parent.parent if to.parent.name == "data" else Path("FOLDER_OF_data")
    # Of several the longest.
    text = max(texts, key=lambda each: each.words, default=None)
    words = "preprocessing=auto" if text is None else words_of_sentences(text.name)
    return f"experiments --config-dir {folder} {override('data', to.stem)} {words} model={model}"
