"""What is handed to the driver in the cluster: the composed config, the run, variables of the environment, and us."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from experiments.cluster.shipping import add_package
from experiments.cluster.submitting import UNPACKED
from experiments.config.schema import Config

FILE = "handed.pickle"
# The exit code of a driver whose Python lacks packages: nothing else of ours ends so.
EXIT_NO_PACKAGES = 78
# What stores of runs and of artifacts ask of the environment.
_GIVEN = ("MLFLOW_", "AWS_", "AZURE_STORAGE_", "DATABRICKS_")
_NEEDED = ("click", "hydra", "matplotlib", "mlflow", "numpy", "pandas", "psutil", "pyarrow", "rich", "sklearn", "yaml")
_DRIVER = f"""
import sys
from importlib.util import find_spec

if missing := [name for name in {_NEEDED} if find_spec(name) is None]:
    print(f"{{sys.executable}} lacks {{', '.join(missing)}}", file=sys.stderr)
    sys.exit({EXIT_NO_PACKAGES})

from experiments.submission.driver import main

main()
"""


@dataclass(frozen=True)
class Handed:
    """A run for a driver elsewhere. It is written to private files only, as it has secrets.

    Attributes:
        config: whole; its interpolations are resolved.
        name: of the run.
        variables: of the environment.
    """

    config: Config
    name: str
    variables: Mapping[str, str] = field(default_factory=dict)


def variables_to_hand() -> dict[str, str]:
    """Those of this process that stores ask for."""
    return {key: value for key, value in os.environ.items() if key.startswith(_GIVEN)}


def write(handed: Handed, folder: Path) -> None:
    """The driver's program, and the archive with this package and what is handed over, for their owner alone."""
    (folder / "driver.py").write_text(_DRIVER.lstrip())
    archive = folder / "submission.zip"
    archive.touch(mode=0o600)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        add_package(zipped)
        zipped.writestr(FILE, pickle.dumps(handed))


def read() -> Handed:
    """What was handed to this process, which is the driver."""
    handed = pickle.loads((Path(UNPACKED) / FILE).read_bytes())
    assert isinstance(handed, Handed)
    return handed
