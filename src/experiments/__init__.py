"""Machine learning experiments on Spark: composed by Hydra, fitted by Spark ML, recorded by MLflow.

>>> import experiments
>>> experiments.load(["model=ridge", "data=diabetes"]).model.name
'ridge'

`experiments.run(["model=ridge"])` is one tracked run, `experiments.sweep(["model=ridge,lasso"])` a run for each in one
Spark session, `experiments.compare()` shows them side by side, `experiments.load_model(result)` scores pandas frames.
Words are those of the command line; `experiments.load(words)` composes them without running anything.

The functions are `run`, `sweep`, `compare`, `runs`, `load` and `load_model`; `help(experiments.run)` tells of one.
"""

from __future__ import annotations

import importlib
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from experiments.api import compare, load_model, run, sweep
    from experiments.config.compose import load
    from experiments.config.schema import Config
    from experiments.errors import ConfigError, ExperimentError
    from experiments.experiment import Result
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
    "Result": "experiment",
    "compare": "api",
    "load": "config.compose",
    "load_model": "api",
    "run": "api",
    "runs": "tracking.runs",
    "sweep": "api",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'experiments' has no attribute '{name}'")
    return getattr(importlib.import_module(f"experiments.{_PLACES[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *_PLACES]


__all__ = [
    "Config",
    "ConfigError",
    "ExperimentError",
    "Result",
    "__version__",
    "compare",
    "load",
    "load_model",
    "run",
    "runs",
    "sweep",
]
