"""A run that a driver elsewhere records: opened here, and closed here where that driver does not close it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
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
            run.fail(error)
        raise


def _status(run: TrackedRun) -> str:
    with contextlib.suppress(Exception):  # then it is closed, as well as that goes
        return str(run.record(lambda client, run_id: client.get_run(run_id)).info.status)
    return ""


def name_application(run: TrackedRun, application: str) -> None:
    """Record the cluster's name of what runs the driver, which goes on where the store does not take it."""
    with contextlib.suppress(Exception):
        run.record(lambda client, run_id: client.set_tag(run_id, APPLICATION_TAG, application))


def ended(run: TrackedRun) -> Ended:
    """How it stands in its store."""
    found = run.record(lambda client, run_id: client.get_run(run_id))
    models = found.outputs.model_outputs if found.outputs is not None else []
    return Ended(
        found.info.status,
        found.data.tags.get(FAILURE_TAG, ""),
        dict(found.data.metrics),
        f"models:/{models[0].model_id}" if models else None,
        run.record(_registered) if models else None,
    )


def _registered(client: MlflowClient, run_id: str) -> Registered | None:
    """The version that the run's driver has made of its model, with the aliases that name it."""
    for found in client.search_model_versions(f"run_id='{run_id}'"):
        names = client.get_model_version(found.name, found.version).aliases
        return Registered(
            found.name, str(found.version), f"{', '.join(names)} names it" if names else "no alias names it"
        )
    return None


def close_left(run_id: str, uri: str) -> None:
    """Close the run of a command that has failed and left it open, as one whose words do not compose."""
    from experiments.tracking.client import Client

    client = Client(tracking_uri=uri)
    if client.get_run(run_id).info.status == "RUNNING":
        client.set_tag(run_id, FAILURE_TAG, "its command failed before it was taken up, and said why")
        client.set_terminated(run_id, "FAILED")


def close_given(config: Config, run_name: str, error: BaseException) -> None:
    """Close the run that was given to this process, if an error came before the run was taken up."""
    if GIVEN_RUN not in os.environ:
        return
    with contextlib.suppress(Exception):  # of a store that is not there: who gave the run closes it
        client = open_store(config)
        given = given_run(client, run_name)
        if given is not None:
            TrackedRun(client, given).fail(error)
