"""A fitted pipeline as files that MLflow knows: signature, input example, requirements, Spark's own format."""

from __future__ import annotations

import contextlib
import io
import sys
import threading
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.data.dataset import Dataset
from experiments.data.names import quoted
from experiments.errors import ExperimentError

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.entities import LoggedModel
    from mlflow.models.signature import ModelSignature
    from pyspark.ml import PipelineModel

_settling = threading.Lock()
OUR_PACKAGE = Path(__file__).parents[1]
EXAMPLE_ROWS = 5
MOST_EXAMPLE_VALUES = 50_000
# Spark's short type names as MLflow's.
_TYPES = {
    "double": "double",
    "float": "float",
    "bigint": "long",
    "int": "integer",
    "smallint": "integer",
    "tinyint": "integer",
    "boolean": "boolean",
    "date": "datetime",
    "timestamp": "datetime",
    "timestamp_ntz": "datetime",
    "binary": "binary",
}


def save_model(
    fitted: PipelineModel, dataset: Dataset, logged: LoggedModel, path: Path, shared_folder: str | None
) -> None:
    """Save a model to a folder of this machine.

    `mlflow.spark.log_model` as it comes starts a second JVM to find the requirements that are written here.

    Args:
        shared_folder: that the driver and all executors see; a folder of this machine if None.

    Raises:
        ExperimentError: where the executors did not write to that folder.
    """
    import mlflow.spark
    from mlflow.models import Model

    _settle_connect()
    mlflow.spark.save_model(
        _with_names(fitted, dataset),
        path,
        Model(
            logged.artifact_location,
            run_id=logged.source_run_id,
            model_uuid=logged.model_id,
            model_id=logged.model_id,
        ),
        pip_requirements=[f"{package}=={version(package)}" for package in _requirements(fitted)],
        signature=_signature(dataset.feature_types),
        input_example=_example(dataset),
        dfs_tmpdir=shared_folder,
        code_paths=[str(OUR_PACKAGE)] if _needs_our_code(fitted) else None,
    )
    _check_parts(path / "sparkml")


def _settle_connect() -> None:
    """Import Spark Connect, for which MLflow asks at each model, or let nobody find it.

    Where a package of its is missing and the main module has no file, as in `python -c`, PySpark takes the process for
    one of its doctests and ends it, with the exit code 0.
    """
    with _settling:
        if "pyspark.ml.connect" not in sys.modules:
            try:
                with contextlib.redirect_stderr(io.StringIO()):
                    import pyspark.ml.connect  # noqa: F401
            except (ImportError, SystemExit):
                sys.modules["pyspark.ml.connect"] = None  # type: ignore[assignment]  # so that an import of it fails


def _with_names(fitted: PipelineModel, dataset: Dataset) -> PipelineModel:
    """A classifier of labels that were numbered here says them in the data's own names too: `predicted_LABEL`."""
    from pyspark.ml import PipelineModel
    from pyspark.ml.feature import IndexToString

    if not dataset.is_indexed:
        return fitted
    names = IndexToString(inputCol="prediction", outputCol=f"predicted_{dataset.label}", labels=dataset.class_names)
    return PipelineModel([*fitted.stages, names])


def _requirements(fitted: PipelineModel) -> list[str]:
    """Packages that the model needs; a stage may say what it needs beside Spark."""
    own = [package for stage in fitted.stages for package in getattr(stage, "pip_requirements", ())]
    return ["mlflow", "pyspark", "numpy", *dict.fromkeys(own)]


def _needs_our_code(fitted: PipelineModel) -> bool:
    return any(type(stage).__module__.startswith("experiments.") for stage in fitted.stages)


def _signature(types: dict[str, str]) -> ModelSignature:
    """The data's columns in, the prediction out."""
    from mlflow.models.signature import ModelSignature
    from mlflow.types import ColSpec, Schema

    return ModelSignature(
        Schema([ColSpec(_type(kind), name) for name, kind in types.items()]), Schema([ColSpec("double")])
    )


def _type(kind: str) -> Any:
    from mlflow.types.schema import Array, SparkMLVector

    if kind == "vector":
        return SparkMLVector()
    if kind.startswith("decimal"):
        return "double"
    if kind.startswith("array<"):
        return Array(_type(kind.removeprefix("array<").removesuffix(">")))
    return _TYPES.get(kind, "string")


def _example(dataset: Dataset) -> pd.DataFrame | None:
    """The first training rows, vectors as lists; none when that would be a large file."""
    from pyspark.sql import functions as F

    columns = [
        F.col(quoted(name)).cast("double").alias(name) if kind.startswith("decimal") else F.col(quoted(name))
        for name, kind in dataset.feature_types.items()
    ]
    example: pd.DataFrame = dataset.train.select(*columns).limit(EXAMPLE_ROWS).toPandas()
    vectors = [name for name, kind in dataset.feature_types.items() if kind == "vector"]
    values = len(example.columns) + sum(len(vector) for name in vectors for vector in example[name][:1])
    if values * EXAMPLE_ROWS > MOST_EXAMPLE_VALUES:
        return None
    for name in vectors:
        example[name] = [vector.toArray().tolist() for vector in example[name]]
    return example


def _check_parts(folder: Path) -> None:
    """Every part of a saved pipeline must have arrived: executors may have written to disks of their own.

    Raises:
        ExperimentError: naming a part that is empty.
    """
    for data in folder.rglob("data"):
        # Some models keep a folder of that name within it.
        if data.is_dir() and not any(data.rglob("part-*")):
            raise ExperimentError(
                f"cluster.shared_folder must be a folder that the driver and all executors see: the saved model came "
                f"back without the content of {data.relative_to(folder)}"
            )
