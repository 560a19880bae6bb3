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
# Of these what names a file or a profile of the machine that it was set on.
_OF_HERE = (
    *("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CA_BUNDLE"),
    *("AWS_WEB_IDENTITY_TOKEN_FILE", "DATABRICKS_CONFIG_FILE", "DATABRICKS_CONFIG_PROFILE"),
    *("MLFLOW_TRACKING_SERVER_CERT_PATH", "MLFLOW_TRACKING_CLIENT_CERT_PATH"),
)
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
    """Those of this process that stores ask for, and that mean the same elsewhere."""
    return {key: value for key, value in os.environ.items() if key.startswith(_GIVEN) and key not in _OF_HERE}


def variables_of_here() -> list[str]:
    """The names of those that are not handed over."""
    return [key for key in _OF_HERE if key in os.environ]


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
