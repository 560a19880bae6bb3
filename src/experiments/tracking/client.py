"""MLflow's client, by which all is recorded: no secret passes, whoever has put it into a text."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlflow.entities import Param, RunTag
from mlflow.tracking import MlflowClient

from experiments.redaction import redact, redact_text
from experiments.tracking.tags import ONCE_TAG

if TYPE_CHECKING:
    from mlflow.entities import LoggedModel, Metric, Run


class Client(MlflowClient):  # type: ignore[misc]  # MLflow has no types
    """What it writes has no secrets: names, params, tags and texts. Files are written by `tracking/run.py`.

    What it makes it makes once: where a server's answer is lost, MLflow asks it again, and there are two.
    """

    def create_run(
        self,
        experiment_id: str,
        start_time: int | None = None,
        tags: Mapping[str, Any] | None = None,
        run_name: str | None = None,
    ) -> Run:
        made = super().create_run(experiment_id, start_time, _clean(tags), run_name and redact_text(run_name))
        if (once := self._once(tags)) is not None:
            for twin in self.search_runs([experiment_id], once):
                if twin.info.run_id != made.info.run_id:
                    self.delete_run(twin.info.run_id)
        return made

    def _once(self, tags: Mapping[str, Any] | None) -> str | None:
        """How those are found that a server may have made twice."""
        if ONCE_TAG not in (tags or {}) or not self.tracking_uri.startswith("http"):
            return None
        return f"tags.`{ONCE_TAG}` = '{(tags or {})[ONCE_TAG]}'"

    def update_run(self, run_id: str, status: str | None = None, name: str | None = None) -> None:
        super().update_run(run_id, status, name and redact_text(name))

    def set_tag(self, run_id: str, key: str, value: Any, synchronous: bool | None = None) -> Any:
        return super().set_tag(run_id, key, redact(value, key), synchronous)

    def log_batch(
        self,
        run_id: str,
        metrics: Sequence[Metric] = (),
        params: Sequence[Param] = (),
        tags: Sequence[RunTag] = (),
        synchronous: bool | None = None,
    ) -> Any:
        said = [Param(each.key, redact(each.value, each.key)) for each in params]
        marked = [RunTag(each.key, redact(each.value, each.key)) for each in tags]
        return super().log_batch(run_id, metrics, said, marked, synchronous)

    def log_text(self, run_id: str, text: str, artifact_file: str) -> None:
        super().log_text(run_id, redact_text(text), artifact_file)

    def create_logged_model(self, experiment_id: str, *args: Any, **kwargs: Any) -> LoggedModel:
        cleaned = {key: _clean(value) if key in ("tags", "params") else value for key, value in kwargs.items()}
        made = super().create_logged_model(experiment_id, *args, **cleaned)
        if (once := self._once(kwargs.get("tags"))) is not None:
            for twin in self.search_logged_models([experiment_id], once):
                if twin.model_id != made.model_id:
                    self.delete_logged_model(twin.model_id)
        return made

    def delete_logged_model(self, model_id: str) -> None:
        """With its files, whose place nothing else would free."""
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        model = self.get_logged_model(model_id)
        super().delete_logged_model(model_id)
        with contextlib.suppress(Exception):  # a store may not let go of files, or there are none yet
            versions = self.search_model_versions(f"run_id = '{model.source_run_id}'")
            if not any(model_id in (version.source or "") for version in versions):  # whose files these are then
                place = model.artifact_location
                get_artifact_repository(place, tracking_uri=self.tracking_uri).delete_artifacts()

    def set_logged_model_tags(self, model_id: str, tags: Mapping[str, Any]) -> None:
        super().set_logged_model_tags(model_id, _clean(tags))

    def create_model_version(self, name: str, source: str, *args: Any, **kwargs: Any) -> Any:
        cleaned = {
            key: redact_text(value) if key == "description" and value else value for key, value in kwargs.items()
        }
        made = super().create_model_version(name, source, *args, **cleaned)
        if self.tracking_uri.startswith("http"):
            for twin in self.search_model_versions(f"run_id = '{made.run_id}'"):
                is_same = (twin.name, twin.source) == (name, source)
                if is_same and int(twin.version) != int(made.version):
                    self.delete_model_version(name, twin.version)
        return made


def _clean(values: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if values is None else redact(dict(values))
