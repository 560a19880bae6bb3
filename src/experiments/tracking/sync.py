"""Runs of one store brought to another: once, with all that they hold, however often it is tried."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow.exceptions import MlflowException

from experiments.config.schema import Config
from experiments.errors import ConfigError, readable_cause
from experiments.redaction import redact_text
from experiments.tracking.bring import Bringer
from experiments.tracking.owner import PROCESS_TAG, is_gone
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
    GOES_ON_TAG,
    ONCE_TAG,
    OPENED_TAG,
    PARENT,
    STORE_TAG,
)

if TYPE_CHECKING:
    from mlflow.entities import Run


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
    inputs, artifacts, model and registered version. What has arrived is not brought again.

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
        return _Delivery(config, Bringer(source, target, locked), say).all(is_spool)


class _Delivery:
    """Which runs are brought, and in what order."""

    def __init__(self, config: Config, bringer: Bringer, say: Callable[[str], None]) -> None:
        self.config, self.bringer, self.say = config, bringer, say
        self.source, self.target, self.ids = bringer.source, bringer.target, bringer.ids
        self.place = redact_text(tracking_uri(config.tracking))
        self.experiments: dict[str, str] = {}
        self.parents: dict[str, bool] = {}

    def all(self, is_spool: bool) -> Delivered:
        made = Delivered()
        close_gone(self.source)
        runs = list(runs_of(self.source, [each.experiment_id for each in self.source.search_experiments()], ""))
        here = {run.info.run_id: run for run in runs}
        # A sweep may have begun there and gone on here.
        sweeps = {run.data.tags[GOES_ON_TAG]: run for run in runs if GOES_ON_TAG in run.data.tags} | here
        runs.sort(key=lambda run: (run.data.tags.get(PARENT) in here, run.info.start_time))
        ready = []
        # All ids first, those of parents before those of their children, whose tags and texts name each other.
        for run in runs:
            store, parent = run.data.tags.get(STORE_TAG, self.place), run.data.tags.get(PARENT)
            if is_spool and store != self.place:
                made.others[store] += 1
            elif _goes_on(run, is_unknown_alive=True) or (parent is not None and self._sweep_goes_on(parent, sweeps)):
                made.running += 1
            elif (there := self._delivered(run)) is not None:
                made.before += 1
                self.ids[run.info.run_id] = there
            elif parent in here and parent not in self.ids:
                made.failed[run.info.run_id] = f"its sweep, run {parent}, is not delivered"
            elif self._try(made, run, self._open):
                ready.append(run)
        for run in reversed(ready):  # what is said of a sweep names the models of its trials
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

    def _sweep_goes_on(self, parent: str, sweeps: Mapping[str, Run]) -> bool:
        """Whether a sweep still goes on, which at its end adds to its trials: the best one's model and version."""
        if parent not in self.parents:
            run = sweeps.get(parent)
            if run is None:
                with contextlib.suppress(MlflowException):  # one that is in neither store has ended
                    run = self.target.get_run(parent)
            self.parents[parent] = run is not None and _goes_on(run, is_unknown_alive=False)
        return self.parents[parent]

    def _delivered(self, run: Run) -> str | None:
        """The id there of a run that was brought before."""
        place, _, there = run.data.tags.get(DELIVERED_TAG, "").rpartition(" ")
        return there if place == self.place else None

    def _experiment(self, run: Run) -> str:
        name = self.source.get_experiment(run.info.experiment_id).name
        if name not in self.experiments:
            artifacts = artifact_folder(self.config.tracking)
            self.experiments[name] = experiment_id(self.target, name, artifacts)
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
        there, opened = self.ids[run.info.run_id], run.data.tags.get(OPENED_TAG)
        if opened is None or self.target.get_run(there).data.tags.get(PROCESS_TAG, opened) == opened:
            self.bringer.bring(run)
            said = run.info.status
        else:
            said = "left, as another command has taken the run again since"
        self.source.set_tag(run.info.run_id, DELIVERED_TAG, f"{self.place} {there}")
        self.say(f"{run.info.run_name}: {said}, as run {there}")


def _goes_on(run: Run, is_unknown_alive: bool) -> bool:
    """Whether a run has not ended.

    Args:
        is_unknown_alive: whether a process of another machine, which cannot be seen from here, counts as alive.
    """
    gone = is_gone(run.data.tags.get(PROCESS_TAG, ""))
    return run.info.status == "RUNNING" and (is_unknown_alive if gone is None else not gone)
