"""The model registry: versions of a model under the data set's name, found by alias."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from experiments.config.schema import Config, Moves
from experiments.errors import override
from experiments.evaluation.objectives import deciding, larger_is_better, merit
from experiments.tracking.run import TrackedRun
from experiments.tracking.tags import NOTE_TAG, VERSIONS_TAG

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient


def check_registry(config: Config) -> list[str]:
    """What is wrong with the names, by MLflow's rules. Needs neither a server nor MLflow."""
    if not config.registry.register:
        return []
    problems = []
    key, name = ("registry.name", config.registry.name) if config.registry.name else ("data.name", config.data.name)
    if not name.strip() or re.search("[/:]", name):
        problems.append(f"{key} must be a name without '/' and ':' to register a model under it, got '{name}'")
    alias = config.registry.alias
    if alias in [move.value for move in Moves]:
        problems.append(
            f"registry.alias must be the name of an alias, got '{alias}'; when it moves says registry.moves={alias}"
        )
    if not re.fullmatch(r"[\w\-]+", alias) or re.fullmatch(r"(?i)latest|v\d+", alias):
        problems.append(
            "registry.alias must be letters, digits, - and _, and neither 'latest' nor a version such as 'v1', "
            f"got '{alias}'"
        )
    return problems


def is_registered(run: TrackedRun) -> bool:
    """Whether a version of a registered model comes from the run."""
    return bool(run.client.search_model_versions(f"run_id='{run.run_id}'"))


class Registered(NamedTuple):
    """A new version of a registered model.

    Attributes:
        name: of the model.
        version: the new one.
        alias: which version the alias names now, and why.
    """

    name: str
    version: str
    alias: str


def register(run: TrackedRun, model_uri: str, config: Config) -> Registered:
    """Make the model a new version, which the alias then names unless it is worse than the one it names now."""
    from mlflow.exceptions import MlflowException

    name, alias = config.registry.name or config.data.name, config.registry.alias
    try:
        run.client.get_registered_model(name)
    except MlflowException:
        with contextlib.suppress(MlflowException):  # another run may have made it meanwhile
            run.client.create_registered_model(name)
    model_id = model_uri.removeprefix("models:/")
    # The place and not the URI, which MLflow would look up in whatever store this process has as its default.
    logged = run.client.get_logged_model(model_id)
    ours = run.client.get_run(run.run_id)
    said, place = ours.data.tags.get(NOTE_TAG), logged.artifact_location
    made = run.client.create_model_version(
        name, place, run.run_id, description=said, await_creation_for=0, model_id=model_id
    )
    run.registered = (name, made.version)
    # By which MLflow's page of the model knows its versions.
    versions = [*json.loads(logged.tags.get(VERSIONS_TAG, "[]")), {"name": name, "version": str(made.version)}]
    run.client.set_logged_model_tags(model_id, {VERSIONS_TAG: json.dumps(versions)})
    is_moved, why = True, ""
    if config.registry.moves is Moves.better:
        is_moved, why = _compared(run.client, ours, name, config)
    if is_moved:
        run.client.set_registered_model_alias(name, alias, made.version)
    what = f"is version {made.version}" if is_moved else "stays"
    return Registered(name, str(made.version), f"{alias} {what}{why}")


def _found(ask: Callable[..., Any], *words: str) -> Any:
    """What the store has, or None where it says that it does not have it; any other error is one."""
    from mlflow.exceptions import MlflowException

    try:
        return ask(*words)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):  # the latter of an alias
            return None
        raise


_ALL_THE_SAME = "; registry.moves=always moves it all the same"


def _compared(client: MlflowClient, ours: Run, name: str, config: Config) -> tuple[bool, str]:
    """Whether a run's model is at least as good as the one that the alias names, and how that is known."""
    known = _found(client.get_model_version_by_alias, name, config.registry.alias)
    if known is None:
        return True, ""
    task = config.model.task
    if not task.supervised:  # whose metrics are measured in the space that each model has made
        return True, f"; a {task.value} cannot be compared with version {known.version}"
    theirs = _found(client.get_run, known.run_id) if known.run_id else None
    if theirs is None:
        return False, f"; version {known.version} has no run that it could be compared with{_ALL_THE_SAME}"
    # What the user chooses by, of the held-out rows.
    chosen = [name for name in (*config.sweep.objectives[:1], config.tuning.metric) if name]
    metric = deciding(ours.data.metrics, task, chosen) or deciding(ours.data.metrics, task)
    label = theirs.data.params.get("data.label", config.data.label)
    if label != config.data.label:
        return False, (
            f"; version {known.version} predicts {label}, this one {config.data.label}; a name of its own for each: "
            f"{override('data.name', f'{config.data.name}_{config.data.label}')}{_ALL_THE_SAME}"
        )
    if metric is None or metric not in theirs.data.metrics:
        return False, f"; it and version {known.version} have no metric in common that decides{_ALL_THE_SAME}"
    (which, rows), others = _rows_of(ours), _rows_of(theirs)
    if others[1] is None:
        return False, f"; the run of version {known.version} does not say what rows judged it{_ALL_THE_SAME}"
    if (which, rows) != others:
        return False, f"; version {known.version} was judged on other rows, so they cannot be compared{_ALL_THE_SAME}"
    here, there = ours.data.metrics[metric], theirs.data.metrics[metric]
    is_larger = larger_is_better(metric, task)
    is_moved = merit(here, is_larger) >= merit(there, is_larger)
    what = "not worse" if is_moved else "worse"
    said = f"; {metric} {here:.6g} is {what} than {there:.6g} of version {known.version} on the same rows"
    said += "" if which == "test" else ", which both were fitted on"
    return is_moved, f"{said}{'' if is_moved else _ALL_THE_SAME}"


def _rows_of(run: Run) -> tuple[str, str | None]:
    """Which rows judged a run, those held out (`test`) or all where none were (`train`), and their digest."""
    inputs = run.inputs.dataset_inputs if run.inputs is not None else []
    digests = {tag.value: each.dataset.digest for each in inputs for tag in each.tags}
    which = "test" if "test" in digests else "train"
    return which, digests.get(which)
