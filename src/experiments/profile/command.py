"""`experiments profile`: look at a table, say what is doubtful, and write the config that suits it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from experiments.cluster.session import start_session
from experiments.config.schema import Config, TableData
from experiments.data.checks import check_source
from experiments.data.columns import label_of
from experiments.data.dataset import HELD_OUT
from experiments.data.doubts import words_of_sentences
from experiments.data.loading import read_source
from experiments.data.names import matches, quoted
from experiments.data.table import paths_of
from experiments.errors import ConfigError, override
from experiments.profile.doubtful import doubtful, is_of_sentences
from experiments.profile.look import Column, profile
from experiments.profile.shown import page, show
from experiments.profile.suited import as_yaml, check_target, save, suited
from experiments.terminal.progress import Progress
from experiments.terminal.screen import say, screen


def profile_data(config: Config, to: Path | None, html: Path | None) -> None:
    """Show a data set's profile on standard output.

    Args:
        to: a new file for the YAML that suits it.
        html: a file for the same as a page.

    Raises:
        ConfigError: before Spark starts.
        ExperimentError: the rows cannot be read.
    """
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
        source = read_source(spark, data, config.seed)
        label_of(data, source.rows.columns)
        looked_at = [name for name in source.rows.columns if name != HELD_OUT and not matches(name, data.exclude)]
        rows = source.rows.select(*map(quoted, looked_at))
        found = replace(
            profile(rows, data), warnings=source.warnings, left_out=tuple(source.left_out), codes=source.codes
        )
    warnings = doubtful(found, data)
    show(found, warnings)
    text = as_yaml(suited(found, data, name), found.rows) if isinstance(data, TableData) else ""
    if to is not None:
        save(text, to)
        has_classes = any(each.name == data.label and _is_of_classes(each) for each in found.columns)
        texts = [each.name for each in found.columns if each.name != data.label and is_of_sentences(each)]
        say(f"written to {to}; next: {_next(to, data.label, has_classes, texts)}")
    elif text:
        say("a config that suits it (--to my_conf/data/NAME.yaml writes it):")
        for line in text.rstrip().split("\n"):
            say(f"  {line}")
    if html is not None:
        html.write_text(page(found, warnings, text, name), encoding="utf-8")
        say(f"the same as a page: {html}")


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


def _next(to: Path, label: str | None, has_classes: bool, texts: list[str]) -> str:
    """The words that fit a model on what was written.

    Args:
        has_classes: whether the label says of which of several classes a row is.
        texts: columns of sentences.
    """
    model = "random_forest" if has_classes else "random_forest_regressor"
    folder = to.parent.parent if to.parent.name == "data" else Path("FOLDER_OF_data")
    words = [
        "" if label else "data.label=…",
        words_of_sentences(texts[0]) if texts else "preprocessing=auto",
        f"model={model}",
    ]
    return " ".join(["experiments --config-dir", str(folder), override("data", to.stem), *filter(None, words)])
