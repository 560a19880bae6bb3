"""The model registry: versions of a model under the data set's name, found by alias."""

from __future__ import annotations

import contextlib
import re

from experiments.config.schema import Config
from experiments.tracking.run import TrackedRun


def check_registry(config: Config) -> list[str]:
    """What is wrong with the names, by MLflow's rules. Needs neither a server nor MLflow."""
    if not config.registry.register:
        return []
    problems = []
    key, name = ("registry.name", config.registry.name) if config.registry.name else ("data.name", config.data.name)
    if not name.strip() or re.search("[/:]", name):
        problems.append(f"{key} must be a name without '/' and ':' to register a model under it, got '{name}'")
    alias = config.registry.alias
    if not re.fullmatch(r"[\w\-]+", alias) or re.fullmatch(r"(?i)latest|v\d+", alias):
        problems.append(
            "registry.alias must be letters, digits, - and _, and neither 'latest' nor a version such as 'v1', "
            f"got '{alias}'"
        )
    return problems


def is_registered(run: TrackedRun) -> bool:
    """Whether a version of a registered model comes from the run."""
    return bool(run.client.search_model_versions(f"run_id='{run.run_id}'"))


def register(run: TrackedRun, model_uri: str, config: Config) -> str:
    """Make the model a new version that the alias then names; returns `name version`."""
    from mlflow.exceptions import MlflowException

    name = config.registry.name or config.data.name
    try:
        run.client.get_registered_model(name)
    except MlflowException:
        with contextlib.suppress(MlflowException):  # another run may have made it meanwhile
            run.client.create_registered_model(name)
    model_id = model_uri.removeprefix("models:/")
    # The place and not the URI, which MLflow would look up in whatever store this process has as its default.
    source = run.client.get_logged_model(model_id).artifact_location
    made = run.client.create_model_version(name, source, run.run_id, await_creation_for=0, model_id=model_id)
    run.registered = (name, made.version)
    run.client.set_registered_model_alias(name, config.registry.alias, made.version)
    return f"{name} {made.version}"
