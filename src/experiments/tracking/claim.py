"""Which of several commands that begin the same sweep at the same instant has it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from experiments.tracking.owner import is_gone, process_tag

if TYPE_CHECKING:
    from mlflow.entities import Run

CLAIM_TAG = "experiments.claim."
# For how long a claim of another machine, of which nobody here knows whether it lives, is waited for.
SECONDS_UNKNOWN = 60.0
# Those who see an earlier claim withdraw theirs in this time.
SECONDS_TO_WITHDRAW = 10.0
SECONDS_BETWEEN_LOOKS = 0.2


@dataclass(frozen=True)
class Claim:
    """A tag that says who wants a sweep. All write before they read, so that of two at least one sees the other.

    Whoever sees a claim with a lower name gives up. Whoever has the lowest waits for the others to do so: if one stays,
    it had looked before, and has the sweep.
    """

    name: str = field(default_factory=lambda: uuid.uuid4().hex)
    at: float = field(default_factory=time.time)

    @property
    def tag(self) -> str:
        return f"{CLAIM_TAG}{self.name}"

    @property
    def value(self) -> str:
        (process,) = process_tag().values()
        return f"{self.at:.3f} {process}"

    def other(self, look: Callable[[], Sequence[Run]]) -> Run | None:
        """The run of whoever has the sweep, None where this claim has it.

        Args:
            look: the runs of the sweep as they are at this moment, with their tags.
        """
        until = time.monotonic() + SECONDS_TO_WITHDRAW
        while True:
            others = {
                key.removeprefix(CLAIM_TAG): run
                for run in look()
                for key, value in run.data.tags.items()
                if key.startswith(CLAIM_TAG) and key != self.tag and _may_live(value)
            }
            if not others:
                return None
            lowest = min(others)
            if lowest < self.name or time.monotonic() > until:
                return others[lowest]
            time.sleep(SECONDS_BETWEEN_LOOKS)


def _may_live(value: str) -> bool:
    at, _, process = value.partition(" ")
    gone = is_gone(process)
    if gone is None:
        return time.time() - float(at) < SECONDS_UNKNOWN
    return not gone
