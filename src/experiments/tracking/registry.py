"""The model registry: versions of a model under the data set's name, found by alias."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from experiments.config.identity import parts_rows
from experiments.config.schema import Config, Moves, Task
from experiments.errors import override
from experiments.evaluation.objectives import deciding, larger_is_better, merit
from experiments.tracking.run import TrackedRun
from experiments.tracking.runs import judged_on
from experiments.tracking.tags import GUESS_TAG, NOTE_TAG, VERSIONS_TAG

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion
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


# Of a registered model, beside its name.
_ABOUT = "Each version is a fitted model; aliases name those that are offered for use."


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


def registered_before(run: TrackedRun) -> Registered | None:
    """The version of a registered model that an earlier command has made of the run."""
    found = run.record(lambda client, run_id: client.search_model_versions(f"run_id='{run_id}'"))
    return Registered(found[0].name, str(found[0].version), "by an earlier command") if found else None


@dataclass(frozen=True)
class Registration:
    """How a model is to be registered, as its config says.

    Attributes:
        name: of the registered model.
        alias, moves: which alias, and when it moves to the new version.
        metrics: by which the user chooses.
        task, label: what is predicted.
    """

    name: str
    alias: str
    moves: Moves
    metrics: tuple[str, ...]
    task: Task
    label: str | None

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Registration:
        """Of a config as plain values, as `config.yaml` has it."""
        registry, data = config["registry"], config["data"]
        metrics = (*config["sweep"]["objectives"][:1], config["tuning"]["metric"])
        return cls(
            registry["name"] or data["name"],
            registry["alias"],
            Moves(registry["moves"]),
            tuple(metric for metric in metrics if metric),
            Task(config["model"]["task"]),
            data["label"],
        )


def register(run: TrackedRun, model_uri: str, wanted: Registration) -> Registered:
    """Make the model a version, which the alias then names unless it is worse than the one it names now, or a guess.

    A model that is one already, as nobody knew what became of an earlier attempt, stays the same version.
    """

    def make(client: MlflowClient, run_id: str) -> Registered:
        # Of a run that has gone on in the spool, the model that stands there for the same.
        model_id = (run.logged_model if run.is_spooled else None) or model_uri.removeprefix("models:/")
        return _registered(client, run, run_id, model_id, wanted)

    return run.record(make)


def _registered(client: MlflowClient, run: TrackedRun, run_id: str, model_id: str, wanted: Registration) -> Registered:
    """`register`, by one client."""
    name, alias = wanted.name, wanted.alias
    # The place and not the URI, which MLflow would look up in whatever store this process has as its default.
    logged = client.get_logged_model(model_id)
    ours = client.get_run(run_id)
    note = ours.data.tags.get(NOTE_TAG)
    made = _version(client, name, run_id, model_id, logged.artifact_location, note)
    run.registered = (client, name, made.version)
    # By which MLflow's page of the model knows its versions.
    known, this = json.loads(logged.tags.get(VERSIONS_TAG, "[]")), {"name": name, "version": str(made.version)}
    tags = {VERSIONS_TAG: json.dumps([*known, *([] if this in known else [this])])}
    client.set_logged_model_tags(model_id, tags | ({NOTE_TAG: note} if note else {}))
    is_moved, why = True, ""
    if wanted.moves is Moves.better and GUESS_TAG in ours.data.tags:
        is_moved, why = False, f"; the model is no better than one answer for all rows{_ALL_THE_SAME}"
    elif wanted.moves is Moves.better:
        is_moved, why = _compared(client, ours, str(made.version), wanted)
    if is_moved:
        client.set_registered_model_alias(name, alias, made.version)
    what = f"is version {made.version}" if is_moved else "does not move"
    return Registered(name, str(made.version), f"{alias} {what}{why}")


def _version(client: MlflowClient, name: str, run_id: str, model_id: str, place: str, said: str | None) -> ModelVersion:
    """The model's version of a registered model, made if there is none."""
    from mlflow.exceptions import MlflowException

    for version in client.search_model_versions(f"run_id='{run_id}'"):
        if version.name == name and version.source == place:
            return version
    if _found(client.get_registered_model, name) is None:
        with contextlib.suppress(MlflowException):  # another run may have made it meanwhile
            client.create_registered_model(name, description=_ABOUT)
    return client.create_model_version(name, place, run_id, description=said, await_creation_for=0, model_id=model_id)


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


def _compared(client: MlflowClient, ours: Run, version: str, wanted: Registration) -> tuple[bool, str]:
    """Whether a run's model is at least as good as the one that the alias names, and how that is known.

    Args:
        version: of the run's model.
    """
    known = _found(client.get_model_version_by_alias, wanted.name, wanted.alias)
    if known is None or str(known.version) == version:
        return True, ""
    task = wanted.task
    theirs = _found(client.get_run, known.run_id) if known.run_id else None
    if unlike := _unlike(theirs, known.version, wanted):
        return False, f"; {unlike}{_ALL_THE_SAME}"
    if not task.supervised:  # whose metrics are measured in the space that each model has made
        return True, f"; a {task.value} cannot be compared with version {known.version}"
    if theirs is None:
        return False, f"; version {known.version} has no run that it could be compared with{_ALL_THE_SAME}"
    # Of the held-out rows.
    metric = deciding(ours.data.metrics, task, wanted.metrics) or deciding(ours.data.metrics, task)
    if metric is None or metric not in theirs.data.metrics:
        return False, f"; it and version {known.version} have no metric in common that decides{_ALL_THE_SAME}"
    (which, rows), others = judged_on(ours), judged_on(theirs)
    if others[1] is None:
        return False, f"; the run of version {known.version} does not say what rows judged it{_ALL_THE_SAME}"
    if (which, rows) != others:
        why = _why_other_rows(ours.data.params, theirs.data.params)
        return (
            False,
            f"; version {known.version} was judged on other rows{why}, so they cannot be compared{_ALL_THE_SAME}",
        )
    here, there = ours.data.metrics[metric], theirs.data.metrics[metric]
    is_larger = larger_is_better(metric, task)
    is_moved = merit(here, is_larger) >= merit(there, is_larger)
    what = ("better" if here != there else "not worse") if is_moved else "worse"
    said = f"; {metric} {here:.6g} is {what} than {there:.6g} of version {known.version} on the same rows"
    said += "" if which == "test" else ", which both were fitted on"
    return is_moved, f"{said}{'' if is_moved else _ALL_THE_SAME}"


def _unlike(theirs: Run | None, version: str, wanted: Registration) -> str:
    """That a version is of another task, or predicts another label; nothing where it is alike or has no run."""
    if theirs is None:
        return ""
    params, ours = theirs.data.params, wanted.task.value
    if (task := params.get("model.task", ours)) != ours:
        way_out = override("registry.name", f"{wanted.name}_{ours}")
        return f"version {version} is a {task}, this one a {ours}; a name of its own for each: {way_out}"
    if (label := params.get("data.label", wanted.label)) != wanted.label:
        way_out = override("registry.name", f"{wanted.name}_{wanted.label}")
        return f"version {version} predicts {label}, this one {wanted.label}; a name of its own for each: {way_out}"
    return ""


def _why_other_rows(ours: Mapping[str, str], theirs: Mapping[str, str]) -> str:
    """What parts two runs whose held-out rows are not the same, by their params; nothing where none says it."""
    unlike = sorted(key for key in {*ours, *theirs} if parts_rows(key) and ours.get(key) != theirs.get(key))
    return f" ({', '.join(unlike[:4])} {'is' if len(unlike) == 1 else 'are'} not the same)" if unlike else ""
