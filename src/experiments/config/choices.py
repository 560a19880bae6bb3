"""What there is to choose from, read from the files alone: a shell that completes a word waits for no import."""

from __future__ import annotations

from pathlib import Path

# The groups of the config, in the order in which an experiment is thought of.
GROUPS = ("model", "data", "preprocessing", "tuning", "sweep", "cluster", "tracking", "registry")


def config_folder() -> Path:
    """The configs that ship with the package: beside it in a wheel, at the top of a checkout otherwise."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "conf"
    return installed if installed.is_dir() else package.parent.parent / "conf"


def choices(group: str, config_dir: str | Path | None = None) -> dict[str, str]:
    """What a group offers: name to the comment that describes its file, from our configs and the user's folder."""
    folders = [config_folder(), *([Path(config_dir)] if config_dir else [])]
    files = [path for folder in folders for path in sorted((folder / group).rglob("*.yaml"))]
    return {path.stem: _first_comment(path) for path in files}


def _first_comment(path: Path) -> str:
    with open(path, encoding="utf-8") as lines:
        written = (line.strip() for line in lines)
        first = next((line for line in written if line and not line.startswith("# @")), "")
    return first.removeprefix("#").strip() if first.startswith("#") else ""
