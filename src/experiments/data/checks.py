"""What is wrong with a data set's config, as far as it can be known without Java."""

from __future__ import annotations

import functools
import inspect
import json
import os
import re
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from experiments.cluster.addresses import local_cores
from experiments.config.schema import BundledData, ClusterConfig, Config, DataConfig, GeneratedData, TableData, Task
from experiments.config.values import spark_conf
from experiments.data.bundled import BUNDLED
from experiments.data.columns import features_of, label_of
from experiments.data.generators import GENERATORS
from experiments.data.heads import BYTES, check_kinds, is_true, plain_head
from experiments.data.lines import Lines, WrongEncoding, check_lines, lines_of
from experiments.data.options import check_options
from experiments.data.roles import aside, check_roles
from experiments.data.table import DEFAULT_OPTIONS, FILE_FORMATS, missing_paths
from experiments.errors import ExperimentError, suggest, wrong_choice


def check_data(config: Config) -> list[str]:
    """A sentence for each problem."""
    data = config.data
    problems = [*_check_rows(data, config.model.task), *check_roles(data, config.model.task, config.tuning.method)]
    return [*problems, *check_source(data, config.cluster)]


def check_source(data: DataConfig, cluster: ClusterConfig) -> list[str]:
    """What is wrong with where the rows come from; a sentence for each problem."""
    problems: list[str] = []
    if isinstance(data, GeneratedData):
        problems += _check_generated(data)
    if isinstance(data, BundledData) and data.bundled not in BUNDLED:
        problems.append(wrong_choice("data.bundled", data.bundled, BUNDLED))
    if isinstance(data, TableData):
        problems += check_options(data)
        if data.thousands and data.thousands == data.decimal:
            problems.append(
                f"data.thousands must be another sign than data.decimal, got '{data.decimal}' for both; where it is "
                "before decimals: data.thousands=null"
            )
        if data.table is not None and data.path is not None:
            problems.append(f"data.path must be unset where data.table says what is read, got '{data.path}'")
        if data.path is None and data.table is None and data.format in FILE_FORMATS:
            problems.append(f"data.path must be set to read {data.format}, got none; data.path=my.{data.format}")
        if data.format in FILE_FORMATS and _files_are_here(cluster):
            problems += missing_paths("data.path", data.path) + missing_paths("data.test_path", data.test_path)
            problems += [] if problems else _check_lines(data)
            problems += [] if problems else _check_names(data)
    return problems


def _check_lines(data: TableData) -> list[str]:
    """What a plain CSV file is, looked at as loading does it, but before Spark starts."""
    paths = [path for path in (data.path, data.test_path) if isinstance(path, str)]
    try:
        for path in paths if data.format == "csv" else ():
            _lines_of(path, data.options)
    except ExperimentError as error:
        return [str(error)]
    return []


def _lines_of(path: str, more: Mapping[str, Any]) -> Lines | None:
    """The beginning of a plain CSV file of this machine, once it is known to be one; None of anything else.

    Raises:
        ExperimentError: it is something else, or would be misread.
    """
    file = os.path.abspath(path.removeprefix("file://"))
    changed = os.stat(file).st_mtime_ns if os.path.isfile(file) else 0
    return _looked_at(file, changed, json.dumps({**DEFAULT_OPTIONS["csv"], **more}, default=str))


# Once for all trials of a sweep.
@functools.lru_cache(maxsize=8)
def _looked_at(path: str, _: int, options: str) -> Lines | None:
    read = json.loads(options)
    if (head := plain_head(path, BYTES)) is None:
        return None
    check_kinds([head], "csv")
    try:
        lines = lines_of(head, read)
    except WrongEncoding as error:
        if error.guess is None:
            raise
        read["encoding"] = error.guess
        try:  # what is wrong besides is said at once
            check_lines(lines_of(head, read), read)
        except ExperimentError as other:
            raise ExperimentError(f"{error}; and {other}") from other
        raise
    check_lines(lines, read)
    return lines


def _check_names(data: TableData) -> list[str]:
    """Columns that the config names, against the first line of a plain CSV file: a misspelt one is said at once."""
    columns = _written_names(data)
    if not columns:
        return []
    try:
        label = label_of(data, columns)
        features_of(data, label, columns, aside(data, [], columns, label))
    except ExperimentError as error:
        return [str(error)]
    return []


def _written_names(data: TableData) -> list[str]:
    """The names of the columns as the file has them; none where a reader may make others of them."""
    options = {**DEFAULT_OPTIONS["csv"], **data.options}
    if data.format != "csv" or data.query or data.schema or not isinstance(data.path, str):
        return []
    if data.options.keys() - {"sep", "delimiter", "header", "encoding"} or not is_true(options, "header"):
        return []
    lines = _lines_of(data.path, data.options)
    if lines is None:
        return []
    # The first line may be longer than what was read of the file; of odd quotes Java makes something else.
    first = lines.text.partition("\n")[0].rstrip("\r")
    if (len(lines.rows) < 2 and not lines.head.is_whole) or not first.strip() or ('"' in first and _odd_quotes(first)):
        return []
    names = [name.casefold() for name in lines.header]
    return lines.header if all(names) and len(set(names)) == len(names) else []


def _odd_quotes(line: str) -> bool:
    """Whether quotes are anywhere else than around a whole name."""
    return re.fullmatch(r'(?:"[^"\\]*"|[^",;|\t]*)(?:[,;|\t](?:"[^"\\]*"|[^",;|\t]*))*', line) is None


def _files_are_here(cluster: ClusterConfig) -> bool:
    """Whether a path without a scheme is one of this machine."""
    elsewhere = "spark.hadoop.fs.defaultFS" in spark_conf(cluster) or "HADOOP_CONF_DIR" in os.environ
    return local_cores(cluster.master) is not None and not elsewhere


def _check_rows(data: DataConfig, task: Task) -> list[str]:
    from pyspark import StorageLevel

    problems = []
    if task.supervised and data.label is None:
        problems.append(f"data.label must be a column to predict for {task.value}, got none; set it")
    if data.test_fraction is not None and not 0 <= data.test_fraction < 1:
        problems.append(f"data.test_fraction must be at least 0 and below 1, got {data.test_fraction}")
    if data.stratified and task is not Task.classification:
        problems.append("data.stratified must be false unless the task is classification, got true")
    if data.partitions is not None and data.partitions < 1:
        problems.append(f"data.partitions must be 1 or more, got {data.partitions}; leave it unset to let us choose")
    levels = [name for name in vars(StorageLevel) if name.isupper()]
    if data.cache not in levels:
        problems.append(wrong_choice("data.cache", data.cache, levels))
    return problems


def _check_generated(data: GeneratedData) -> list[str]:
    problems = []
    if data.rows < 1:
        problems.append(f"data.rows must be 1 or more, got {data.rows}")
    if data.generator not in GENERATORS:
        return [*problems, wrong_choice("data.generator", data.generator, GENERATORS)]
    generator = GENERATORS[data.generator]
    kinds = typing.get_type_hints(generator)
    known = {name: kinds[name] for name in list(inspect.signature(generator).parameters)[2:]}
    for name, value in data.parameters.items():
        key = f"data.parameters.{name}"
        if name not in known:
            names = ", ".join(known) or "none"
            problems.append(
                f"{key} must be a parameter of the generator {data.generator} ({names}), got '{name}'"
                f"{suggest(name, known)}"
            )
        elif not _fits(value, known[name]):
            problems.append(f"{key} must be {_in_words(known[name])}, got {value!r}")
    return problems


def _fits(value: Any, kind: Any) -> bool:
    if typing.get_origin(kind) is typing.Literal:
        return value in typing.get_args(kind)
    if typing.get_origin(kind) is Sequence:
        (item,) = typing.get_args(kind)
        return isinstance(value, list | tuple) and len(value) > 0 and all(_fits(each, item) for each in value)
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, kind) and not isinstance(value, bool)


def _in_words(kind: Any) -> str:
    if typing.get_origin(kind) is typing.Literal:
        return f"one of {', '.join(map(str, typing.get_args(kind)))}"
    if typing.get_origin(kind) is Sequence:
        (item,) = typing.get_args(kind)
        return f"a list, each item {_in_words(item)}"
    return {float: "a number", int: "a whole number", str: "a text"}[kind]
