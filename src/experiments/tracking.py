"""The MLflow run of an experiment: opened before Spark, closed with its true status. Only the driver comes here."""

from __future__ import annotations

import contextlib
import csv
import functools
import json
import logging
import os
import re
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from experiments import run_log
from experiments.config import Config, config_hash, flatten, plain
from experiments.data.dataset import HELD_OUT, Dataset
from experiments.errors import ConfigError, ExperimentError, readable_cause
from experiments.inspection.drawing import draw
from experiments.inspection.output import Output
from experiments.logged_model import save_model
from experiments.processes import process_tag
from experiments.redaction import redact, redact_text
from experiments.store import GIVEN_RUN, artifact_folder, no_store, tracking_uri

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient
    from pyspark.ml import PipelineModel
    from pyspark.sql import SparkSession

LONGEST_PARAM = 6000  # of MLflow's tables
PARENT = "mlflow.parentRunId"
HASH_TAG = "experiments.config_hash"
FAILURE_TAG = "experiments.failure"
SWEEP_TAG = "experiments.sweep"
STUDY_TAG = "experiments.study"
CHOICE_TAG = "experiments.choice"


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


class TrackedRun:
    """One MLflow run, addressed by its id, never by MLflow's notion of the active run."""

    def __init__(self, client: MlflowClient, run: Run) -> None:
        self.client = client
        self.run_id: str = run.info.run_id
        self.experiment_id: str = run.info.experiment_id
        # Name and version of the registered model, once there is one.
        self.registered: tuple[str, str] | None = None
        self._model_id: str | None = None

    def log_config(self, config: Config) -> None:
        """Every leaf as a param, the whole as `config.yaml`, the identity as a tag."""
        from mlflow.entities import Param, RunTag

        values = plain(config)
        known = self.client.get_run(self.run_id).data.params
        params = []
        for key, value in flatten(values):
            text = value if isinstance(value, str) else json.dumps(value)
            if len(text) > LONGEST_PARAM:
                text = "[too long for a param; see config.yaml]"
            # `mlflow run` has recorded its own spelling, and a param never changes.
            params.append(Param(f"composed.{key}" if known.get(key, text) != text else key, text))
        tags = {HASH_TAG: config_hash(config), "experiments.model": config.model.name, **process_tag()}
        self.client.log_batch(self.run_id, params=params, tags=[RunTag(key, value) for key, value in tags.items()])
        self.client.log_text(self.run_id, yaml.safe_dump(values, sort_keys=False), "config.yaml")

    def log_warnings(self, warnings: Sequence[str]) -> None:
        """What a person should know before believing the metrics, as a tag."""
        if warnings:
            self.client.set_tag(self.run_id, "experiments.warning", "\n".join(warnings)[:5000])

    def log_best(self, values: Mapping[str, object]) -> None:
        """The parameters that tuning chose, as params."""
        from mlflow.entities import Param

        params = [Param(f"best.{key}", json.dumps(value)) for key, value in values.items()]
        self.client.log_batch(self.run_id, params=params)

    def log_data(self, dataset: Dataset, name: str) -> None:
        """Train and test as dataset inputs: schema, row count, digest of the content."""
        from mlflow.entities import Dataset as DatasetEntity
        from mlflow.entities import DatasetInput, InputTag

        schema = json.dumps({"columns": dict(dataset.rows.drop(HELD_OUT).dtypes)})
        sides = {
            "train": (dataset.train_digest, dataset.train_rows),
            "test": (dataset.test_digest, dataset.test_rows),
        }
        inputs = [
            DatasetInput(
                DatasetEntity(name, digest, "spark", "{}", schema, json.dumps({"num_rows": rows})),
                [InputTag("mlflow.data.context", side)],
            )
            for side, (digest, rows) in sides.items()
            if rows
        ]
        self.client.log_inputs(self.run_id, inputs)

    def log_outputs(self, outputs: Sequence[Output]) -> None:
        """Each as `NAME.csv` and, where it has a figure, `NAME.png`; stepped ones as metrics too.

        They lie beside each other, as MLflow's page that compares runs shows no folders.
        """
        with tempfile.TemporaryDirectory() as folder:
            write_outputs(outputs, Path(folder))
            for output in outputs:
                if output.stepped:
                    self._log_steps(output)
            self.client.log_artifacts(self.run_id, folder)

    def _log_steps(self, output: Output) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        step, *names = output.rows[0]
        batch = [Metric(name, float(row[name]), now, int(row[step])) for row in output.rows for name in names]
        self.client.log_batch(self.run_id, metrics=batch)

    def log_step(self, step: int, values: Mapping[str, float]) -> None:
        """Metrics of a step, as soon as they are known."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self.client.log_batch(self.run_id, metrics=[Metric(name, float(v), now, step) for name, v in values.items()])

    def log_spark_conf(self, spark: SparkSession) -> None:
        """The settings that Spark runs with, secrets out, as `spark.yaml`."""
        settings = redact(dict(sorted(spark.sparkContext.getConf().getAll())))
        self.client.log_text(self.run_id, yaml.safe_dump(settings), "spark.yaml")

    def log_model(self, fitted: PipelineModel, dataset: Dataset, shared_folder: str | None) -> str:
        """The fitted pipeline as an MLflow model of this run; returns its URI. See `save_model`."""
        from mlflow.entities import LoggedModelOutput

        made = self.client.create_logged_model(self.experiment_id, "model", source_run_id=self.run_id)
        self._model_id = made.model_id
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model"
            save_model(fitted, dataset, made, path, shared_folder)
            self.client.log_model_artifacts(made.model_id, str(path))
        self.client.finalize_logged_model(made.model_id, "READY")
        self.client.log_outputs(self.run_id, [LoggedModelOutput(made.model_id, step=0)])
        return f"models:/{made.model_id}"

    def forget_model(self) -> None:
        """Take back what was logged of the model."""
        if self._model_id is not None:
            with contextlib.suppress(Exception):
                self.client.delete_logged_model(self._model_id)

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        """Metrics of the run, and of its model once that is logged."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        batch = [Metric(key, float(value), now, 0, model_id=self._model_id) for key, value in metrics.items()]
        self.client.log_batch(self.run_id, metrics=batch)

    def fail(self, error: BaseException) -> None:
        """Close the run as FAILED or KILLED, take back what it has logged or registered, and record why."""
        killed = isinstance(error, KeyboardInterrupt | SystemExit)
        status = "KILLED" if killed else "FAILED"
        reason = "interrupted" if killed else readable_cause(error)
        try:
            self.client.set_terminated(self.run_id, status)
        except Exception as lost:  # the store is what failed; the first error says more than this one
            raise ExperimentError(
                f"{reason}\nrun {self.run_id} could not be closed in the store, where it may still look as if it ran: "
                f"{redact_text(readable_cause(lost))}"
            ) from error
        error.add_note(f"run {self.run_id} is {status}; its trace is the artifact failure.txt")
        error.run_id = self.run_id  # type: ignore[attr-defined]  # for whoever catches it
        # Each on its own: where artifacts cannot be written the model must go all the same.
        if self.registered is not None:
            with contextlib.suppress(Exception):
                self.client.delete_model_version(*self.registered)
        self.forget_model()
        with contextlib.suppress(Exception):
            self.client.set_tag(self.run_id, FAILURE_TAG, redact_text(reason[:5000]))
        with contextlib.suppress(Exception):
            trace = "".join(traceback.format_exception(error))
            self.client.log_text(self.run_id, redact_text(trace), "failure.txt")


def write_outputs(outputs: Sequence[Output], folder: Path) -> None:
    """Each as `NAME.csv` and, where it has a figure, `NAME.png`; a text as `NAME`."""
    for output in outputs:
        if output.text is not None:
            (folder / output.name).write_text(output.text)
            continue
        path = folder / f"{output.name}.csv"
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(output.rows[0]))
            writer.writeheader()
            writer.writerows(output.rows)
        if output.draw is not None:
            draw(output, path.with_suffix(".png"))


@contextlib.contextmanager
def tracked_run(config: Config, run_name: str, parent: Parent | None = None) -> Iterator[TrackedRun]:
    """A run that is FINISHED when the block ends, KILLED when it is interrupted, FAILED when it raises.

    Args:
        parent: what it is a child of.

    Raises:
        ConfigError: the store cannot be opened.
    """
    client = open_store(config)
    with closed_truly(config, lambda: TrackedRun(client, _opened(client, config, run_name, parent))) as run:
        run.log_config(config)
        yield run


def open_store(config: Config) -> MlflowClient:
    """A client of the config's store. See `check_store` for one that does not answer."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    # The requirements are ours to state, whatever project lies in the current folder.
    os.environ.setdefault("MLFLOW_UV_AUTO_DETECT", "false")
    # A dead server would otherwise block for minutes at each call.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
    from mlflow.tracking import MlflowClient

    # Its notes about tables it creates and a pip it does not find are no news to a user.
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    uri = tracking_uri(config.tracking)
    try:
        return MlflowClient(tracking_uri=uri, registry_uri=uri)
    except Exception as error:  # MLflow, SQLAlchemy and requests each have their own
        raise no_store(uri, error) from error


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
            run.client.log_text(run.run_id, log.getvalue(), run_log.NAME)
            run.client.set_terminated(run.run_id, "FINISHED")
        except BaseException as error:
            run.fail(error)
            with contextlib.suppress(Exception):
                run.client.log_text(run.run_id, log.getvalue(), run_log.NAME)
            raise


def _opened(client: MlflowClient, config: Config, run_name: str, parent: Parent | None) -> Run:
    """The run that `mlflow run` opened for us, once, else a new one."""
    if parent is not None:
        return new_run(client, config, run_name, {PARENT: parent.run_id, **parent.tags}, parent.experiment_id)
    return given_run(client, run_name) or new_run(client, config, run_name, {})


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
    client: MlflowClient, config: Config, run_name: str, tags: Mapping[str, str], experiment_id: str | None = None
) -> Run:
    """A run in an experiment, the data's own if none is given."""
    place = experiment_id or _experiment(client, config)
    return client.create_run(place, run_name=run_name, tags={**_context(), **process_tag(), **tags})


@functools.cache
def _context() -> dict[str, str]:
    """MLflow's tags of who runs, from where, at which commit. Asks git, so once for a process."""
    from mlflow.tracking.context.registry import resolve_tags

    tags: dict[str, str] = resolve_tags()
    return tags


def experiment_name(config: Config) -> str:
    """Where a run of the config is recorded."""
    return config.tracking.experiment or config.data.name


def _experiment(client: MlflowClient, config: Config) -> str:
    """Id of the experiment, which is made if there is none.

    Raises:
        ConfigError: one that was deleted.
    """
    from mlflow.exceptions import MlflowException

    name = experiment_name(config)
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        try:
            return str(client.create_experiment(name, artifact_location=artifact_folder(config.tracking)))
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
