"""Runs side by side in the terminal: what they are called, the metrics that matter, and what they differ in."""

from __future__ import annotations

import json
import math
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from experiments.config.identity import is_circumstance, parts_rows
from experiments.config.values import short_keys
from experiments.data.doubts import LOPSIDED
from experiments.errors import ConfigError, suggest
from experiments.evaluation.objectives import PREFIXES, base_name, deciding, key_metrics, within_training
from experiments.figures.labels import shortened
from experiments.terminal.screen import say, screen, show_table
from experiments.tracking.runs import SHORT_ID, as_set, tasks_of

if TYPE_CHECKING:
    import pandas as pd

MOST_LINES = 50
# Params that are shown or named where there is no end to a line.
MOST_PARAMS = 6
# So much of a param's value is shown.
MOST_SIGNS = 24
_NONE = ("nan", "None", "null", "[]", "")
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
    metrics = _wanted(compared, found, wanted, "--columns") if wanted else _metrics(compared, found)
    first = compared.attrs.get("sorted_by")
    if not wanted and first is not None:
        metrics = [first, *(name for name in metrics if name != first)]
    shown = compared.head(MOST_LINES)
    columns = {name: _cells(shown, found, name) for name in metrics}
    if not wanted:
        params = differing if console.is_terminal else differing[:MOST_PARAMS]
        columns |= dict(zip(short_keys(params), (_params(shown, found, name) for name in params), strict=True))
    fitting, left_out = _fitting(columns, console.width - _NAME - SHORT_ID - len("runs") - 3 * _BETWEEN)
    if not wanted:
        left_out += [name for name in differing if not {name, name.rpartition(".")[2]} & columns.keys()]
    ids = [run_id[:SHORT_ID] if console.is_terminal else run_id for run_id in shown["run_id"]]
    rows = zip(ids, shown["name"], shown["runs"].astype(str), *fitting.values(), strict=True)
    show_table(("run", "name", "runs", *fitting), list(rows), folded=1)
    for said in _said_of_runs(compared, found):
        say(said)
    if left_out:
        more = f" and {len(left_out) - MOST_PARAMS} more" if len(left_out) > MOST_PARAMS else ""
        some = ", ".join(left_out[:MOST_PARAMS])
        say(f"--columns shows others, such as {some}{more}; --to FILE.csv writes all")
    if found["experiment"].nunique() > 1:
        finished = found.loc[found["status"] == "FINISHED", "experiment"]
        name = shlex.quote(str(finished.value_counts().index[0]))
        say(f"of one data set alone there is more to see: experiments compare {name}")


def with_columns(compared: pd.DataFrame, found: pd.DataFrame, wanted: Sequence[str]) -> pd.DataFrame:
    """The same runs with these metrics and params, called as they are typed; params as texts.

    Raises:
        ConfigError: one that no run has.
    """
    made = compared[list(compared.columns[:3])].copy()
    for typed, name in zip(wanted, _wanted(compared, found, wanted, "columns"), strict=True):
        if name in compared:
            made[typed] = compared[name]
        else:
            made[typed] = compared["run_id"].map(found.set_index("run_id")[f"params.{name}"].astype(object))
    return made


def _said_of_runs(compared: pd.DataFrame, found: pd.DataFrame) -> list[str]:
    """Below the table: its order, what does not compare, and what is not in it."""
    said = []
    first = compared.attrs.get("sorted_by")
    if len(compared) > 1 and first is not None:
        is_asked = compared.attrs["is_asked"]
        if found["experiment"].nunique() > 1:
            said += ["of several data sets: what a metric is in one says nothing of another's"]
        said += [f"the best first, by {first}" if is_asked else _said_of_order(first, compared, found)]
    said += [_said_of_lopsided(compared, found), _said_of_other_rows(found) or _said_of_seeds(compared, found)]
    if others := int((found["status"] != "FINISHED").sum()):
        said += [
            f"{others} run{'' if others == 1 else 's'} that did not finish {'is' if others == 1 else 'are'} left out"
        ]
    if repeated := compared.attrs.get("repeated", 0):
        said += [f"{repeated} older run{'' if repeated == 1 else 's'} of the same config and seed left out"]
    if len(compared) > MOST_LINES:
        said += [f"{len(compared) - MOST_LINES} more are left out"]
    return list(filter(None, said))


def _said_of_other_rows(found: pd.DataFrame) -> str:
    """Where not all metrics are of the same rows, though data and seed are."""
    keys = [name for name in ("experiment", "params.data.name", "params.seed", "params.model.task") if name in found]
    if "judged_on" not in found or "params.data.name" not in keys:
        return ""
    finished = found[(found["status"] == "FINISHED") & found["judged_on"].notna()]
    for _, same in finished.groupby(keys, observed=True):
        parts = [rows for _, rows in same.groupby("judged_on", observed=True, sort=False)]
        # Of one name, as where only the reading of the data was another, the ids tell.
        are_alike = set.intersection(*(set(rows["name"]) for rows in parts))
        shown = same["name"] + (" (" + same["run_id"].str[:8] + ")" if are_alike else "")
        parted = [list(dict.fromkeys(shown[rows.index])) for rows in parts]
        if len(parted) > 1:
            some = " | ".join(", ".join(names[:2]) + (" …" if len(names) > 2 else "") for names in parted[:4])
            return f"not judged on the same rows, so that small differences say little: {some}; {_why_other_rows(same)}"
    return ""


def _said_of_seeds(compared: pd.DataFrame, found: pd.DataFrame) -> str:
    """Where lines are means over other seeds, each of which holds out rows of its own."""
    of: Mapping[str, str] = compared.attrs.get("seeds", {})
    named: dict[str, list[str]] = {}
    for run_id, name in zip(compared["run_id"], compared["name"], strict=True):
        named.setdefault(of.get(run_id, ""), []).append(name)
    is_one = "judged_on" in found and found["judged_on"].nunique() == 1  # a test set of its own
    if len(named) < 2 or "" in named or is_one or found["experiment"].nunique() > 1:
        return ""
    some = [f"{seeds}: {', '.join(names[:2])}{' …' if len(names) > 2 else ''}" for seeds, names in named.items()]
    return f"not of the same seeds, each of which holds out other rows: seed {' | '.join(some[:4])}"


def _said_of_lopsided(compared: pd.DataFrame, found: pd.DataFrame) -> str:
    """Where the order is by accuracy, and one answer for all rows has nearly as much."""
    first = compared.attrs.get("sorted_by", "")
    if base_name(first) != "accuracy" or "baseline_accuracy" not in compared or found["experiment"].nunique() > 1:
        return ""
    share, other = compared["baseline_accuracy"].max(), f"{first.removesuffix('accuracy')}balanced_accuracy"
    if not share >= LOPSIDED or other not in compared:  # nor NaN
        return ""
    return f"one answer for all rows has accuracy {share:.4g} (baseline_accuracy): --sort {other} says more"


def _why_other_rows(same: pd.DataFrame) -> str:
    """What parts runs that were judged on other rows."""
    texts = as_set(same[[name for name in same.columns if parts_rows(name.removeprefix("params."))]])
    if keys := [name.removeprefix("params.") for name in texts.columns if texts[name].nunique() > 1]:
        return f"they differ in {', '.join(keys[:MOST_PARAMS])}"
    return (
        "what is held out follows from the columns that are used, unless data.time, data.group or data.test_path says "
        "it"
    )


def _said_of_order(metric: str, compared: pd.DataFrame, found: pd.DataFrame) -> str:
    """By what the best comes first where nobody said so."""
    if metric.startswith(tuple(PREFIXES.values())):
        return f"the best first, by {metric}, by which sweeps choose: the held-out rows have no say in it"
    within = [name for name in within_training([metric]) if name in compared]
    chosen = set(found["chosen_by"].dropna()) - {metric} if "chosen_by" in found else set()
    if len(chosen) == 1 and (name := chosen.pop()) in compared:
        others = f"; their sweep chose by {name}, which not all have: --sort {name}"
    else:
        others = f"; within the training rows, by what not all have: --sort {within[0]}" if within else ""
    return f"the best first, by {metric} of the rows that judge{others}"


def _fitting(columns: dict[str, list[str]], room: int) -> tuple[dict[str, list[str]], list[str]]:
    """The first columns for which there is room, and the names of the others; the very first is always there."""
    fitting: dict[str, list[str]] = {}
    for name, cells in columns.items():
        width = max(map(len, (name, *cells))) + _BETWEEN
        if fitting and width > room:
            break
        fitting[name] = cells
        room -= width
    return fitting, [name for name in columns if name not in fitting]


def params_that_differ(found: pd.DataFrame) -> list[str]:
    """Keys of params that are not the same in all finished runs, those that all have first; without what the names of
    runs say."""
    finished = found[found["status"] == "FINISHED"]
    texts = as_set(finished[[name for name in finished.columns if name.startswith("params.")]])
    told = ("model.name", "model.task", "model.least_partitions", "seed", "data.name")
    differing = [
        key
        for name in texts.columns
        if (key := name.removeprefix("params.")) not in told
        and not key.endswith(".class")
        and not is_circumstance(key)
        and texts[name].nunique() > 1
    ]
    return sorted(differing, key=lambda key: bool((texts[f"params.{key}"] == "nan").any()))


def _metrics(compared: pd.DataFrame, found: pd.DataFrame) -> list[str]:
    """Those of the task; where there are several tasks the one of each that decides."""
    finished = found[found["status"] == "FINISHED"]
    tasks = tasks_of(finished)
    if not tasks:  # of other people
        return [name for name in compared.columns[3:] if not name.endswith("_deviation")]
    if len(tasks) == 1:
        names = key_metrics(compared, tasks[0])
        return sorted(names, key=lambda name: base_name(name) != name)  # first what all runs have
    return [name for task in tasks if (name := deciding(compared, task)) is not None]


def _wanted(compared: pd.DataFrame, found: pd.DataFrame, wanted: Sequence[str], said: str) -> list[str]:
    """Whole names. What they were typed as is `said` in an error."""
    keys = [name.removeprefix("params.") for name in found.columns if name.startswith("params.")]
    known = [*(name for name in compared.columns[3:] if not name.endswith("_deviation")), *keys]
    differing = params_that_differ(found)  # which the table calls by their short names
    lasts = Counter(key.rpartition(".")[2] for key in keys)
    shown = {last: key for key in keys if lasts[last := key.rpartition(".")[2]] == 1}
    shown |= dict(zip(short_keys(differing), differing, strict=True))
    for name in wanted:
        if name not in known and name not in shown:
            some = ", ".join(_metrics(compared, found))
            near = suggest(name, [*known, *shown])
            raise ConfigError([f"{said} must be metrics ({some} …) and params of the runs, got '{name}'{near}"])
    return [name if name in known else shown[name] for name in wanted]


def _cells(compared: pd.DataFrame, found: pd.DataFrame, name: str) -> list[str]:
    if name not in compared:
        return _params(compared, found, name)
    deviations = compared.get(f"{name}_deviation", [math.nan] * len(compared))
    return [_cell(value, deviation) for value, deviation in zip(compared[name], deviations, strict=True)]


def _cell(value: float, deviation: float) -> str:
    text = "" if math.isnan(value) else f"{value:.5g}"
    return text if math.isnan(deviation) else f"{text} ± {deviation:.2g}"


def _without_common(texts: list[str]) -> list[str]:
    """Of lists what not all of them have; other texts as they are."""
    try:
        lists = [[] if text in _NONE else json.loads(text) for text in texts]
    except ValueError:  # another text, or one that was too long
        return texts
    if not any(lists) or not all(isinstance(each, list) for each in lists):
        return texts
    common = set.intersection(*(set(map(str, each)) for each in lists))
    return [", ".join(name for each in one if (name := str(each)) not in common) for one in lists]


def _params(compared: pd.DataFrame, found: pd.DataFrame, key: str) -> list[str]:
    values: Mapping[str, Any] = dict(zip(found["run_id"], found[f"params.{key}"], strict=True))
    texts = _without_common([str(values[run_id]) for run_id in compared["run_id"]])
    # As they fit beside others; `--to` writes them whole.
    return ["" if text in _NONE else text for text in shortened(texts, MOST_SIGNS)]
