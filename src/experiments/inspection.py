"""What a fitted pipeline has learnt, with the data's column names. A new kind of output is one function here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.ml import PipelineModel
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class Output:
    """Something learnt.

    Attributes:
        name: of its file in the run.
        rows: table rows by column name.
    """

    name: str
    rows: list[dict[str, Any]]


def inspect(fitted: PipelineModel, predictions: DataFrame) -> list[Output]:
    """Every output that this model has."""
    model = fitted.stages[-1]
    names = feature_names(predictions, model.getOrDefault("featuresCol")) if model.hasParam("featuresCol") else []
    return [output for function in OUTPUTS for output in function(model, names)]


def feature_names(predictions: DataFrame, column: str) -> list[str]:
    """Names of a vector column's entries, from the metadata that Spark's assembler leaves there."""
    groups = predictions.schema[column].metadata.get("ml_attr", {}).get("attrs", {})
    named = {attribute["idx"]: attribute["name"] for group in groups.values() for attribute in group}
    return [named[index] for index in sorted(named)]


def _name(names: list[str], index: int) -> str:
    return names[index] if index < len(names) else f"features_{index}"


def importances(model: Any, names: list[str]) -> Iterator[Output]:
    if hasattr(model, "featureImportances"):
        values = model.featureImportances.toArray()
        rows = [{"feature": _name(names, index), "importance": float(value)} for index, value in enumerate(values)]
        yield Output("feature_importances", sorted(rows, key=lambda row: -row["importance"]))


def coefficients(model: Any, names: list[str]) -> Iterator[Output]:
    if hasattr(model, "coefficients") and hasattr(model, "intercept"):
        values = model.coefficients.toArray()
        rows = [{"feature": _name(names, index), "coefficient": float(value)} for index, value in enumerate(values)]
        yield Output(
            "coefficients",
            [*rows, {"feature": "(intercept)", "coefficient": float(model.intercept)}],
        )


def centres(model: Any, names: list[str]) -> Iterator[Output]:
    if hasattr(model, "clusterCenters"):
        yield Output(
            "cluster_centres",
            [
                {"cluster": cluster, **{_name(names, index): float(value) for index, value in enumerate(centre)}}
                for cluster, centre in enumerate(model.clusterCenters())
            ],
        )


OUTPUTS: tuple[Callable[[Any, list[str]], Iterator[Output]], ...] = (importances, coefficients, centres)
