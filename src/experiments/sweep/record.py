"""A sweep's own run in MLflow, and what earlier commands have left of its trials."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from experiments.errors import ConfigError
from experiments.processes import PROCESS_TAG, is_gone, process_tag
from experiments.redaction import redact_text
from experiments.sweep.plan import Plan
from experiments.tracking import (
    CHOICE_TAG,
    FAILURE_TAG,
    HASH_TAG,
    LONGEST_PARAM,
    STUDY_TAG,
    SWEEP_TAG,
    TrackedRun,
    closed_truly,
    experiment_name,
    given_experiment,
    given_run,
    new_run,
)

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

GONE = "its process ended without a word"


@contextlib.contextmanager
def sweep_run(client: MlflowClient, plan: Plan) -> Iterator[TrackedRun]:
    """The parent run: the one that `mlflow run` opened, one that an earlier command left unfinished, or a new one.

    Raises:
        ConfigError: the same sweep runs at this moment.
    """
    with closed_truly(plan.config, lambda: TrackedRun(client, _opened(client, plan))) as run:
        _log_plan(run, plan)
        yield run


def _opened(client: MlflowClient, plan: Plan) -> Run:
    name = redact_text(plan.config.tracking.run or f"sweep of {', '.join(plan.swept) or plan.config.model.name}")
    tags = {SWEEP_TAG: plan.hash, **process_tag()}
    run = given_run(client, name) or _unfinished(client, plan)
    if run is None:
        return new_run(client, plan.config, name, tags)
    client.update_run(run.info.run_id, status="RUNNING")
    if FAILURE_TAG in run.data.tags:
        client.delete_tag(run.info.run_id, FAILURE_TAG)
    for key, value in tags.items():
        client.set_tag(run.info.run_id, key, value)
    return run


def _unfinished(client: MlflowClient, plan: Plan) -> Run | None:
    """The newest run of the same sweep that did not finish."""
    experiment = client.get_experiment_by_name(experiment_name(plan.config))
    if experiment is None:
        return None
    found = client.search_runs([experiment.experiment_id], f"tags.`{SWEEP_TAG}` = '{plan.hash}'", max_results=1)
    if not found or found[0].info.status == "FINISHED":
        return None
    if found[0].info.status != "RUNNING":
        return found[0]
    gone = is_gone(found[0].data.tags.get(PROCESS_TAG, ""))
    if gone is False:
        raise ConfigError(
            [f"this sweep is running at this moment, as run {found[0].info.run_id}; wait for it, or end it first"]
        )
    # Of another machine's nobody knows here whether it lives.
    return found[0] if gone else None


def _log_plan(run: TrackedRun, plan: Plan) -> None:
    """What is swept as params, unless they are there: `mlflow run` has recorded its own, and a param never changes."""
    from mlflow.entities import Param

    known = run.client.get_run(run.run_id).data.params
    # How many trials there are may change when the sweep goes on.
    words = {key: value for key, value in {**plan.fixed, **plan.swept}.items() if key != "sweep.trials"}
    # MLflow's names of params have fewer signs than Hydra's words, as in `~model.stages.scaler`.
    values = {re.sub(r"[^\w./: -]", "_", key): value for key, value in words.items()}
    params = [Param(key, value[:LONGEST_PARAM]) for key, value in values.items() if key not in known]
    run.client.log_batch(run.run_id, params=params)


def experiments_of(client: MlflowClient, plan: Plan) -> dict[str, str]:
    """Name to id of the experiments that the trials are recorded in, of those that there are already."""
    given = given_experiment(client)
    names = {experiment_name(config) for config in (plan.config, *(trial.config for trial in plan.trials))}
    known = {name: given or getattr(client.get_experiment_by_name(name), "experiment_id", None) for name in names}
    return {name: place for name, place in known.items() if place is not None}


def finished_runs(client: MlflowClient, plan: Plan) -> dict[str, Run]:
    """For the hash of each trial that has one, the newest run that finished."""
    found: dict[str, Run] = {}
    places = experiments_of(client, plan)
    for trial in plan.trials:
        place = places.get(experiment_name(trial.config))
        if place is not None:
            wanted = f"tags.`{HASH_TAG}` = '{trial.hash}' AND attributes.status = 'FINISHED'"
            for run in client.search_runs([place], wanted, max_results=1):
                found[trial.hash] = run
    return found


@dataclass(frozen=True)
class Choice:
    """Values that an earlier command chose.

    Attributes:
        params: Optuna's.
        runs: the finished ones, by the hash of what they computed.
    """

    params: dict[str, Any]
    runs: dict[str, Run] = field(default_factory=dict)


def earlier_choices(client: MlflowClient, plan: Plan) -> dict[int, Choice]:
    """What was chosen for each place among the choices that the plan has: what finished, else what was tried last."""
    found: dict[int, Choice] = {}
    runs = list(_pages(client, list(experiments_of(client, plan).values()), f"tags.`{STUDY_TAG}` = '{plan.hash}'"))
    for run in sorted(runs, key=lambda run: (run.info.status != "FINISHED", -run.info.start_time)):
        said = json.loads(run.data.tags[CHOICE_TAG])
        if said["number"] < (plan.config.sweep.trials or 0):
            choice = found.setdefault(said["number"], Choice(said["params"]))
            if run.info.status == "FINISHED" and choice.params == said["params"]:
                choice.runs.setdefault(run.data.tags[HASH_TAG], run)
    return found


def _pages(client: MlflowClient, places: Sequence[str], wanted: str) -> Iterator[Run]:
    """All runs that are wanted, read a page at a time."""
    page: Any = None
    while places:
        page = client.search_runs(list(places), wanted, page_token=page)
        yield from page
        page = page.token
        if not page:
            return


def close_gone(client: MlflowClient, experiments: Sequence[str] | None = None) -> list[str]:
    """Close the runs that look as if they ran while their process, of this machine, is gone; returns their ids.

    Args:
        experiments: ids; None for all.
    """
    places = experiments if experiments is not None else [each.experiment_id for each in client.search_experiments()]
    closed = []
    for run in list(_pages(client, places, f"attributes.status = 'RUNNING' AND tags.`{PROCESS_TAG}` LIKE '%'")):
        if is_gone(run.data.tags[PROCESS_TAG]):
            client.set_tag(run.info.run_id, FAILURE_TAG, GONE)
            client.set_terminated(run.info.run_id, "KILLED")
            closed.append(run.info.run_id)
    return closed
