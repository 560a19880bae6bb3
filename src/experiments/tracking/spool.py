"""Where a run is recorded: in the chosen store, and in a local one for all that the chosen one does not take."""

from __future__ import annotations

import logging
import re
import shlex
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

from experiments.config.schema import Config, TrackingConfig
from experiments.errors import ExperimentError, readable_cause
from experiments.redaction import redact_text
from experiments.tracking.owner import PROCESS_TAG, process_tag
from experiments.tracking.store import (
    FILE,
    artifacts_beside,
    experiment_id,
    open_folder,
    sqlite_file,
    tracking_uri,
    words_of,
)
from experiments.tracking.tags import GOES_ON_TAG, ONCE_TAG, OPENED_TAG, STORE_TAG

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

T = TypeVar("T")
# What a store says of a request that no store would take.
_BAD = ("INVALID_PARAMETER_VALUE", "BAD_REQUEST", "RESOURCE_ALREADY_EXISTS", "INVALID_STATE")
# For so long a store that did not answer is not asked to open the next run.
SECONDS_TO_REST = 10.0


def is_undelivered(error: BaseException) -> bool:
    """Whether a store did not take what another would: it is gone, refuses this user, or has no room."""
    is_our_mistake = isinstance(error, ExperimentError | TypeError | ValueError | KeyError | AttributeError)
    is_refused = getattr(error, "error_code", "") in _BAD or is_clash(error)
    return isinstance(error, Exception) and not is_our_mistake and not is_refused


def is_clash(error: BaseException) -> bool:
    """Whether two wrote the same at the same instant, as the data set that trials share: MLflow looks whether it is
    there before it writes, and nobody has it do both at once."""
    return re.search("UNIQUE constraint failed|duplicate key|Duplicate entry", str(error)) is not None


def once() -> dict[str, str]:
    """Tag of a run or model that is made, by which it is found again where nobody knows whether it was."""
    return {ONCE_TAG: uuid.uuid4().hex}


class Spool:
    """A store in a folder of this machine for what the chosen one does not take. `experiments sync` delivers it."""

    def __init__(self, folder: Path, of: str, words: Sequence[str]) -> None:
        """Nothing is made before it is needed.

        Args:
            folder: of the store.
            of: the chosen store, secrets out.
            words: that lead to it.
        """
        self.of, self.words = of, words
        self.folder = folder.resolve()
        self._client: MlflowClient | None = None
        self._lock = threading.Lock()
        self._asked_again = 0.0
        # Why it is used by this process; empty as long as it is not.
        self.reason = ""
        self.runs: set[str] = set()

    @property
    def client(self) -> MlflowClient:
        with self._lock:
            if self._client is None:
                self._client = open_folder(self.folder)
            return self._client

    @property
    def rests(self) -> bool:
        """Whether the chosen store did not answer a moment ago."""
        return time.monotonic() < self._asked_again

    def blame(self, error: BaseException) -> None:
        """Remember why the chosen store is not used."""
        self._asked_again = time.monotonic() + SECONDS_TO_REST
        said = readable_cause(error)
        # Of a connection that fails MLflow tells how it tried; the system's own word is the last.
        short = re.findall(r"\[Errno -?\d+\] ([^\"')]+)", said) or re.findall(r"(Read timed out)", said)
        # As where the database behind a server is gone.
        short = short or [f"the server answers with {code}" for code in re.findall(r"too many (\d+) error", said)]
        self.reason = redact_text(short[-1] if short else said)
        logging.getLogger(__name__).warning("the store did not take what it was given: %s", self.reason)

    def new_run(self, experiment: str, name: str, tags: Mapping[str, str], start_time: int | None = None) -> Run:
        """A run of the spool, in an experiment of that name."""
        place = experiment_id(self.client, experiment, artifacts_beside(self.folder))
        run = self.client.create_run(place, start_time, {**tags, STORE_TAG: self.of, **process_tag()}, name)
        self.runs.add(run.info.run_id)
        return run


def said_of(spool: Spool | None) -> list[str]:
    """What lies in the spool and how it is delivered; nothing where this process has not used it."""
    if spool is None or not spool.reason:
        return []
    return [
        f"spool       {spool.folder} has what the store did not take ({spool.reason}); once it does: "
        f"{shlex.join(['experiments', 'sync', *spool.words])}"
    ]


_spools: dict[tuple[Path, str], Spool] = {}


def open_spool(config: Config) -> Spool | None:
    """Where that goes which the store does not take, the same for all runs of this process; None where it is off, or is
    the store itself."""
    if config.tracking.spool is None:
        return None
    folder = Path(config.tracking.spool).resolve()
    if sqlite_file(config.tracking) == folder / FILE:
        return None
    own = [] if config.tracking.spool == TrackingConfig.spool else [f"tracking.spool={config.tracking.spool}"]
    place = redact_text(tracking_uri(config.tracking))
    made = Spool(folder, place, [*words_of(config.tracking), *own])
    return _spools.setdefault((folder, place), made)


class Recorded:
    """A run, wherever it is recorded: it goes on in the spool once its store does not take something.

    Attributes:
        run_id: by which others know it: that of the store it was opened in.
        recorded_id: of the run that takes what is recorded now, by `client`.
    """

    def __init__(self, client: MlflowClient, run: Run, spool: Spool | None) -> None:
        self.client, self.spool, self._info = client, spool, run.info
        self._first = client
        # Whose run it was when it was opened, and how and when it was closed.
        self._opened_by: str | None = run.data.tags.get(PROCESS_TAG)
        self._closed: tuple[str, int] | None = None
        self.run_id: str = run.info.run_id
        self.recorded_id: str = run.info.run_id
        self.experiment_id: str = run.info.experiment_id
        self.experiment: str = client.get_experiment(run.info.experiment_id).name
        self._model_id: str | None = None
        self._moving = threading.Lock()

    @property
    def is_spooled(self) -> bool:
        """Whether the spool has it, as a whole or from some point on."""
        return self.spool is not None and self.recorded_id in self.spool.runs

    @property
    def logged_model(self) -> str | None:
        """Id of its model, in the store that takes what is recorded now."""
        return self._model_id

    def record(self, write: Callable[[MlflowClient, str], T]) -> T:
        """Write to the store; what it does not take goes to the spool, and so does all that follows.

        Args:
            write: told the client and the run's id there; called once more where the store does not take it.
        """
        try:
            return self._written(write)
        except Exception as error:
            if not is_clash(error):
                raise
        return self._written(write)  # what the other one has written is there by now

    def _written(self, write: Callable[[MlflowClient, str], T]) -> T:
        before = self.client
        try:
            return write(before, self.recorded_id)
        except Exception as error:
            if self.spool is None or before is not self._first or not is_undelivered(error):
                raise
            with self._moving:  # the model is saved in a thread of its own
                if not self.is_spooled:
                    self._move(self.spool, error)
        return write(self.client, self.recorded_id)

    def _move(self, spool: Spool, error: Exception) -> None:
        """From here on the spool takes what is recorded, of the model too where there is one."""
        tags = {GOES_ON_TAG: self.run_id, **({OPENED_TAG: self._opened_by} if self._opened_by else {})}
        try:
            run = spool.new_run(self.experiment, self._info.run_name, tags, self._info.start_time)
        except Exception as unusable:  # its disk may be the one that is full
            error.add_note(f"tracking.spool={spool.folder} cannot be used either: {readable_cause(unusable)}")
            raise error from None
        if self._model_id is not None:
            self._model_id = _standing_for(self._model_id, spool.client, run.info.run_id)
        if self._closed is not None:  # as the best trial, to which its model is added
            spool.client.set_terminated(run.info.run_id, *self._closed)
        spool.blame(error)
        # The client last: whoever still has the other one is refused by it, and comes here.
        self.recorded_id = run.info.run_id
        self.client = spool.client

    def take_model(self, model_id: str, maker: MlflowClient) -> None:
        """Know the run's model, or what stands for it in the spool where the run has moved while it was made.

        Args:
            maker: the client that has made it.
        """
        with self._moving:
            is_there = maker is self.client
            self._model_id = model_id if is_there else _standing_for(model_id, self.client, self.recorded_id)

    def finish(self, status: str) -> None:
        """Close the run."""
        now = int(time.time() * 1000)
        self.record(lambda client, run_id: client.set_terminated(run_id, status, now))
        self._closed = (status, now)

    def known_closed(self) -> Self:
        """The same run of an earlier command, as the store says how it ended."""
        if self._info.status != "RUNNING" and self._info.end_time:
            self._closed = (self._info.status, self._info.end_time)
        return self


def _standing_for(model_id: str, client: MlflowClient, run_id: str) -> str:
    """A model of a run in the spool that goes on with one of the chosen store: its id."""
    place = client.get_run(run_id).info.experiment_id
    made = client.create_logged_model(place, source_run_id=run_id, tags={GOES_ON_TAG: model_id})
    return str(made.model_id)
