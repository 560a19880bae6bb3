"""Machine learning experiments on Spark: composed by Hydra, fitted by Spark ML, recorded by MLflow.

>>> from experiments import load
>>> load(["model=ridge", "data=diabetes"]).model.name
'ridge'
"""

from __future__ import annotations

import importlib
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from experiments.config.compose import load
    from experiments.config.schema import Config
    from experiments.errors import ConfigError, ExperimentError
    from experiments.tracking.runs import runs

try:
    __version__ = version("spark-experiments")
except PackageNotFoundError:  # `mlflow run` in an environment that holds only the dependencies
    __version__ = "0+checkout"

# Where the public names are. Found when they are asked for: a training process has this package too, but not Hydra.
_PLACES = {
    "Config": "config.schema",
    "ConfigError": "errors",
    "ExperimentError": "errors",
    "load": "config.compose",
    "runs": "tracking.runs",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'experiments' has no attribute '{name}'")
    return getattr(importlib.import_module(f"experiments.{_PLACES[name]}"), name)


__all__ = ["Config", "ConfigError", "ExperimentError", "__version__", "load", "runs"]
