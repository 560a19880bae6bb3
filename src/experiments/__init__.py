"""Machine learning experiments on Spark: composed by Hydra, fitted by Spark ML, recorded by MLflow.

>>> from experiments import load
>>> load(["model=ridge", "data=diabetes"]).model.name
'ridge'
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from experiments.config import Config, load
from experiments.errors import ConfigError, ExperimentError

if TYPE_CHECKING:
    import pandas as pd

try:
    __version__ = version("spark-experiments")
except PackageNotFoundError:  # `mlflow run` in an environment that holds only the dependencies
    __version__ = "0+checkout"


def runs(of: str | None = None, words: Sequence[str] = ()) -> pd.DataFrame:
    """Recorded runs as a table; see `experiments.comparison.runs`."""
    from experiments import comparison

    return comparison.runs(of, words)


__all__ = ["Config", "ConfigError", "ExperimentError", "__version__", "load", "runs"]
