"""A run is opened before Spark, in its experiment, and closed with its true status."""

from __future__ import annotations

import contextlib
import functools
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from experiments.config.schema import Config, TrackingConfig
from experiments.errors import ConfigError, override
from experiments.redaction import redact_text
from experiments.tracking import run_log
from experiments.tracking.owner import process_tag
from experiments.tracking.spool import Spool, is_undelivered, once, open_spool
from experiments.tracking.store import (
    GIVEN_EXPERIMENT,
    GIVEN_EXPERIMENT_ID,
    GIVEN_RUN,
    artifact_folder,
    experiment_id,
    no_store,
    open_store,
    tracking_uri,
)

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

from experiments.tracking.run import TrackedRun
from experiments.tracking.tags import EXPERIMENT_TAG, PARENT


@dataclass(frozen=True)
class Parent:
    """The run of a sweep.

    Attributes:
        run_id: of MLflow.
        experiment_id: where its children go; None for the experiments of their data.
        tags: of the child that is opened.
    """

    run_id: str
    experiment_id: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@contextlib.contextmanager
def tracked_run(config: Config, run_name: str, parent: Parent | None = None) -> Iterator[TrackedRun]:
    """A run that is FINISHED when the block ends, KILLED when it is interrupted, FAILED when it raises.

    Args:
        parent: what it is a child of.

    Raises:
        ConfigError: the store cannot be opened.
    """
    client, spool = open_store(config), open_spool(config)
    with closed_truly(config, lambda: _opened(client, spool, config, run_name, parent)) as run:
        run.log_config(config)
        yield run


@contextlib.contextmanager
def closed_truly(config: Config, opened: Callable[[], TrackedRun]) -> Iterator[TrackedRun]:
    """The run that is opened, closed with its true status.

    Raises:
        ConfigError: it cannot be opened.
    """
    try:
        run = opened()
    except ConfigError:
        raise
    except Exception as error:  # MLflow, SQLAlchemy and requests each have their own
        raise no_store(tracking_uri(config.tracking), error) from error
    with run_log.kept() as log:
        try:
            yield run
            run.log_text(log.getvalue(), run_log.NAME)
            run.finish("FINISHED")
        except BaseException as error:
            run.fail(error)
            with contextlib.suppress(Exception):
                run.log_text(log.getvalue(), run_log.NAME)
            raise


def _opened(
    client: MlflowClient, spool: Spool | None, config: Config, run_name: str, parent: Parent | None
) -> TrackedRun:
    """The run that `mlflow run` opened for us, once, else a new one; a child's in the spool where it must be."""
    if parent is None:
        return TrackedRun(client, given_run(client, run_name) or new_run(client, config, run_name, {}), spool)
    tags = {PARENT: parent.run_id, **once(), **parent.tags}
    try:
        if spool is None or not spool.rests:
            return TrackedRun(client, new_run(client, config, run_name, tags, parent.experiment_id), spool)
    except Exception as error:  # MLflow, SQLAlchemy and requests each have their own
        if spool is None or not is_undelivered(error):
            raise
        spool.blame(error)
    if parent.experiment_id is not None:
        tags |= {EXPERIMENT_TAG: parent.experiment_id}
    place = experiment_name(client, config)
    return TrackedRun(spool.client, spool.new_run(place, run_name, {**_context(), **tags}), spool)


def given_run(client: MlflowClient, run_name: str) -> Run | None:
    """The run that `mlflow run` opened for us, the first time that it is asked for."""
    given = os.environ.pop(GIVEN_RUN, None)
    if not given:
        return None
    run = client.get_run(given)
    # A name that somebody chose stays; MLflow's own are like `bold-ant-12`.
    if re.fullmatch(r"[a-z]+-[a-z]+-\d+", run.info.run_name or ""):
        client.update_run(given, name=run_name)
    return run


def given_experiment(client: MlflowClient) -> str | None:
    """Id of the experiment in which `mlflow run` opened a run for us that is not asked for yet, else None."""
    given = os.environ.get(GIVEN_RUN)
    return str(client.get_run(given).info.experiment_id) if given else None


def new_run(
    client: MlflowClient, config: Config, run_name: str, tags: Mapping[str, str], experiment: str | None = None
) -> Run:
    """A run in an experiment, by its id; in the data's own if none is given."""
    place = experiment or experiment_id(client, experiment_name(client, config), artifact_folder(config.tracking))
    return client.create_run(place, run_name=run_name, tags={**_context(), **process_tag(), **once(), **tags})


@functools.cache
def _context() -> dict[str, str]:
    """MLflow's tags of who runs, from where, at which commit. Asks git, so once for a process."""
    from mlflow.tracking.context.registry import resolve_tags

    tags: dict[str, str] = resolve_tags()
    return tags


# Of experiments, by store and id: asked once, as the store may be away when a later trial is opened.
_NAMES: dict[tuple[str, str], str] = {}


def experiment_name(client: MlflowClient, config: Config) -> str:
    """Where a run of the config is recorded: what it says, else what MLflow was told, else the data's name.

    Raises:
        ConfigError: `MLFLOW_EXPERIMENT_ID`, as `mlflow.set_experiment` leaves it, is none of the store's.
    """
    from mlflow.exceptions import MlflowException

    if told := config.tracking.experiment or os.environ.get(GIVEN_EXPERIMENT):
        return told
    given = os.environ.get(GIVEN_EXPERIMENT_ID)
    # An id is one of the store that MLflow was told.
    if not given or tracking_uri(config.tracking) != tracking_uri(TrackingConfig()):
        return config.data.name
    key = (tracking_uri(config.tracking), given)
    try:
        if key not in _NAMES:
            _NAMES[key] = str(client.get_experiment(given).name)
        return _NAMES[key]
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        law = f"{GIVEN_EXPERIMENT_ID} must be an experiment of {redact_text(key[0])}"
        instead = override("tracking.experiment", config.data.name)
        raise ConfigError([f"{law}, got '{given}'; unset it, or say {instead}"]) from error
