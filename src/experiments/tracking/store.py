"""Where runs are recorded, and whether it answers."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import shlex
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from experiments.config.schema import Config, TrackingConfig
from experiments.errors import ConfigError, readable_cause
from experiments.redaction import redact_text
from experiments.tracking.tags import NOTE_TAG

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

SECONDS_TO_ANSWER = 5
# What a store in a folder is made of.
FILE, ARTIFACTS = "mlflow.db", "mlartifacts"
# `mlflow run` puts the run that it opened here, and where it is.
GIVEN_RUN = "MLFLOW_RUN_ID"
# What MLflow itself goes by; the id is of the store below.
GIVEN_EXPERIMENT, GIVEN_EXPERIMENT_ID = "MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID"
GIVEN_URI = "MLFLOW_TRACKING_URI"
GIVEN_REGISTRY = "MLFLOW_REGISTRY_URI"


def tracking_uri(tracking: TrackingConfig) -> str:
    """The tracking server or store, as an absolute place: what the config says, else MLflow's own variable."""
    if tracking.uri:
        return tracking.uri
    if tracking.folder is None and os.environ.get(GIVEN_URI):
        return os.environ[GIVEN_URI]
    return f"sqlite:///{Path(tracking.folder or '.').resolve() / FILE}"


def registry_uri(tracking: TrackingConfig) -> str:
    """Where models are registered. A folder of one's own is no place that another registry could read."""
    given = os.environ.get(GIVEN_REGISTRY) if tracking.folder is None or tracking.uri else None
    return tracking.registry_uri or given or tracking_uri(tracking)


def artifact_folder(tracking: TrackingConfig) -> str | None:
    """Where a local store's artifacts go: beside it. A server keeps its own."""
    file = sqlite_file(tracking)
    return None if file is None else artifacts_beside(file.parent)


def artifacts_beside(folder: Path) -> str:
    """Where the artifacts of the sqlite store in a folder go."""
    return (folder / ARTIFACTS).as_uri()


def sqlite_file(tracking: TrackingConfig) -> Path | None:
    """The file of a sqlite store, whether it is there or not; None of other stores."""
    uri = tracking_uri(tracking)
    name = uri.removeprefix("sqlite:///").partition("?")[0]
    return Path(name).resolve() if uri.startswith("sqlite:///") and name not in ("", ":memory:") else None


def how_to_look(tracking: TrackingConfig, experiment_id: str, run_id: str) -> str:
    """Where a browser shows a run, of a local store after the command that starts what shows it; secrets out."""
    uri, link = redact_text(tracking_uri(tracking)), run_link(tracking, experiment_id, run_id)
    return link if uri.startswith("http") else f"mlflow ui --backend-store-uri {shlex.quote(uri)}, then {link}"


def words_of(tracking: TrackingConfig) -> list[str]:
    """The words that lead to the same store, secrets out; none where nobody chose one."""
    registry = tracking.registry_uri
    own = [f"tracking.registry_uri={redact_text(registry)}"] if registry else []
    if tracking.uri:
        return [f"tracking.uri={redact_text(tracking.uri)}", *own]
    return [*([f"tracking.folder={redact_text(tracking.folder)}"] if tracking.folder is not None else []), *own]


def check_store(tracking: TrackingConfig) -> None:
    """Ask the store whether it is there, in seconds: MLflow itself tries for minutes before it says no.

    Raises:
        ConfigError: a server or database that does not answer, a folder that cannot be written.
    """
    uri = tracking_uri(tracking)
    if GIVEN_RUN in os.environ and uri != os.environ.get(GIVEN_URI, uri):
        raise ConfigError(
            [
                f"tracking must be left as it is under `mlflow run`, which has opened a run elsewhere, got "
                f"'{redact_text(uri)}'; set {GIVEN_URI}, which `mlflow run` follows"
            ]
        )
    if uri.startswith("file:") or ("://" not in uri and not uri.startswith(("databricks", "sqlite:"))):
        raise ConfigError(
            [
                f"tracking.uri must be a server (http://…) or a database (sqlite:///…/mlflow.db), got "
                f"'{redact_text(uri)}', a folder of files, in which MLflow finds and registers little; "
                "tracking.folder=… makes a database"
            ]
        )
    _ask(uri, tracking.folder if not tracking.uri else None)
    if registry_uri(tracking) != uri:
        _ask(registry_uri(tracking), None, "tracking.registry_uri")


def _ask(uri: str, folder: str | None, key: str = "tracking.uri") -> None:
    try:
        if folder is not None:
            Path(folder).mkdir(parents=True, exist_ok=True)
        if uri.startswith(("http://", "https://")):
            _ask_server(uri)
        elif not uri.startswith("databricks"):
            _ask_database(uri)
    except Exception as error:  # SQLAlchemy's drivers each have their own
        raise no_store(uri, error, key) from error


def _ask_server(uri: str) -> None:
    import requests

    # Any answer is an answer: a proxy may ask for a password first, and MLflow has settings of its own for TLS.
    with contextlib.suppress(requests.exceptions.SSLError):
        requests.get(f"{uri.rstrip('/')}/health", timeout=SECONDS_TO_ANSWER)


def _ask_database(uri: str) -> None:
    from sqlalchemy import create_engine, make_url

    waits = make_url(uri).get_backend_name() in ("postgresql", "mysql", "mariadb")
    engine = create_engine(uri, connect_args={"connect_timeout": SECONDS_TO_ANSWER} if waits else {})
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "sqlite":
                # Opens the file for writing, and writes nothing.
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                connection.exec_driver_sql("ROLLBACK")
    finally:
        engine.dispose()


def no_store(uri: str, error: Exception, key: str = "tracking.uri") -> ConfigError:
    """The error for a store that cannot be used, with a way out."""
    way_out = "start it, or leave tracking=local to record in a folder"
    if uri.startswith("sqlite:"):
        way_out = "choose a folder that can be written: tracking.folder=…"
    problem = f"{key} must be a store that answers, got '{uri}': {readable_cause(error)}; {way_out}"
    return ConfigError([redact_text(problem)])


def open_store(config: Config) -> MlflowClient:
    """A client of the config's store. See `check_store` for one that does not answer."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    # The requirements are ours to state, whatever project lies in the current folder.
    os.environ.setdefault("MLFLOW_UV_AUTO_DETECT", "false")
    # Its bars are hundreds of signs where nobody watches.
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    # A dead server would otherwise block for minutes at each call.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
    # It would print a server's address, password and all, at the end of each run; `run_link` is ours.
    os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
    from experiments.tracking.client import Client

    # Its notes about tables it creates and a pip it does not find are no news to a user.
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    # Each attempt to reach a server that is gone; what came of it we say ourselves.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    uri, file = tracking_uri(config.tracking), sqlite_file(config.tracking)
    try:
        if file is not None:
            _make(file)
        return Client(tracking_uri=uri, registry_uri=registry_uri(config.tracking))
    except ConfigError:
        raise
    except Exception as error:  # MLflow, SQLAlchemy and requests each have their own
        raise no_store(uri, error) from error


def open_folder(folder: Path) -> MlflowClient:
    """A client of the sqlite store in a folder, which is made if there is none."""
    from experiments.tracking.client import Client

    folder.mkdir(parents=True, exist_ok=True)
    file = folder / FILE
    _make(file)
    return Client(tracking_uri=f"sqlite:///{file}", registry_uri=f"sqlite:///{file}")


def experiment_id(client: MlflowClient, name: str, artifacts: str | None) -> str:
    """Id of an experiment, which is made if there is none.

    Args:
        artifacts: where the files of a new one go; None where the store says so.

    Raises:
        ConfigError: one that was deleted.
    """
    from mlflow.exceptions import MlflowException

    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        try:
            place = str(client.create_experiment(name, artifact_location=artifacts))
            # Without the name, which could be read as markup.
            note = "Each run is a fitted model. `experiments compare`, with this name, shows them side by side."
            client.set_experiment_tag(place, NOTE_TAG, note)
            return place
        except MlflowException:
            experiment = client.get_experiment_by_name(name)  # another run may have made it meanwhile
            if experiment is None:
                raise
    if experiment.lifecycle_stage != "active":
        raise ConfigError(
            [
                f"tracking.experiment must not be a deleted one, got '{name}'; "
                f"`mlflow experiments restore -x {experiment.experiment_id}` brings it back, or choose another name"
            ]
        )
    return str(experiment.experiment_id)


def _make(file: Path) -> None:
    """Give a sqlite store its tables, all at once: MLflow takes seconds for them, and leaves half of them when it is
    killed meanwhile or when two do so at a time.

    Raises:
        ConfigError: a store that was left so.
    """
    from mlflow.tracking import MlflowClient

    with alone(file.parent):
        if not file.exists() or file.stat().st_size == 0:
            with tempfile.TemporaryDirectory(prefix=".mlflow-", dir=file.parent) as folder:
                fresh = Path(folder) / file.name
                MlflowClient(f"sqlite:///{fresh}").search_experiments(max_results=1)
                fresh.replace(file)
    with contextlib.closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as database:
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
        is_whole = "alembic_version" in tables and database.execute("SELECT 1 FROM alembic_version").fetchone()
    if "experiments" in tables and not is_whole:
        raise ConfigError(
            [
                f"tracking.uri must be a whole store, got '{file}', whose tables were left half made; move it away, "
                "or choose another folder: tracking.folder=…"
            ]
        )


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One process at a time, as far as the folder's file system has locks."""
    place = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(place, fcntl.LOCK_EX)
        yield
    finally:
        os.close(place)


def run_link(tracking: TrackingConfig, experiment_id: str, run_id: str) -> str:
    """Where a browser shows a run, without a server's password; of a local store once `mlflow ui` runs."""
    return f"{_pages(tracking)}/#/experiments/{experiment_id}/runs/{run_id}"


def _pages(tracking: TrackingConfig) -> str:
    uri = tracking_uri(tracking)
    if not uri.startswith(("http://", "https://")):
        return "http://127.0.0.1:5000"  # of `mlflow ui`, as `how_to_look` says it
    parts = urlsplit(uri)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", ""))
