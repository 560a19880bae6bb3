"""One run with all that it holds, brought to a run of another store; what has arrived is not made twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from experiments.errors import ExperimentError
from experiments.tracking.claim import CLAIM_TAG
from experiments.tracking.copies import copied, copied_model, local_folder, with_ids
from experiments.tracking.registry import Registration, register
from experiments.tracking.run import TrackedRun
from experiments.tracking.tags import (
    DELIVERED_TAG,
    EXPERIMENT_TAG,
    FAILURE_TAG,
    GOES_ON_TAG,
    ONCE_TAG,
    OPENED_TAG,
    PARENT,
    STORE_TAG,
    VERSIONS_TAG,
)

if TYPE_CHECKING:
    from mlflow.entities import LoggedModel, Metric, Run
    from mlflow.tracking import MlflowClient

AT_ONCE = 100  # entries of a batch, as MLflow wants it for params and tags
_OF_THE_SPOOL = (STORE_TAG, GOES_ON_TAG, OPENED_TAG, EXPERIMENT_TAG, DELIVERED_TAG, PARENT)


@dataclass(frozen=True)
class Bringer:
    """From one store to another.

    Attributes:
        source, target: clients.
        folder: of the source, where its artifacts are if they are not where it says.
        ids: there, by those here; of runs, and of models as they are brought.
    """

    source: MlflowClient
    target: MlflowClient
    folder: Path
    ids: dict[str, str] = field(default_factory=dict)

    def bring(self, run: Run) -> None:
        """All of a run whose id there is known."""
        there = self.ids[run.info.run_id]
        models = self._models(run)
        if run.inputs is not None and run.inputs.dataset_inputs:
            self.target.log_inputs(there, run.inputs.dataset_inputs)
        for model in models:
            self._bring_model(model, there)
        self._bring_data(run, there)
        self._bring_metrics(run, there)
        with copied(local_folder(run.info.artifact_uri, self.folder), self.ids) as folder:
            if folder is not None:
                self.target.log_artifacts(there, str(folder))
        for version in self.source.search_model_versions(f"run_id='{run.info.run_id}'"):
            made_of = next((model for model in models if model.artifact_location == version.source), None)
            if made_of is None:
                raise ExperimentError(f"version {version.version} of {version.name} is of no model of this run")
            self._register(run, there, self.ids[made_of.model_id])
        if run.info.status != "FINISHED" and GOES_ON_TAG in run.data.tags:
            self._take_back(there)
        if run.info.status != "RUNNING":
            self.target.set_terminated(there, run.info.status, run.info.end_time)
        if FAILURE_TAG not in run.data.tags and FAILURE_TAG in self.target.get_run(there).data.tags:
            self.target.delete_tag(there, FAILURE_TAG)  # of a run that seemed gone meanwhile

    def _bring_data(self, run: Run, there: str) -> None:
        from mlflow.entities import Param, RunTag

        parent = run.data.tags.get(PARENT)
        tags = {key: value for key, value in run.data.tags.items() if key not in _OF_THE_SPOOL}
        tags = {key: with_ids(value, self.ids) for key, value in tags.items() if not key.startswith(CLAIM_TAG)}
        if parent is not None and GOES_ON_TAG not in run.data.tags:
            tags[PARENT] = self.ids.get(parent, parent)
        known = self.target.get_run(there).data.params
        for part in _parts(list(tags.items())):
            self.target.log_batch(there, tags=[RunTag(key, value) for key, value in part])
        for part in _parts([(key, value) for key, value in run.data.params.items() if key not in known]):
            self.target.log_batch(there, params=[Param(key, value) for key, value in part])

    def _bring_metrics(self, run: Run, there: str) -> None:
        """Each with its history; what is there already MLflow leaves as it is."""
        for name in run.data.metrics:
            for part in _parts(self.source.get_metric_history(run.info.run_id, name)):
                self.target.log_batch(there, metrics=part)

    def _models(self, run: Run) -> list[LoggedModel]:
        asked = f"source_run_id = '{run.info.run_id}'"
        return list(self.source.search_logged_models([run.info.experiment_id], asked))

    def _bring_model(self, model: LoggedModel, run_id: str) -> None:
        from mlflow.entities import LoggedModelOutput

        there = self._model(model, run_id)
        self.ids[model.model_id] = there.model_id
        with copied_model(local_folder(model.artifact_location, self.folder), there) as folder:
            if folder is not None:
                self.target.log_model_artifacts(there.model_id, str(folder))
            elif model.status.name == "READY":
                raise ExperimentError(f"its model's files are not there: {model.artifact_location}")
        if model.status.name in ("READY", "FAILED") and there.status.name == "PENDING":
            self.target.finalize_logged_model(there.model_id, model.status.name)
        for part in _parts(model.metrics or []):
            self.target.log_batch(run_id, metrics=[_of_model(metric, there.model_id) for metric in part])
        outputs = self.target.get_run(run_id).outputs
        known = [output.model_id for output in outputs.model_outputs] if outputs is not None else []
        # The one that goes on here may have been whole there before.
        if "READY" in (model.status.name, there.status.name) and there.model_id not in known:
            self.target.log_outputs(run_id, [LoggedModelOutput(there.model_id, step=0)])

    def _model(self, model: LoggedModel, run_id: str) -> LoggedModel:
        """The model there: the one that this goes on with, one that an earlier attempt has made, or a new one."""
        if GOES_ON_TAG in model.tags:
            return self.target.get_logged_model(model.tags[GOES_ON_TAG])
        once = model.tags.get(ONCE_TAG, model.model_id)
        place = self.target.get_run(run_id).info.experiment_id
        found = self.target.search_logged_models([place], f"tags.`{ONCE_TAG}` = '{once}'", max_results=1)
        if found:
            return found[0]
        tags = {**{key: value for key, value in model.tags.items() if key != VERSIONS_TAG}, ONCE_TAG: once}
        return self.target.create_logged_model(
            place, model.name, source_run_id=run_id, params=model.params, tags=tags, model_type=model.model_type
        )

    def _register(self, run: Run, there: str, model_id: str) -> None:
        """As the run's own config says."""
        path = local_folder(run.info.artifact_uri, self.folder)
        text = path / "config.yaml"
        if not text.exists():  # it is with the first part of the run
            text = Path(self.target.download_artifacts(there, "config.yaml"))
        wanted = Registration.of(yaml.safe_load(text.read_text(encoding="utf-8")))
        register(TrackedRun(self.target, self.target.get_run(there)), f"models:/{model_id}", wanted)

    def _take_back(self, run_id: str) -> None:
        """What a run that did not finish had logged and registered there before its store was gone."""
        for version in self.target.search_model_versions(f"run_id='{run_id}'"):
            self.target.delete_model_version(version.name, version.version)
        place = self.target.get_run(run_id).info.experiment_id
        for model in self.target.search_logged_models([place], f"source_run_id = '{run_id}'"):
            self.target.delete_logged_model(model.model_id)


def _parts(entries: Sequence[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(entries), AT_ONCE):
        yield list(entries[start : start + AT_ONCE])


def _of_model(metric: Metric, model_id: str) -> Metric:
    from mlflow.entities import Metric

    return Metric(metric.key, metric.value, metric.timestamp, metric.step, model_id=model_id)
