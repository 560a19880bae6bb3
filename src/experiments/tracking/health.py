"""Whether runs, models and files could be recorded: the store is asked, and nothing is left there."""

from __future__ import annotations

import os
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.config.schema import Config
from experiments.errors import ConfigError, ExperimentError, readable_cause
from experiments.redaction import redact_text
from experiments.tracking.lifecycle import experiment_name
from experiments.tracking.store import artifact_folder, check_store, open_store, registry_uri, sqlite_file, tracking_uri

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

MOST_COUNTED = 1000


def ask_tracking(config: Config) -> str:
    """What is said of where runs are recorded.

    Raises:
        ConfigError: it does not answer, or is none.
        MlflowException: it refuses.
    """
    uri = tracking_uri(config.tracking)
    if (folder := _made_later(config)) is not None:
        return f"{uri} will be made in {folder}, which can be written"
    check_store(config.tracking)
    found = open_store(config).search_experiments(max_results=MOST_COUNTED)
    return f"{uri} answers, with {_counted(len(found), 'experiment')}"


def ask_registry(config: Config) -> str:
    """What is said of where models are registered. Raises as `ask_tracking` does."""
    uri = registry_uri(config.tracking)
    if uri == tracking_uri(config.tracking) and _made_later(config) is not None:
        return f"{uri} will be made"
    found = open_store(config).search_registered_models(max_results=MOST_COUNTED)
    return f"{uri} answers, with {_counted(len(found), 'registered model')}"


def _counted(count: int, what: str) -> str:
    return f"{count}{' or more' if count == MOST_COUNTED else ''} {what}{'s' if count != 1 else ''}"


def ask_artifacts(config: Config) -> str:
    """Write a file where those of runs go, and take it away again.

    Raises:
        Exception: of the store's own kind, as where nothing can be written.
    """
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
    from mlflow.utils.file_utils import local_file_uri_to_path
    from mlflow.utils.uri import is_local_uri

    if _made_later(config) is not None:
        return f"{artifact_folder(config.tracking)} will be made"
    client = open_store(config)
    place = _artifacts_of(client, config)
    if is_local_uri(place):  # nothing need be written to know
        folder = _nearest(Path(local_file_uri_to_path(place)))
        if not _can_be_written(folder):
            raise ExperimentError(f"{place} must be a folder that can be written, got {folder}, which cannot")
        return f"{redact_text(place)} can be written"
    # Under the name of no run, so that nobody takes it for one's file.
    files = get_artifact_repository(f"{place.rstrip('/')}/probe-{uuid.uuid4().hex}", tracking_uri(config.tracking))
    with tempfile.TemporaryDirectory() as made:
        file = Path(made) / "probe.txt"
        file.write_text("written by `experiments doctor`, to be taken away at once")
        files.log_artifact(str(file))
    try:
        files.delete_artifacts()
    except Exception as error:  # of the store's own kind
        return f"{redact_text(place)} can be written, but a file cannot be taken away again: {readable_cause(error)}"
    return f"{redact_text(place)} can be written"


def _artifacts_of(client: MlflowClient, config: Config) -> str:
    """Where the files of the config's runs go."""
    experiment = client.get_experiment_by_name(experiment_name(client, config))
    if experiment is not None:
        return str(experiment.artifact_location)
    return artifact_folder(config.tracking) or str(client.get_experiment("0").artifact_location)


def _made_later(config: Config) -> Path | None:
    """The folder in which a first run will make a sqlite store; None of a store that is there, or is another kind.

    Raises:
        ConfigError: it cannot.
    """
    file = sqlite_file(config.tracking)
    if file is None or (file.exists() and file.stat().st_size):
        return None
    if not _can_be_written(_nearest(file.parent)):
        raise ConfigError(
            [
                f"tracking.folder must be one that can be written, got '{file.parent}'; choose another folder: "
                "tracking.folder=…"
            ]
        )
    return file.parent


def _nearest(folder: Path) -> Path:
    """The folder, or the first above it that is there."""
    return next(each for each in (folder, *folder.parents) if each.exists())


def _can_be_written(folder: Path) -> bool:
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
