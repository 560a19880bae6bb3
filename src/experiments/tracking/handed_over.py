"""A run that a driver elsewhere records: opened here, and closed here where that driver does not close it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from experiments.config.schema import Config, TrackingConfig
from experiments.errors import ConfigError
from experiments.tracking.lifecycle import given_run, new_run
from experiments.tracking.registry import Registered
from experiments.tracking.run import TrackedRun
from experiments.tracking.store import GIVEN_RUN, no_store, open_store, registry_uri, tracking_uri
from experiments.tracking.tags import APPLICATION_TAG, FAILURE_TAG

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient


# Exit codes of a command that was told to end.
_TOLD_TO_END = (129, 130, 143, -1, -2, -15)


@dataclass(frozen=True)
class Ended:
    """How a run ended, as its store says.

    Attributes:
        status: MLflow's; RUNNING of one that nobody has closed.
        why: of a failure.
        metrics: all of them.
        model_uri: of the logged model.
        registered: the model's version in the registry.
    """

    status: str
    why: str
    metrics: dict[str, float]
    model_uri: str | None
    registered: Registered | None


def check_reached_from_elsewhere(tracking: TrackingConfig) -> list[str]:
    """A sentence for each store of this machine alone."""
    places = {"tracking.uri": tracking_uri(tracking), "tracking.registry_uri": registry_uri(tracking)}
    local = {key: uri for key, uri in places.items() if uri.startswith(("sqlite:", "file:", "/"))}
    if len(set(local.values())) == 1:
        local = dict([next(iter(local.items()))])
    return [
        f"{key} must be a server that the cluster's machines reach, as the driver records from there, got '{uri}'; "
        "tracking=server tracking.uri=http://HOST:5000, or export MLFLOW_TRACKING_URI=http://HOST:5000"
        for key, uri in local.items()
    ]


@contextlib.contextmanager
def handed_over(config: Config, run_name: str) -> Iterator[TrackedRun]:
    """An open run with its config, for a driver elsewhere. An error of the block closes it, as FAILED or KILLED, unless
    that driver has done so.

    Raises:
        ConfigError: the store cannot be opened.
    """
    client = open_store(config)
    try:
        run = TrackedRun(client, given_run(client, run_name) or new_run(client, config, run_name, {}))
    except ConfigError:
        raise
    except Exception as error:  # MLflow, SQLAlchemy and requests each have their own
        raise no_store(tracking_uri(config.tracking), error) from error
    try:
        run.log_config(config)
        yield run
    except BaseException as error:
        status = _status(run)
        # Whose driver has said why it failed, it stays as it is; one that we have ended may say anything.
        if status != "FINISHED" and not (status == "FAILED" and isinstance(error, Exception)):
            close(run, error)
        raise


def close(run: TrackedRun, error: BaseException) -> None:
    """Close a run that its driver has left open, without what that has logged and registered."""
    with contextlib.suppress(Exception):
        run.record(partial(_take_up, run))
    run.fail(error)


def _take_up(run: TrackedRun, client: MlflowClient, run_id: str) -> None:
    outputs = client.get_run(run_id).outputs
    models = outputs.model_outputs if outputs is not None else []
    versions = client.search_model_versions(f"run_id='{run_id}'")
    registered = (client, versions[0].name, str(versions[0].version)) if versions else None
    run.take_over(models[0].model_id if models else None, registered)


def _status(run: TrackedRun) -> str:
    with contextlib.suppress(Exception):  # then it is closed, as well as that goes
        return str(run.record(lambda client, run_id: client.get_run(run_id)).info.status)
    return ""


def name_application(run: TrackedRun, application: str) -> None:
    """Record the cluster's name of what runs the driver, which goes on where the store does not take it."""
    with contextlib.suppress(Exception):
        run.record(lambda client, run_id: client.set_tag(run_id, APPLICATION_TAG, application))


def blame(run: TrackedRun, reason: str) -> None:
    """Record why a run has failed whose driver was ended while it closed it."""
    with contextlib.suppress(Exception):
        run.record(lambda client, run_id: client.set_tag(run_id, FAILURE_TAG, reason))


def ended(run: TrackedRun) -> Ended:
    """How it stands in its store."""
    found = run.record(lambda client, run_id: client.get_run(run_id))
    models = found.outputs.model_outputs if found.outputs is not None else []
    return Ended(
        found.info.status,
        found.data.tags.get(FAILURE_TAG, ""),
        dict(found.data.metrics),
        f"models:/{models[0].model_id}" if models else None,
        _version_of(run) if models else None,
    )


def _version_of(run: TrackedRun) -> Registered | None:
    with contextlib.suppress(Exception):  # a registry that does not let us look
        return run.record(_registered)
    return None


def _registered(client: MlflowClient, run_id: str) -> Registered | None:
    """The version that the run's driver has made of its model, with the aliases that name it."""
    for found in client.search_model_versions(f"run_id='{run_id}'"):
        names = client.get_model_version(found.name, found.version).aliases
        return Registered(
            found.name, str(found.version), f"{', '.join(names)} names it" if names else "no alias names it"
        )
    return None


def close_left(run_id: str, uri: str, code: int) -> None:
    """Close the run of a command that has ended and left it open, as one whose words do not compose.

    Args:
        code: with which it has ended.
    """
    from experiments.tracking.client import Client

    client = Client(tracking_uri=uri)
    found = client.get_run(run_id)
    if found.info.status != "RUNNING":
        return
    if code == 0:  # it was asked for no run
        client.set_terminated(run_id, "FINISHED")
        return
    name = found.data.tags.get(APPLICATION_TAG)
    there = f"; {name} may still go on: yarn application -kill {name}" if name else ""
    client.set_tag(run_id, FAILURE_TAG, f"its command has ended with {code} and left it open{there}")
    client.set_terminated(run_id, "KILLED" if code in _TOLD_TO_END else "FAILED")


def close_given(config: Config, run_name: str, error: BaseException) -> None:
    """Close the run that was given to this process, if an error came before the run was taken up."""
    if GIVEN_RUN not in os.environ:
        return
    with contextlib.suppress(Exception):  # of a store that is not there: who gave the run closes it
        client = open_store(config)
        given = given_run(client, run_name)
        if given is not None:
            TrackedRun(client, given).fail(error)
