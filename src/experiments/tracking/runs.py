"""Recorded runs as one table, and the same over seeds: what `experiments compare` shows."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.config.compose import load
from experiments.config.identity import is_circumstance
from experiments.config.schema import Task
from experiments.errors import ConfigError, suggest
from experiments.evaluation.objectives import OBJECTIVES, deciding, larger_is_better, within_training
from experiments.tracking.spreadsheet import cell
from experiments.tracking.store import check_store, open_store, sqlite_file
from experiments.tracking.tags import CHOSEN_BY_TAG, SWEEP_TAG

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

PAGE = 1_000
# So much of a run's id is shown in a terminal, where a whole one would be a third of the line.
SHORT_ID = 8


def runs(of: str | None = None, words: Sequence[str] = ()) -> pd.DataFrame:
    """Runs of an experiment or of a sweep, the newest first.

    Args:
        of: name of an experiment, or id of a sweep's run; None for all experiments.
        words: overrides that say where the store is, such as `tracking.folder=my_runs`.

    Returns:
        A row for each run: `run_id`, `name`, `experiment`, `status`, `started` (UTC), `judged_on` (digest of the rows
        that the metrics are of), `chosen_by` (of a trial: the metric by which its sweep chose), `seconds`,
        `params.…` as text and `metrics.…`. Params that no run has otherwise are
        there too. Sweeps' own runs are left out.

    Raises:
        ConfigError: no such experiment or sweep, or no store.
    """
    import pandas as pd

    config = load(words)
    file = sqlite_file(config.tracking)
    if file is not None and not file.exists():  # which opening it would make
        return pd.DataFrame(columns=["run_id", "name", "experiment", "status"])
    check_store(config.tracking)
    client = open_store(config)
    names = {each.experiment_id: each.name for each in client.search_experiments()}
    # A page at a time, texts as categories: a run's own objects are some hundred times as large.
    pages = [
        pd.DataFrame([_row(run, names) for run in page if SWEEP_TAG not in run.data.tags])
        for page in _pages_of(client, of, names)
    ]
    found = pd.concat([_compact(page) for page in pages], ignore_index=True) if pages else pd.DataFrame()
    return found if len(found) else pd.DataFrame(columns=["run_id", "name", "experiment", "status"])


def over_seeds(found: pd.DataFrame, sort: str | None = None) -> pd.DataFrame:
    """Finished runs that differ in nothing but their seed as one row each.

    Args:
        sort: a metric; None for the one that decides.

    Returns:
        `run_id` (of the newest), `name`, `runs` (how many), and for each metric `METRIC` (mean) and
        `METRIC_deviation` (of the sample; NaN of one run, and no column where each is of one), the best first;
        `attrs["sorted_by"]` says by what, `attrs["seeds"]` of which seeds, by `run_id`, `attrs["repeated"]` how many
        runs are left out as a newer one has the same config and seed.

    Raises:
        ConfigError: no run has the metric to sort by.
    """
    import pandas as pd

    finished = found[found["status"] == "FINISHED"] if len(found) else found
    if not len(finished):
        return pd.DataFrame(columns=["run_id", "name", "runs"])
    keys = [
        column
        for column in finished.columns
        if column.startswith("params.")
        and column != "params.seed"
        and not is_circumstance(column.removeprefix("params."))
    ]
    # The deviation over folds of one run is not that over seeds.
    metrics = [name for name in finished.columns if name.startswith("metrics.") and not name.endswith("_deviation")]
    # From start to end, as a sweep's table has them; a metric of that name is somebody's own.
    if "seconds" in finished and "metrics.seconds" not in finished:
        finished, metrics = finished.assign(**{"metrics.seconds": finished["seconds"]}), [*metrics, "metrics.seconds"]
    identity = _identity(finished, keys)
    several = len(finished)
    if "params.seed" in finished:  # the same once more, the newest first, is no other seed
        once = ~pd.DataFrame({"of": identity, "seed": finished["params.seed"].astype(str)}).duplicated()
        finished, identity = finished[once], identity[once]
    grouped = finished.groupby(identity, sort=False)
    columns: dict[str, Any] = {
        "run_id": grouped["run_id"].first(),
        "name": grouped["name"].first().astype(str).str.replace(r" seed=\S+", "", regex=True),
        "runs": grouped.size(),
    }
    made = pd.DataFrame({**columns, **_means(grouped, metrics, columns)}).reset_index(drop=True)
    if sort is not None and sort not in made:
        known = [metric.removeprefix("metrics.") for metric in metrics]
        raise ConfigError([f"sort must be a metric of the runs, got '{sort}'{suggest(sort, known)}"])
    ordered = _ordered(made, finished, sort)
    ordered.attrs["repeated"] = several - len(finished)
    if "params.seed" in finished:
        seeds = grouped["params.seed"].agg(lambda each: ", ".join(sorted(each.dropna().astype(str).unique())))
        ordered.attrs["seeds"] = dict(zip(columns["run_id"], seeds, strict=True))
    return ordered


def _means(grouped: Any, metrics: Sequence[str], columns: Mapping[str, Any]) -> dict[str, pd.Series]:
    """Of each metric the mean, and where some lines are of several runs the deviation.

    Args:
        grouped: runs by line.
        columns: that there are already, whose names a metric does not take.
    """
    has_several, made = bool((columns["runs"] > 1).any()), {}
    for metric in metrics:
        name = metric if metric.removeprefix("metrics.") in columns else metric.removeprefix("metrics.")
        made[name] = grouped[metric].mean()
        if has_several:
            made[f"{name}_deviation"] = grouped[metric].std(ddof=1)
    return made


def _identity(finished: pd.DataFrame, keys: list[str]) -> pd.Series:
    """What is the same of runs that differ in nothing but their seed.

    Args:
        keys: columns of the params that count.
    """
    identity = as_set(finished[keys]).agg("\x1f".join, axis=1)
    # Without params, as other people's runs, one says too little to be the same as another.
    identity = identity.where(finished[keys].notna().any(axis=1), finished["run_id"])
    if "metrics.weighted_f1" in finished:  # before there was this f1 was another metric
        identity += finished["metrics.weighted_f1"].isna().astype(str)
    return identity


def as_set(params: pd.DataFrame) -> pd.DataFrame:
    """Params as texts, `nan` where nothing is set: that is no param, and was a null in earlier versions."""
    return params.astype(str).replace(["null", "[]", "None"], "nan")


def save(found: pd.DataFrame, path: Path) -> None:
    """As CSV or Parquet, by the name's end.

    Raises:
        ConfigError: another end.
    """
    if path.suffix == ".csv":
        found.rename(columns=cell).map(cell).to_csv(path, index=False)
    elif path.suffix == ".parquet":
        found.to_parquet(path, index=False)
    else:
        raise ConfigError([f"--to must end with .csv or .parquet, got '{path}'"])


def _pages_of(client: MlflowClient, of: str | None, names: dict[str, str]) -> Iterator[Sequence[Run]]:
    places, wanted = list(names), ""
    if of is not None and of not in names.values():
        of = whole_id(client, of)
    if of is not None and re.fullmatch("[0-9a-f]{32}", of):
        wanted = f"tags.`mlflow.parentRunId` = '{of}'"
    elif of is not None:
        places = [place for place, name in names.items() if name == of]
        if not places:
            raise ConfigError(
                [
                    f"'{of}' must be an experiment ({', '.join(sorted(names.values())[:20])}) or the run of a sweep, "
                    f"got neither{suggest(of, names.values())}"
                ]
            )
    is_empty = True
    for page in pages(client, places, wanted):
        is_empty &= not page
        yield page
    if of is not None and wanted and is_empty:
        _refuse_plain_run(client, of, names)


def _refuse_plain_run(client: MlflowClient, run: str, names: Mapping[str, str]) -> None:
    """Raise a ConfigError for a run that is no sweep's, or that there is none."""
    from mlflow.exceptions import MlflowException

    try:
        found = client.get_run(run)
    except MlflowException:
        raise ConfigError([f"compare must be given an experiment or the run of a sweep, got no run '{run}'"]) from None
    if SWEEP_TAG not in found.data.tags:
        name = names.get(found.info.experiment_id, "")
        raise ConfigError(
            [
                f"compare must be given an experiment or the run of a sweep, got the single run '{run}'; it is among "
                f"those of its experiment: experiments compare {shlex.quote(name)}"
            ]
        )


def whole_id(client: MlflowClient, run: str) -> str:
    """The id of the one run whose id begins so, as tables show it in a terminal; else the text itself."""
    if not re.fullmatch(f"[0-9a-f]{{{SHORT_ID},31}}", run):
        return run
    places = [each.experiment_id for each in client.search_experiments()]
    found = client.search_runs(places, f"attributes.run_id LIKE '{run}%'", max_results=2)
    return str(found[0].info.run_id) if len(found) == 1 else run


def pages(client: MlflowClient, places: Sequence[str], wanted: str) -> Iterator[Sequence[Run]]:
    """All runs of some experiments that are wanted, a page at a time."""
    token: Any = None
    while places:
        page = client.search_runs(list(places), wanted, max_results=PAGE, page_token=token)
        yield page
        token = page.token
        if not token:
            return


def runs_of(client: MlflowClient, places: Sequence[str], wanted: str) -> Iterator[Run]:
    """The same, one by one."""
    return itertools.chain.from_iterable(pages(client, places, wanted))


def judged_on(run: Run) -> tuple[str, str | None]:
    """Which rows judged a run, those held out (`test`) or all where none were (`train`), and their digest."""
    inputs = run.inputs.dataset_inputs if run.inputs is not None else []
    digests = {tag.value: each.dataset.digest for each in inputs for tag in each.tags}
    which = "test" if "test" in digests else "train"
    return which, digests.get(which)


def _row(run: Run, names: dict[str, str]) -> dict[str, Any]:
    import pandas as pd

    info, data = run.info, run.data
    return {
        "run_id": info.run_id,
        "name": info.run_name,
        "experiment": names.get(info.experiment_id, info.experiment_id),
        "status": info.status,
        "started": pd.Timestamp(info.start_time, unit="ms", tz="UTC"),
        "judged_on": judged_on(run)[1],
        "chosen_by": data.tags.get(CHOSEN_BY_TAG),
        "seconds": (info.end_time - info.start_time) / 1000 if info.end_time else None,
        **{f"params.{key}": value for key, value in data.params.items()},
        **{f"metrics.{key}": value for key, value in data.metrics.items()},
    }


def _compact(page: pd.DataFrame) -> pd.DataFrame:
    texts = [column for column in page.columns if column.startswith("params.") or column in ("experiment", "status")]
    return page.astype(dict.fromkeys(texts, "category"))


def tasks_of(finished: pd.DataFrame) -> list[Task]:
    """Of our runs; other people's may have a param of that name that means something else."""
    if "params.model.task" not in finished:
        return []
    named = finished["params.model.task"].dropna().unique()
    return [Task(name) for name in named if name in {task.value for task in Task}]


def _ordered(made: pd.DataFrame, finished: pd.DataFrame, sort: str | None) -> pd.DataFrame:
    """By a metric, or where all runs are of one task by what decides; runs without it come last."""
    tasks = tasks_of(finished)
    task = tasks[0] if len(tasks) == 1 else None
    metric = sort or _chosen_by(made, finished) or (_deciding(made, task) if task is not None else None)
    if metric is None:
        return made
    made.attrs["sorted_by"] = metric
    made.attrs["is_asked"] = sort is not None
    is_larger = any(larger_is_better(metric, each) for each in ([task] if task is not None else Task))
    return made.sort_values(metric, ascending=not is_larger, ignore_index=True)


def _chosen_by(made: pd.DataFrame, finished: pd.DataFrame) -> str | None:
    """The metric by which the sweeps of all runs chose, if it is one and all runs have it."""
    named = list(finished["chosen_by"].unique()) if "chosen_by" in finished else []
    if len(named) == 1 and named[0] in made and made[named[0]].notna().all():
        return str(named[0])
    return None


def _deciding(made: pd.DataFrame, task: Task) -> str | None:
    """What sweeps choose by, where all runs have it: of rows within the training rows. The others judge once."""
    names = within_training(OBJECTIVES[task])
    return deciding([name for name in names if name in made and made[name].notna().all()], task, names) or deciding(
        made, task
    )
