"""The data's own names and units for the entries of a vector column somewhere in a fitted pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pyspark.ml import PipelineModel
    from pyspark.sql.types import StructType


def feature_names(fitted: PipelineModel, schema: StructType, column: str) -> list[str]:
    """Names of a vector's entries, from the metadata that Spark's assembler leaves on its column.

    Scalers drop that metadata but keep the order, so the column that they read is asked instead.

    Args:
        schema: of the rows after the pipeline.
    """
    scaler = _scaler_of(fitted, column)
    if scaler is not None:
        return feature_names(fitted, schema, scaler.getInputCol())
    if column not in schema.names:
        return []
    known = schema[column].metadata.get("ml_attr", {})
    named = {entry["idx"]: entry.get("name") for group in known.get("attrs", {}).values() for entry in group}
    # Spark leaves out entries of which it knows nothing.
    width = known.get("num_attrs", max(named, default=-1) + 1)
    return [named.get(index) or f"{column}_{index}" for index in range(width)]


def is_scaled(fitted: PipelineModel, column: str) -> bool:
    """Whether a scaler made a column, so that its entries are not in the data's units."""
    return _scaler_of(fitted, column) is not None


def own_units(fitted: PipelineModel, column: str, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points of a vector column in the units of the data: what scalers before it did is undone.

    Args:
        points: shape (points, entries).
    """
    scaler = _scaler_of(fitted, column)
    if scaler is None:
        return points
    return own_units(fitted, scaler.getInputCol(), _SCALERS[type(scaler).__name__](scaler, points))


def _scaler_of(fitted: PipelineModel, column: str) -> Any:
    """The scaler that made a column, or None."""
    for stage in fitted.stages:
        if type(stage).__name__ in _SCALERS and stage.getOutputCol() == column:
            return stage
    return None


def _undo_standard(model: Any, points: NDArray[np.float64]) -> NDArray[np.float64]:
    # Spark leaves an entry without variance at 0.
    points = points * model.std.toArray() if model.getWithStd() else points
    return points + model.mean.toArray() if model.getWithMean() else points


def _undo_min_max(model: Any, points: NDArray[np.float64]) -> NDArray[np.float64]:
    low, high = model.originalMin.toArray(), model.originalMax.toArray()
    share = (points - model.getMin()) / (model.getMax() - model.getMin())
    return np.where(high > low, low + share * (high - low), low)


def _undo_max_abs(model: Any, points: NDArray[np.float64]) -> NDArray[np.float64]:
    units: NDArray[np.float64] = points * model.maxAbs.toArray()
    return units


def _undo_robust(model: Any, points: NDArray[np.float64]) -> NDArray[np.float64]:
    points = points * model.range.toArray() if model.getWithScaling() else points
    return points + model.median.toArray() if model.getWithCentering() else points


_SCALERS = {
    "StandardScalerModel": _undo_standard,
    "MinMaxScalerModel": _undo_min_max,
    "MaxAbsScalerModel": _undo_max_abs,
    "RobustScalerModel": _undo_robust,
}
