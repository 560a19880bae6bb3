"""Runs side by side in the terminal: what they are called, the metrics that matter, and what they differ in."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from experiments.config.identity import is_circumstance
from experiments.config.schema import Task
from experiments.errors import ConfigError, suggest
from experiments.evaluation.objectives import key_metrics
from experiments.terminal.screen import say, screen, show_table
from experiments.tracking.runs import as_set

if TYPE_CHECKING:
    import pandas as pd

MOST_LINES = 50
# So much of a run's id is shown in a terminal, where a whole one would be a third of the line.
SHORT_ID = 8
# Narrowest that a name is wrapped to, and the room that a column of numbers takes beside its text.
_NAME, _BETWEEN = 20, 3


def show_comparison(compared: pd.DataFrame, found: pd.DataFrame, wanted: Sequence[str] = ()) -> None:
    """Means, with the deviation where there are several runs, and params that differ as far as there is room.

    Args:
        compared: as `over_seeds` makes it.
        found: the runs, as `runs` makes it.
        wanted: metrics and params to show instead.

    Raises:
        ConfigError: one that no run has.
    """
    console = screen()
    differing = params_that_differ(found)
    metrics = _wanted(compared, found, wanted) if wanted else _metrics(compared, found)
    params: list[str] = [] if wanted else differing
    shown = compared.head(MOST_LINES)
    cells = {name: _cells(shown, name) for name in metrics}
    texts = {
        name: _params(shown, found, name)
        for name in [*params, *(name for name in metrics if f"params.{name}" in found)]
    }
    cells |= {name: texts[name] for name in metrics if name in texts}
    room = console.width - _NAME - SHORT_ID - len("runs") - 3 * _BETWEEN - sum(map(_width, cells.items()))
    shorts = dict(zip(params, _short(params), strict=True))
    left_out = []
    for name in params:
        room -= _width((shorts[name], texts[name]))
        if room >= 0:
            cells[shorts[name]] = texts[name]
        else:
            left_out.append(name)
    ids = [run_id[:SHORT_ID] if console.is_terminal else run_id for run_id in shown["run_id"]]
    counts = shown["runs"].astype(str)
    show_table(
        ("run", "name", "runs", *(name.removeprefix("params.") for name in cells)),
        list(zip(ids, shown["name"], counts, *cells.values(), strict=True)),
        folded=1,
    )
    if len(compared) > MOST_LINES:
        say(f"{len(compared) - MOST_LINES} more are left out")
    if left_out:
        say(f"they differ in {', '.join(left_out)} too: --columns {','.join([*metrics[:2], left_out[0]])} shows it")


def params_that_differ(found: pd.DataFrame) -> list[str]:
    """Keys of params that are not the same in all finished runs, without what the names of runs say."""
    finished = found[found["status"] == "FINISHED"]
    keys = [name.removeprefix("params.") for name in finished.columns if name.startswith("params.")]
    told = ("model.name", "model.task", "seed", "data.name")
    texts = as_set(finished[[f"params.{key}" for key in keys]])
    return [
        key for key in keys if key not in told and not is_circumstance(key) and texts[f"params.{key}"].nunique() > 1
    ]


def _metrics(compared: pd.DataFrame, found: pd.DataFrame) -> list[str]:
    """Those of the tasks that there are."""
    tasks: Sequence[str] = list(found["params.model.task"].dropna().unique()) if "params.model.task" in found else []
    return list(dict.fromkeys(name for task in tasks for name in key_metrics(compared, Task(task))))


def _wanted(compared: pd.DataFrame, found: pd.DataFrame, wanted: Sequence[str]) -> list[str]:
    keys = [name.removeprefix("params.") for name in found.columns if name.startswith("params.")]
    known = [*(name for name in compared.columns[3:] if not name.endswith("_deviation")), *keys]
    for name in wanted:
        if name not in known:
            raise ConfigError([f"--columns must be metrics and params of the runs, got '{name}'{suggest(name, known)}"])
    return list(wanted)


def _cells(compared: pd.DataFrame, name: str) -> list[str]:
    if name not in compared:
        return [""] * len(compared)
    deviations = compared.get(f"{name}_deviation", [math.nan] * len(compared))
    return [_cell(value, deviation) for value, deviation in zip(compared[name], deviations, strict=True)]


def _cell(value: float, deviation: float) -> str:
    text = "" if math.isnan(value) else f"{value:.5g}"
    return text if math.isnan(deviation) else f"{text} ± {deviation:.2g}"


def _params(compared: pd.DataFrame, found: pd.DataFrame, key: str) -> list[str]:
    values: Mapping[str, Any] = dict(zip(found["run_id"], found[f"params.{key}"], strict=True))
    texts = [str(values[run_id]) for run_id in compared["run_id"]]
    return ["" if text in ("nan", "None", "null", "[]") else text for text in texts]


def _width(column: tuple[str, Sequence[str]]) -> int:
    name, cells = column
    return max(map(len, (name, *cells))) + _BETWEEN


def _short(keys: Sequence[str]) -> list[str]:
    """The last word of each key where that is enough to tell them apart."""
    last = [key.rpartition(".")[2] for key in keys]
    return [key if last.count(short) > 1 else short for key, short in zip(keys, last, strict=True)]
