"""A sweep's own run, and what earlier commands have left of its trials."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from experiments.config.schema import Config
from experiments.errors import ConfigError
from experiments.redaction import redact_text
from experiments.tracking.claim import Claim
from experiments.tracking.lifecycle import closed_truly, experiment_name, given_experiment, given_run, new_run
from experiments.tracking.owner import PROCESS_TAG, is_gone, process_tag
from experiments.tracking.run import TrackedRun
from experiments.tracking.runs import runs_of
from experiments.tracking.spool import open_spool
from experiments.tracking.tags import CHOICE_TAG, FAILURE_TAG, HASH_TAG, LONGEST_PARAM, STUDY_TAG, SWEEP_TAG

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

GONE = "its process ended without a word"


@dataclass(frozen=True)
class RecordedSweep:
    """What is recorded of a sweep as such.

    Attributes:
        config: what its trials have in common.
        hash: identity of the sweep.
        name: of its run, unless the config has one.
        params: what is swept and what is the same for all, as typed.
    """

    config: Config
    hash: str
    name: str
    params: Mapping[str, str]


@contextlib.contextmanager
def sweep_run(client: MlflowClient, sweep: RecordedSweep, is_done: bool) -> Iterator[TrackedRun]:
    """The parent run: the one that `mlflow run` opened, one that an earlier command left, or a new one.

    Args:
        is_done: whether no trial is missing; the run of a sweep that finished is then taken again.

    Raises:
        ConfigError: the same sweep runs at this moment.
    """
    claim = Claim()
    spool = open_spool(sweep.config)
    with closed_truly(sweep.config, lambda: TrackedRun(client, _opened(client, sweep, claim, is_done), spool)) as run:
        try:
            _log_params(run, sweep.params)
            yield run
        finally:
            with contextlib.suppress(Exception):
                client.delete_tag(run.run_id, claim.tag)


def _opened(client: MlflowClient, sweep: RecordedSweep, claim: Claim, is_done: bool) -> Run:
    name = redact_text(sweep.config.tracking.run or sweep.name)
    tags = {SWEEP_TAG: sweep.hash, claim.tag: claim.value}
    given = given_run(client, name)
    left = given or _left(client, sweep, is_done)
    run = left or new_run(client, sweep.config, name, tags)
    if left is not None:
        _tag(client, left, tags)
    asked = f"tags.`{SWEEP_TAG}` = '{sweep.hash}'"
    other = claim.other(lambda: list(runs_of(client, [run.info.experiment_id], asked)))
    if other is None:
        return _reopened(client, left) if left is not None else run
    client.delete_tag(run.info.run_id, claim.tag)
    if left is None:
        client.delete_run(run.info.run_id)
    elif given is not None:
        client.set_terminated(run.info.run_id, "FAILED")
    raise _is_running(other)


def _reopened(client: MlflowClient, run: Run) -> Run:
    """By whoever has it, as it says whose it is."""
    _tag(client, run, process_tag())
    client.update_run(run.info.run_id, status="RUNNING")
    if FAILURE_TAG in run.data.tags:
        client.delete_tag(run.info.run_id, FAILURE_TAG)
    return client.get_run(run.info.run_id)


def _tag(client: MlflowClient, run: Run, tags: Mapping[str, str]) -> None:
    for key, value in tags.items():
        client.set_tag(run.info.run_id, key, value)


def _left(client: MlflowClient, sweep: RecordedSweep, is_done: bool) -> Run | None:
    """The newest run of the same sweep, unless it finished while trials are missing now."""
    experiment = client.get_experiment_by_name(experiment_name(client, sweep.config))
    if experiment is None:
        return None
    found = client.search_runs([experiment.experiment_id], f"tags.`{SWEEP_TAG}` = '{sweep.hash}'", max_results=1)
    if not found or (found[0].info.status == "FINISHED" and not is_done):
        return None
    if found[0].info.status != "RUNNING":
        return found[0]
    gone = is_gone(found[0].data.tags.get(PROCESS_TAG, ""))
    if gone is False:
        raise _is_running(found[0])
    # Of another machine's nobody knows here whether it lives.
    return found[0] if gone else None


def _is_running(run: Run) -> ConfigError:
    return ConfigError(
        [f"this sweep is running at this moment, as run {run.info.run_id}; wait for it, or end it first"]
    )


def _log_params(run: TrackedRun, words: Mapping[str, str]) -> None:
    """Unless they are there: `mlflow run` has recorded its own, and a param never changes."""
    known = run.params()
    # MLflow's names of params have fewer signs than Hydra's words, as in `~model.stages.scaler`.
    values = {re.sub(r"[^\w./: -]", "_", key): value for key, value in words.items()}
    run.log_params({key: value[:LONGEST_PARAM] for key, value in values.items() if key not in known})


def experiments_of(client: MlflowClient, configs: Iterable[Config]) -> dict[str, str]:
    """Name to id of the experiments that runs of the configs are recorded in, of those that there are already."""
    given = given_experiment(client)
    names = {experiment_name(client, config) for config in configs}
    known = {name: given or getattr(client.get_experiment_by_name(name), "experiment_id", None) for name in names}
    return {name: place for name, place in known.items() if place is not None}


def finished_runs(client: MlflowClient, configs: Mapping[str, Config]) -> dict[str, Run]:
    """For each hash of a config that has one, the newest run that finished."""
    found: dict[str, Run] = {}
    places = experiments_of(client, configs.values())
    for key, config in configs.items():
        place = places.get(experiment_name(client, config))
        if place is not None:
            wanted = f"tags.`{HASH_TAG}` = '{key}' AND attributes.status = 'FINISHED'"
            for run in client.search_runs([place], wanted, max_results=1):
                found[key] = run
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


def earlier_choices(client: MlflowClient, sweep: RecordedSweep, most: int) -> dict[int, Choice]:
    """What was chosen for each of the first places: what finished, else what was tried last."""
    found: dict[int, Choice] = {}
    places = list(experiments_of(client, [sweep.config]).values())
    runs = list(runs_of(client, places, f"tags.`{STUDY_TAG}` = '{sweep.hash}'"))
    for run in sorted(runs, key=lambda run: (run.info.status != "FINISHED", -run.info.start_time)):
        said = json.loads(run.data.tags[CHOICE_TAG])
        if said["number"] < most:
            choice = found.setdefault(said["number"], Choice(said["params"]))
            if run.info.status == "FINISHED" and choice.params == said["params"]:
                choice.runs.setdefault(run.data.tags[HASH_TAG], run)
    return found


def close_gone(client: MlflowClient, experiments: Sequence[str] | None = None) -> list[str]:
    """Close the runs that look as if they ran while their process, of this machine, is gone, and their models that look
    as if they were still written; returns the ids of the runs.

    Args:
        experiments: ids; None for all.
    """
    places = experiments if experiments is not None else [each.experiment_id for each in client.search_experiments()]
    closed = []
    for run in list(runs_of(client, places, f"attributes.status = 'RUNNING' AND tags.`{PROCESS_TAG}` LIKE '%'")):
        if is_gone(run.data.tags[PROCESS_TAG]):
            is_told = FAILURE_TAG in run.data.tags  # it ended while it was closed as failed
            if not is_told:
                client.set_tag(run.info.run_id, FAILURE_TAG, GONE)
            for model in client.search_logged_models([run.info.experiment_id], f"source_run_id = '{run.info.run_id}'"):
                if model.status.name == "PENDING":  # whose files nobody will finish
                    client.finalize_logged_model(model.model_id, "FAILED")
            client.set_terminated(run.info.run_id, "FAILED" if is_told else "KILLED")
            closed.append(run.info.run_id)
    return closed
