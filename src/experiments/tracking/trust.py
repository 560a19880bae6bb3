"""What a saved pipeline would import, asked of its files before anything of it is loaded."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from experiments.errors import ConfigError, override
from experiments.pipeline.stages import TRUSTED_PACKAGES

# As Java calls the classes of `pyspark.ml`, and what some of them, such as bisecting k-means, keep within.
_OF_JAVA = ("org.apache.spark.ml", "org.apache.spark.mllib")
# Where XGBoost keeps functions of whoever fitted a model, which it would unpickle.
_PICKLED = "serialized_callbacks"


def check_saved(folder: Path, allowed: Sequence[str]) -> None:
    """Refuse a pipeline with a stage of a package that is not trusted. Reading a stage imports its class.

    Args:
        folder: that Spark has saved it in.
        allowed: packages that are trusted besides ours and Spark's.

    Raises:
        ConfigError: with the classes and how to trust them; a description of a stage that cannot be read.
    """
    trusted = (*TRUSTED_PACKAGES, *_OF_JAVA, *allowed)
    foreign = []
    for stage in _descriptions(folder):
        name = str(stage.get("class"))
        if not any(name.startswith(f"{package}.") for package in trusted):
            foreign.append(name)
        if _PICKLED in stage:
            raise ConfigError([f"model must hold no functions of whoever made it, got {_PICKLED} in {name}"])
    if foreign:
        packages = sorted({name.rpartition(".")[0] or name for name in foreign})
        raise ConfigError(
            [
                f"model must be made of classes of {', '.join(trusted)}, got {', '.join(sorted(set(foreign)))}; "
                f"to trust the package: {override('allowed_packages', packages)} (in Python, words=[…])"
            ]
        )


def _descriptions(folder: Path) -> Iterator[dict[str, Any]]:
    """Of the pipeline and all of its stages: Spark reads each file of a folder `metadata`, also a packed one."""
    for place in sorted(folder.rglob("metadata")):
        for file in sorted(place.iterdir() if place.is_dir() else [place]):
            if file.name.startswith((".", "_")):
                continue
            try:
                described = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
            except (OSError, ValueError) as error:
                raise ConfigError(
                    [f"model must say of what it is made, got {file.name} that cannot be read"]
                ) from error
            for one in described:
                if not isinstance(one, dict):
                    raise ConfigError([f"model must say of what it is made, got {file.name} that says something else"])
                yield one
