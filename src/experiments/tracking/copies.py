"""Copies of what runs and models keep, in which runs and models are called as in another store."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlparse

import yaml

if TYPE_CHECKING:
    from mlflow.entities import LoggedModel

# Texts in which ids are replaced, and the largest of them.
TEXTS, MOST_BYTES = (".csv", ".html", ".md", ".txt", ".log", ".json", ".yaml"), 10_000_000


def local_folder(place: str | None) -> Path | None:
    """The folder of artifacts that lie on this machine, if they do."""
    parts = urlparse(place or "")
    return Path(unquote(parts.path)) if parts.scheme in ("", "file") and parts.path else None


def with_ids(text: str, ids: Mapping[str, str]) -> str:
    """A text with the ids of the other store.

    Args:
        ids: there, by those here.
    """
    for here, there in ids.items():
        text = text.replace(here, there)
    return text


@contextlib.contextmanager
def copied(folder: Path | None, ids: Mapping[str, str]) -> Iterator[Path | None]:
    """A copy of a folder with the ids of the other store in its texts; None where there is nothing to copy.

    Args:
        ids: there, by those here.
    """
    with _copy(folder) as copy:
        for file in copy.rglob("*") if copy is not None else ():
            if file.suffix in TEXTS and file.is_file() and file.stat().st_size <= MOST_BYTES:
                text = file.read_text(encoding="utf-8", errors="surrogateescape")
                file.write_text(with_ids(text, ids), encoding="utf-8", errors="surrogateescape")
        yield copy


@contextlib.contextmanager
def copied_model(folder: Path | None, model: LoggedModel) -> Iterator[Path | None]:
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
def _copy(folder: Path | None) -> Iterator[Path | None]:
    if folder is None or not folder.exists() or not any(folder.iterdir()):
        yield None
        return
    with tempfile.TemporaryDirectory() as made:
        yield Path(shutil.copytree(folder, Path(made) / "files"))
