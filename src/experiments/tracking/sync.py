"""Runs of one store brought to another: once, with all that they hold, however often it is tried."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from experiments.config.schema import Config
from experiments.errors import ConfigError, ExperimentError, readable_cause
from experiments.redaction import redact_text
from experiments.tracking.claim import CLAIM_TAG
from experiments.tracking.copies import copied, copied_model, local_folder, with_ids
from experiments.tracking.owner import PROCESS_TAG, is_gone
from experiments.tracking.registry import Registration, register
from experiments.tracking.run import TrackedRun
from experiments.tracking.runs import runs_of
from experiments.tracking.store import (
    ARTIFACTS,
    FILE,
    alone,
    artifact_folder,
    check_store,
    experiment_id,
    open_folder,
    open_store,
    sqlite_file,
    tracking_uri,
)
from experiments.tracking.sweeps import close_gone
from experiments.tracking.tags import (
    DELIVERED_TAG,
    EXPERIMENT_TAG,
    FAILURE_TAG,
    GOES_ON_TAG,
    ONCE_TAG,
    PARENT,
    STORE_TAG,
    VERSIONS_TAG,
)

if TYPE_CHECKING:
    from mlflow.entities import LoggedModel, Metric, Run
    from mlflow.tracking import MlflowClient

AT_ONCE = 100  # entries of a batch, as MLflow wants it for params and tags
_OF_THE_SPOOL = (STORE_TAG, GOES_ON_TAG, EXPERIMENT_TAG, DELIVERED_TAG, PARENT)


@dataclass
class Delivered:
    """What has become of the runs of a store.

    Attributes:
        runs: how many were brought.
        before: how many had been brought before.
        running: how many still run, and were left.
        others: stores that other runs are for, which were left, with their number.
        failed: run and reason, of those that could not be brought.
    """

    runs: int = 0
    before: int = 0
    running: int = 0
    others: Counter[str] = field(default_factory=Counter)
    failed: dict[str, str] = field(default_factory=dict)

    def said(self) -> list[str]:
        """In lines; none where there was nothing to do."""
        lines = [f"{self.runs} run{'' if self.runs == 1 else 's'} delivered"] if self.runs else []
        lines += [f"{self.running} still run, and are delivered once they have ended"] if self.running else []
        lines += [f"{count} for {store}, where they are delivered to" for store, count in self.others.items()]
        return lines + [f"run {run} could not be delivered: {reason}" for run, reason in self.failed.items()]


def sync(config: Config, folder: Path, is_spool: bool, say: Callable[[str], None] = lambda _: None) -> Delivered:
    """Bring the runs of a sqlite store to the config's: parents first, each with its times, status, params, metrics,
    inputs, artifacts, model and registered version. What is there already stays as it is.

    Args:
        folder: of the store, where `mlflow.db` is.
        is_spool: whether it holds runs of several stores, of which those alone are brought that are for this one.
        say: told of each run.

    Raises:
        ConfigError: no such store, the same one, or one that does not answer.
    """
    file = folder.resolve() / FILE
    if not file.exists():
        raise ConfigError([f"sync must be given the folder of a store, got '{folder}', which has no {FILE}"])
    if sqlite_file(config.tracking) == file:
        raise ConfigError(
            [f"tracking must be another store than '{folder}'; say where to deliver: tracking.uri=http://…"]
        )
    check_store(config.tracking)
    source, target = open_folder(file.parent), open_store(config)
    locked = file.parent / ARTIFACTS
    locked.mkdir(exist_ok=True)
    # Two at a time would both find that a run is not there. The folder itself is locked by whoever opens the store.
    with alone(locked):
        return _Delivery(config, source, target, say).all(is_spool)


class _Delivery:
    def __init__(self, config: Config, source: MlflowClient, target: MlflowClient, say: Callable[[str], None]) -> None:
        self.config, self.source, self.target, self.say = config, source, target, say
        self.place = redact_text(tracking_uri(config.tracking))
        self.experiments: dict[str, str] = {}
        # Ids there, by those here; of runs and models.
        self.ids: dict[str, str] = {}

    def all(self, is_spool: bool) -> Delivered:
        made = Delivered()
        close_gone(self.source)
        runs = list(runs_of(self.source, [each.experiment_id for each in self.source.search_experiments()], ""))
        here = {run.info.run_id for run in runs}
        runs.sort(key=lambda run: (run.data.tags.get(PARENT) in here, run.info.start_time))
        ready = []
        for run in runs:
            # All ids first, as a parent's texts name its children.
            store = run.data.tags.get(STORE_TAG, self.place)
            if is_spool and store != self.place:
                made.others[store] += 1
            elif run.info.status == "RUNNING" and is_gone(run.data.tags.get(PROCESS_TAG, "")) is not True:
                made.running += 1
            elif (there := self._delivered(run)) is not None:
                made.before += 1
                self.ids[run.info.run_id] = there
            elif self._try(made, run, self._open):
                ready.append(run)
        for run in ready:
            if self._try(made, run, self._bring):
                made.runs += 1
        return made

    def _try(self, made: Delivered, run: Run, bring: Callable[[Run], None]) -> bool:
        try:
            bring(run)
        except Exception as error:  # of one run; the others may well arrive
            made.failed[run.info.run_id] = redact_text(readable_cause(error))
            return False
        return True

    def _delivered(self, run: Run) -> str | None:
        """The id there of a run that was brought before."""
        place, _, there = run.data.tags.get(DELIVERED_TAG, "").rpartition(" ")
        return there if place == self.place else None

    def _experiment(self, run: Run) -> str:
        name = self.source.get_experiment(run.info.experiment_id).name
        if name not in self.experiments:
            self.experiments[name] = experiment_id(self.target, name, artifact_folder(self.config.tracking))
        return self.experiments[name]

    def _open(self, run: Run) -> None:
        """The run there: the one that this goes on with, one that an earlier attempt has made, or a new one."""
        tags = run.data.tags
        if GOES_ON_TAG in tags:
            self.ids[run.info.run_id] = self.target.get_run(tags[GOES_ON_TAG]).info.run_id
            return
        place, once = tags.get(EXPERIMENT_TAG) or self._experiment(run), tags.get(ONCE_TAG, run.info.run_id)
        found = self.target.search_runs([place], f"tags.`{ONCE_TAG}` = '{once}'", max_results=1)
        if not found:
            marks = {key: value for key, value in tags.items() if key.startswith("mlflow.") and key != PARENT}
            made = self.target.create_run(place, run.info.start_time, {**marks, ONCE_TAG: once}, run.info.run_name)
            found = [made]
        self.ids[run.info.run_id] = found[0].info.run_id

    def _bring(self, run: Run) -> None:
        there = self.ids[run.info.run_id]
        self._bring_data(run, there)
        if run.inputs is not None and run.inputs.dataset_inputs:
            self.target.log_inputs(there, run.inputs.dataset_inputs)
        models = self._models(run)
        for model in models:
            self._bring_model(model, there)
        self._bring_metrics(run, there)
        with copied(local_folder(run.info.artifact_uri), self.ids) as folder:
            if folder is not None:
                self.target.log_artifacts(there, str(folder))
        for version in self.source.search_model_versions(f"run_id='{run.info.run_id}'"):
            made_of = next((model for model in models if model.artifact_location == version.source), None)
            if made_of is None:
                raise ExperimentError(f"version {version.version} of {version.name} is of no model of this run")
            self._register(run, there, self.ids[made_of.model_id])
        if run.info.status != "RUNNING":
            self.target.set_terminated(there, run.info.status, run.info.end_time)
        if FAILURE_TAG not in run.data.tags and FAILURE_TAG in self.target.get_run(there).data.tags:
            self.target.delete_tag(there, FAILURE_TAG)  # of a run that seemed gone meanwhile
        self.source.set_tag(run.info.run_id, DELIVERED_TAG, f"{self.place} {there}")
        self.say(f"{run.info.run_name}: {run.info.status}, as run {there}")

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
        with copied_model(local_folder(model.artifact_location), there) as folder:
            if folder is not None:
                self.target.log_model_artifacts(there.model_id, str(folder))
        if model.status.name in ("READY", "FAILED") and there.status.name == "PENDING":
            self.target.finalize_logged_model(there.model_id, model.status.name)
        for part in _parts(model.metrics or []):
            self.target.log_batch(run_id, metrics=[_of_model(metric, there.model_id) for metric in part])
        outputs = self.target.get_run(run_id).outputs
        known = [output.model_id for output in outputs.model_outputs] if outputs is not None else []
        if model.status.name == "READY" and there.model_id not in known:
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
        path = local_folder(run.info.artifact_uri)
        text = path / "config.yaml" if path is not None else None
        if text is None or not text.exists():  # it is with the first part of the run
            text = Path(self.target.download_artifacts(there, "config.yaml"))
        wanted = Registration.of(yaml.safe_load(text.read_text(encoding="utf-8")))
        register(TrackedRun(self.target, self.target.get_run(there)), f"models:/{model_id}", wanted)


def _parts(entries: Sequence[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(entries), AT_ONCE):
        yield list(entries[start : start + AT_ONCE])


def _of_model(metric: Metric, model_id: str) -> Metric:
    from mlflow.entities import Metric

    return Metric(metric.key, metric.value, metric.timestamp, metric.step, model_id=model_id)
