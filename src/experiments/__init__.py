"""Machine learning experiments on Spark: composed by Hydra, fitted by Spark ML, recorded by MLflow.

>>> from experiments import load
>>> load(["model=ridge", "data=diabetes"]).model.name
'ridge'
"""

from importlib.metadata import PackageNotFoundError, version

from experiments.config import Config, load
from experiments.errors import ConfigError, ExperimentError

try:
    __version__ = version("spark-experiments")
except PackageNotFoundError:  # `mlflow run` in an environment that holds only the dependencies
    __version__ = "0+checkout"

__all__ = ["Config", "ConfigError", "ExperimentError", "__version__", "load"]
