"""The state of a training after each epoch, on a disk, so that it can go on where it was."""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

KEPT = 2


@dataclass(frozen=True)
class State:
    """What a training knows after an epoch.

    Attributes:
        about: `epoch`, `identity` of the training, `digest` of its rows, `history` and what early stopping knows.
        arrays: weights and what the optimizer keeps, in order.
    """

    about: dict[str, Any]
    arrays: list[NDArray[Any]]


def save(folder: Path, state: State) -> None:
    """Write a state whole or not at all, and let go of old ones."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"epoch-{state.about['epoch']:06}.npz"
    draft = path.with_suffix(f".{os.getpid()}.draft")
    about = np.frombuffer(json.dumps(state.about).encode(), np.uint8)
    with draft.open("wb") as file:
        np.savez(file, about=about, **{f"array_{index}": array for index, array in enumerate(state.arrays)})
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    # Drafts are of processes that were killed.
    for old in [*_newest_first(folder)[KEPT:], *folder.glob("*.draft")]:
        old.unlink(missing_ok=True)


def newest(folder: Path, identity: str, digest: str) -> State | None:
    """The last state that can be read, or None.

    Raises:
        ValueError: it is of another training.
    """
    for path in _newest_first(folder):
        state = _read(path)
        if state is None:
            print(f"{path} cannot be read, so the one before it is taken", flush=True)
            continue
        same = {"config": state.about["identity"] == identity, "data": state.about["digest"] == digest}
        other = [name for name, is_same in same.items() if not is_same]
        if other:
            raise ValueError(
                f"checkpointDir must be empty or hold checkpoints of this training, got {path}, which is of another "
                f"{' and other '.join(other)}; choose another folder, or delete this one"
            )
        return state
    return None


def _newest_first(folder: Path) -> Sequence[Path]:
    return sorted(folder.glob("epoch-*.npz"), reverse=True)


def _read(path: Path) -> State | None:
    """A state, or None where the file is broken: its parts have checksums."""
    try:
        with np.load(path, allow_pickle=False) as file:
            about = json.loads(file["about"].tobytes())
            return State(about, [file[f"array_{index}"] for index in range(len(file.files) - 1)])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return None
