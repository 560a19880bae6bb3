"""Copies of what runs and models keep, in which runs and models are called as in another store."""

from __future__ import annotations

import contextlib
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlparse

import yaml

from experiments.errors import ExperimentError
from experiments.redaction import redact_text

if TYPE_CHECKING:
    from mlflow.entities import LoggedModel

_IDS = re.compile(rb"(?:m-)?[0-9a-f]{32}")
# Texts in which ids are replaced, and the largest of them.
TEXTS, MOST_BYTES = (".csv", ".html", ".md", ".txt", ".log", ".json", ".yaml"), 10_000_000


def local_folder(place: str, beside: Path) -> Path:
    """The folder of artifacts that lie on this machine; it need not be there, as where nothing was logged.

    Args:
        place: as the store says it.
        beside: where the store's artifacts are if they are no more where it says, as it was moved or copied.

    Raises:
        ExperimentError: a place that is not of this machine.
    """
    parts = urlparse(place)
    if parts.scheme not in ("", "file"):
        raise ExperimentError(f"its files are at {redact_text(place)}, and not on this machine")
    path = Path(unquote(parts.path))
    _, found, below = path.as_posix().rpartition(f"/{beside.name}/")
    return beside / below if found and not path.exists() else path


def with_ids(text: str, ids: Mapping[str, str]) -> str:
    """A text with the ids of the other store.

    Args:
        ids: there, by those here.
    """
    return _with_ids(text.encode(errors="surrogateescape"), ids).decode(errors="surrogateescape")


def _with_ids(text: bytes, ids: Mapping[str, str]) -> bytes:
    def there(found: re.Match[bytes]) -> bytes:
        here = found[0].decode()
        return ids.get(here, here).encode()

    return _IDS.sub(there, text)


@contextlib.contextmanager
def copied(folder: Path, ids: Mapping[str, str]) -> Iterator[Path | None]:
    """A copy of a folder with the ids of the other store in its texts; None where there is nothing to copy.

    Args:
        ids: there, by those here.
    """
    with _copy(folder) as copy:
        for file in copy.rglob("*") if copy is not None else ():
            if file.suffix in TEXTS and file.is_file() and file.stat().st_size <= MOST_BYTES:
                file.write_bytes(_with_ids(file.read_bytes(), ids))
        yield copy


@contextlib.contextmanager
def copied_model(folder: Path, model: LoggedModel) -> Iterator[Path | None]:
    """A copy of a model's folder that says where it is; None where there is nothing to copy.

    Args:
        model: as the other store has it.
    """
    with _copy(folder) as copy:
        if copy is not None and (copy / "MLmodel").exists():
            said: dict[str, Any] = yaml.safe_load((copy / "MLmodel").read_text(encoding="utf-8"))
            said |= {"model_id": model.model_id, "model_uuid": model.model_id, "run_id": model.source_run_id}
            said["artifact_path"] = model.artifact_location
            (copy / "MLmodel").write_text(yaml.safe_dump(said, sort_keys=False), encoding="utf-8")
        yield copy


@contextlib.contextmanager
def _copy(folder: Path) -> Iterator[Path | None]:
    if not folder.exists() or not any(folder.iterdir()):
        yield None
        return
    with tempfile.TemporaryDirectory() as made:
        yield Path(shutil.copytree(folder, Path(made) / "files"))
