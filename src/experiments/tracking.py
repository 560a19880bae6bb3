"""The MLflow run of an experiment: opened before Spark, closed with its true status. Only the driver comes here."""

from __future__ import annotations

import contextlib
import csv
import json
import logging
import os
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from experiments.config import Config, TrackingConfig, config_hash, flatten, plain, redact_text
from experiments.data.loading import Dataset
from experiments.errors import ConfigError, readable_cause
from experiments.inspection import Output

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient
    from pyspark.ml import PipelineModel

LONGEST_PARAM = 6000  # of MLflow's tables
PARAMS_PER_BATCH = 100  # of MLflow's interface
# `mlflow run` puts the run that it opened here.
GIVEN_RUN = "MLFLOW_RUN_ID"


def tracking_uri(tracking: TrackingConfig) -> str:
    """The tracking server or store, as an absolute place."""
    default = f"sqlite:///{Path(tracking.folder).resolve() / 'mlflow.db'}"
    return tracking.uri or os.environ.get("MLFLOW_TRACKING_URI") or default


class TrackedRun:
    """One MLflow run, addressed by its id, never by MLflow's notion of the active run."""

    def __init__(self, client: MlflowClient, run_id: str, uri: str) -> None:
        self.client = client
        self.run_id = run_id
        self.uri = uri
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
        for start in range(0, len(params), PARAMS_PER_BATCH):
            self.client.log_batch(self.run_id, params=params[start : start + PARAMS_PER_BATCH])
        tags = {"experiments.config_hash": config_hash(config), "experiments.model": config.model.name}
        self.client.log_batch(self.run_id, tags=[RunTag(key, value) for key, value in tags.items()])
        self.client.log_text(self.run_id, yaml.safe_dump(values, sort_keys=False), "config.yaml")

    def log_data(self, dataset: Dataset, name: str) -> None:
        """Train and test as dataset inputs: schema, row count, digest of the content."""
        from mlflow.entities import Dataset as DatasetEntity
        from mlflow.entities import DatasetInput, InputTag

        schema = json.dumps({"columns": dict(dataset.rows.drop("_held_out").dtypes)})
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

    def log_output(self, output: Output) -> None:
        """A table as CSV."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{output.name}.csv"
            with path.open("w", newline="") as file:
                writer = csv.DictWriter(file, list(output.rows[0]))
                writer.writeheader()
                writer.writerows(output.rows)
            self.client.log_artifact(self.run_id, str(path))

    def log_model(self, fitted: PipelineModel, dataset: Dataset) -> str:
        """The fitted pipeline as an MLflow model with signature and input example; returns its URI.

        `mlflow.spark.log_model` as it comes starts a second JVM to find the requirements that are written here.
        """
        import mlflow
        from mlflow.models import Model
        from mlflow.models.signature import ModelSignature
        from mlflow.types import ColSpec, Schema

        mlflow.set_tracking_uri(self.uri)
        example = dataset.train.select(*dataset.features).limit(5).toPandas()
        kinds = {"float64": "double", "float32": "float", "int64": "long", "int32": "integer", "bool": "boolean"}
        columns = [ColSpec(kinds.get(str(kind), "string"), name) for name, kind in example.dtypes.items()]
        info = Model.log(
            artifact_path=None,
            name="model",
            flavor=mlflow.spark,
            spark_model=fitted,
            run_id=self.run_id,
            pip_requirements=[f"{package}=={version(package)}" for package in ("mlflow", "pyspark", "numpy")],
            signature=ModelSignature(Schema(columns), Schema([ColSpec("double")])),
            input_example=example,
            validate_serving_input=False,
        )
        self._model_id = info.model_id
        return str(info.model_uri)

    def register(self, model_uri: str, name: str, alias: str) -> None:
        """A new version of a registered model, which the alias then names."""
        import mlflow

        made = mlflow.register_model(model_uri, name, await_registration_for=0)
        self.client.set_registered_model_alias(name, alias, made.version)

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        """Metrics of the run, and of its model once that is logged."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        batch = [Metric(key, float(value), now, 0, model_id=self._model_id) for key, value in metrics.items()]
        self.client.log_batch(self.run_id, metrics=batch)

    def fail(self, error: BaseException) -> None:
        """Record why, take back a model that was logged already, and close the run as FAILED or KILLED."""
        killed = isinstance(error, KeyboardInterrupt | SystemExit)
        reason = "interrupted" if killed else readable_cause(error)
        self.client.set_tag(self.run_id, "experiments.failure", redact_text(reason[:5000]))
        trace = "".join(traceback.format_exception(error))
        self.client.log_text(self.run_id, redact_text(trace), "failure.txt")
        if self._model_id is not None:
            self.client.delete_logged_model(self._model_id)
        self.client.set_terminated(self.run_id, "KILLED" if killed else "FAILED")


@contextlib.contextmanager
def tracked_run(config: Config, run_name: str) -> Iterator[TrackedRun]:
    """A run that is FINISHED when the block ends, KILLED when it is interrupted, FAILED when it raises.

    Raises:
        ExperimentError: the store cannot be opened or written.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    # The requirements are ours to state, whatever project lies in the current folder.
    os.environ.setdefault("MLFLOW_UV_AUTO_DETECT", "false")
    # A dead server would otherwise block for minutes at each call.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    from mlflow.tracking import MlflowClient

    # Its notes about tables it creates and a pip it does not find are no news to a user.
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    uri = tracking_uri(config.tracking)
    try:
        client = MlflowClient(tracking_uri=uri)
        run = TrackedRun(client, _opened(client, config, run_name), uri)
    except Exception as error:  # MLflow, SQLAlchemy and requests each have their own
        problem = redact_text(f"tracking.uri must be a store that answers, got '{uri}': {readable_cause(error)}")
        raise ConfigError([problem]) from error
    try:
        run.log_config(config)
        yield run
    except BaseException as error:
        run.fail(error)
        raise
    client.set_terminated(run.run_id, "FINISHED")


def _opened(client: MlflowClient, config: Config, run_name: str) -> str:
    """The run that `mlflow run` opened for us, once, else a new one in the data's experiment."""
    given = os.environ.pop(GIVEN_RUN, None)
    if given:
        client.update_run(given, name=run_name)
        return given
    name = config.tracking.experiment or config.data.name
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        experiment_id = client.create_experiment(name, artifact_location=_artifacts(config.tracking))
    else:
        experiment_id = experiment.experiment_id
    return str(client.create_run(experiment_id, run_name=run_name).info.run_id)


def _artifacts(tracking: TrackingConfig) -> str | None:
    """Beside the local store; a server keeps its own."""
    if not tracking_uri(tracking).startswith("sqlite:"):
        return None
    return (Path(tracking.folder).resolve() / "mlartifacts").as_uri()
