"""One run in MLflow: what is recorded in it, and how it fails. Only the driver comes here."""

from __future__ import annotations

import contextlib
import csv
import json
import re
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from experiments.config.identity import config_hash
from experiments.config.schema import Config
from experiments.config.values import flatten, plain
from experiments.data.dataset import Dataset
from experiments.errors import ExperimentError, readable_cause
from experiments.figures.output import Output
from experiments.figures.process import draw
from experiments.redaction import redact, redact_text
from experiments.tracking.data_inputs import data_inputs
from experiments.tracking.model import save_model
from experiments.tracking.owner import process_tag
from experiments.tracking.spool import Recorded, Spool, once, said_of

if TYPE_CHECKING:
    from mlflow.entities import LoggedModel, Run
    from mlflow.tracking import MlflowClient
    from pyspark.ml import PipelineModel
    from pyspark.sql import SparkSession

from experiments.tracking.spreadsheet import cell
from experiments.tracking.tags import FAILURE_TAG, GUESS_TAG, HASH_TAG, LONGEST_PARAM, NOTE_TAG, WARNING_TAG

# Groups of the config that say nothing of what is computed; where it runs is worth knowing.
_UNTOLD = ("sweep", "tracking", "registry")
_OF_MODEL = ("model.", "preprocessing.", "seed")


class TrackedRun(Recorded):
    """One MLflow run, addressed by its id, never by MLflow's notion of the active run."""

    def __init__(self, client: MlflowClient, run: Run, spool: Spool | None = None) -> None:
        super().__init__(client, run, spool)
        # Who has made a version of a registered model, its name and the version, once there is one.
        self.registered: tuple[MlflowClient, str, str] | None = None

    def log_config(self, config: Config) -> None:
        """What is computed as params, the whole as `config.yaml`, the identity as a tag.

        Where it is recorded, how a sweep goes and what is not set are in `config.yaml` alone, so that a comparison of
        params shows what was varied.
        """
        from mlflow.entities import Param, RunTag

        known = self.params()
        # `mlflow run` has recorded its own spelling, and a param never changes.
        params = [
            Param(f"composed.{key}" if known.get(key, text) != text else key, text)
            for key, text in _params(config).items()
        ]
        tags = {HASH_TAG: config_hash(config), "experiments.model": config.model.name, **process_tag()}
        marks = [RunTag(key, value) for key, value in tags.items()]
        self.record(lambda client, run_id: client.log_batch(run_id, params=params, tags=marks))
        self.log_text(yaml.safe_dump(plain(config), sort_keys=False), "config.yaml")

    def params(self) -> dict[str, str]:
        """Those that are recorded."""
        params: dict[str, str] = self.record(lambda client, run_id: client.get_run(run_id)).data.params
        return params

    def log_params(self, params: Mapping[str, str]) -> None:
        from mlflow.entities import Param

        said = [Param(key, value) for key, value in params.items()]
        self.record(lambda client, run_id: client.log_batch(run_id, params=said))

    def log_text(self, text: str, name: str) -> None:
        """A text, secrets out, as an artifact."""
        self.record(lambda client, run_id: client.log_text(run_id, text, name))

    def log_files(self, folder: Path) -> None:
        """All that lies in a folder, as artifacts."""
        self.record(lambda client, run_id: client.log_artifacts(run_id, str(folder)))

    def describe(self, text: str) -> None:
        """What MLflow's page of the run begins with, as Markdown."""
        self._set_tag(NOTE_TAG, text)

    def _set_tag(self, key: str, value: str) -> None:
        self.record(lambda client, run_id: client.set_tag(run_id, key, value))

    def other(self, run_id: str) -> TrackedRun:
        """Another run of the same store, or of its spool."""
        client = self._first
        if self.spool is not None and run_id in self.spool.runs:
            client = self.spool.client
        return TrackedRun(client, client.get_run(run_id), self.spool).known_closed()

    def experiment_of(self, run_id: str) -> str:
        """Id of the experiment of another run; of this one where that run is in the spool or the store does not say."""
        if self.spool is None or run_id not in self.spool.runs:
            with contextlib.suppress(Exception):
                return self.other(run_id).experiment_id
        return self.experiment_id

    def log_warnings(self, warnings: Sequence[str]) -> None:
        """What a person should know before believing the metrics, as a tag."""
        if warnings:
            self._set_tag(WARNING_TAG, redact_text("\n".join(warnings))[:5000])

    def mark_as_guess(self) -> None:
        """That the model is no better than one answer for all rows."""
        self._set_tag(GUESS_TAG, "true")

    def warnings_of(self, run_id: str) -> list[str]:
        """The same of another run; none where its store does not say."""
        with contextlib.suppress(Exception):
            other = self.other(run_id)
            tags: Mapping[str, str] = other.client.get_run(run_id).data.tags
            return tags.get(WARNING_TAG, "").splitlines()
        return []

    def log_best(self, values: Mapping[str, object]) -> None:
        """The parameters that tuning chose, as params."""
        self.log_params({f"best.{key}": _as_text(value) for key, value in values.items()})

    def log_data(self, dataset: Dataset, config: Config) -> None:
        """The training and the held-out rows as dataset inputs."""
        inputs = data_inputs(dataset, config.data, config.seed)
        self.record(lambda client, run_id: client.log_inputs(run_id, inputs))

    def log_outputs(self, outputs: Sequence[Output]) -> None:
        """Each as `NAME.csv` and, where it has a figure, `NAME.png`; stepped ones as metrics too.

        They lie beside each other, as MLflow's page that compares runs shows no folders.
        """
        with tempfile.TemporaryDirectory() as folder:
            write_outputs(outputs, Path(folder))
            for output in outputs:
                if output.stepped:
                    self._log_steps(output)
            self.log_files(Path(folder))

    def _log_steps(self, output: Output) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        step, *names = output.rows[0]
        batch = [Metric(name, float(row[name]), now, int(row[step])) for row in output.rows for name in names]
        self.record(lambda client, run_id: client.log_batch(run_id, metrics=batch))

    def log_step(self, step: int, values: Mapping[str, float]) -> None:
        """Metrics of a step, as soon as they are known."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        batch = [Metric(name, float(value), now, step) for name, value in values.items()]
        self.record(lambda client, run_id: client.log_batch(run_id, metrics=batch))

    def log_spark_conf(self, spark: SparkSession) -> None:
        """The settings that Spark runs with, secrets out, as `spark.yaml`."""
        settings = redact(dict(sorted(spark.sparkContext.getConf().getAll())))
        self.log_text(yaml.safe_dump(settings), "spark.yaml")

    def log_model(self, config: Config, fitted: PipelineModel, dataset: Dataset) -> str:
        """The fitted pipeline as an MLflow model of this run, called as the config's; returns its URI.

        See `save_model`.
        """
        name = re.sub(r"[/:.%\"']", "_", config.model.name)  # as MLflow wants it
        params = {key: text for key, text in _params(config).items() if key.startswith(_OF_MODEL)}
        made = self._made_model(name, params)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model"
            save_model(fitted, dataset, made, path, config.cluster.shared_folder)
            self.record(lambda client, _: client.log_model_artifacts(self._model_id, str(path)))
        self.record(lambda client, _: client.finalize_logged_model(self._model_id, "READY"))
        self.record(self._log_model_output)
        return f"models:/{self._model_id}"

    def _made_model(self, name: str, params: Mapping[str, str]) -> LoggedModel:
        tags, makers = once(), []

        def make(client: MlflowClient, run_id: str) -> LoggedModel:
            makers.append(client)
            # Of the run as it is now: a model that is asked for in the spool is in the experiment there.
            place = client.get_run(run_id).info.experiment_id if self.is_spooled else self.experiment_id
            return client.create_logged_model(place, name, source_run_id=run_id, params=params, tags=tags)

        made = self.record(make)
        self.take_model(made.model_id, makers[-1])
        return made

    def _log_model_output(self, client: MlflowClient, run_id: str) -> None:
        from mlflow.entities import LoggedModelOutput

        client.log_outputs(run_id, [LoggedModelOutput(self._model_id, step=0)])

    def forget_model(self) -> None:
        """Take back what was logged of the model."""
        if self._model_id is not None:
            with contextlib.suppress(Exception):
                self.record(lambda client, _: client.delete_logged_model(self._model_id))

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        """Metrics of the run, and of its model once that is logged."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)

        def write(client: MlflowClient, run_id: str) -> None:
            batch = [Metric(key, float(value), now, 0, model_id=self._model_id) for key, value in metrics.items()]
            client.log_batch(run_id, metrics=batch)

        self.record(write)

    def take_over(self, model_id: str | None, registered: tuple[MlflowClient, str, str] | None) -> None:
        """Answer for what another process has logged and registered in this run."""
        self._model_id, self.registered = model_id, registered

    def fail(self, error: BaseException) -> None:
        """Close the run as FAILED or KILLED, take back what it has logged or registered, and record why."""
        killed = isinstance(error, KeyboardInterrupt | SystemExit)
        status = "KILLED" if killed else "FAILED"
        reason = "interrupted" if killed else readable_cause(error)
        with contextlib.suppress(Exception):
            # First why: what is killed between the two is closed by others as FAILED, for this reason. Names of files
            # may have bytes that no store takes.
            said = redact_text(reason)[:5000].encode(errors="replace").decode().replace("\0", "")
            self._set_tag(FAILURE_TAG, said)
        try:
            self.finish(status)
        except Exception as lost:  # the store is what failed; the first error says more than this one
            raise ExperimentError(
                f"{reason}\nrun {self.run_id} could not be closed in the store, where it may still look as if it ran: "
                f"{redact_text(readable_cause(lost))}"
            ) from error
        error.run_id = self.run_id  # type: ignore[attr-defined]  # for whoever catches it
        # Each on its own: where artifacts cannot be written the model must go all the same.
        if self.registered is not None:
            with contextlib.suppress(Exception):
                maker, name, version = self.registered
                maker.delete_model_version(name, version)
        self.forget_model()
        trace = ""
        with contextlib.suppress(Exception):
            self.log_text("".join(traceback.format_exception(error)), "failure.txt")
            trace = "; its trace is the artifact failure.txt"
        error.add_note(f"run {self.run_id} is {status}{trace}")
        for line in said_of(self.spool) if self.is_spooled else ():
            error.add_note(line)


def _params(config: Config) -> dict[str, str]:
    """What is computed, as texts, secrets out."""
    texts = {}
    for key, value in flatten(plain(config)):
        if key.split(".")[0] not in _UNTOLD and value is not None and value != []:
            text = _as_text(value)
            texts[key] = text if len(text) <= LONGEST_PARAM else "[too long for a param; see config.yaml]"
    return texts


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def write_outputs(outputs: Sequence[Output], folder: Path) -> None:
    """Each as `NAME.csv` and, where it has a figure, `NAME.png`; a text as `NAME`."""
    for output in outputs:
        if output.text is not None:
            (folder / output.name).write_text(redact_text(output.text))
            continue
        path = folder / f"{output.name}.csv"
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(map(cell, output.rows[0])))
            writer.writeheader()
            writer.writerows({cell(name): cell(value) for name, value in row.items()} for row in output.rows)
        if output.draw is not None:
            draw(output, path.with_suffix(".png"))
