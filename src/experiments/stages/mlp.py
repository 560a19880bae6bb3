"""A multilayer perceptron that finds the sizes of its first and last layer in the data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyspark import keyword_only
from pyspark.ml import Estimator
from pyspark.ml.classification import (
    MultilayerPerceptronClassificationModel,
    MultilayerPerceptronClassifier,
    _MultilayerPerceptronParams,
)
from pyspark.ml.param import Param, Params, TypeConverters
from pyspark.ml.util import DefaultParamsReadable, DefaultParamsWritable

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


class MultilayerPerceptron(
    Estimator["MultilayerPerceptronClassificationModel"],
    _MultilayerPerceptronParams,
    DefaultParamsReadable["MultilayerPerceptron"],
    DefaultParamsWritable,
):
    """Spark's `MultilayerPerceptronClassifier`, told only its hidden layers; its model is Spark's own.

    `layers` is Spark's parameter, all layers from input to output; set, it must fit the data.
    """

    hiddenLayers: Param[list[int]] = Param(
        Params._dummy(), "hiddenLayers", "sizes of the layers between input and output", TypeConverters.toListInt
    )

    @keyword_only
    def __init__(self, **params: Any) -> None:
        super().__init__()
        self._setDefault(hiddenLayers=[])
        self._set(**self._input_kwargs)

    def _fit(self, dataset: DataFrame) -> MultilayerPerceptronClassificationModel:
        from pyspark.sql import functions as F

        label, features = self.getLabelCol(), self.getFeaturesCol()
        # The label of a fit is numbered from 0.
        found = dataset.agg(F.max(F.col(label)).alias("label"), F.first(F.col(features)).alias("features")).first()
        if found is None or found["features"] is None:
            raise ValueError("the perceptron must have rows to learn from, got none")
        inputs, classes = len(found["features"]), max(2, int(found["label"]) + 1)
        layers = [inputs, *self.getOrDefault(self.hiddenLayers), classes]
        if self.isSet(self.layers):
            layers = self._checked(self.getLayers(), inputs, classes)
        # Spark has a parameter for each of ours but one.
        params = {param.name: value for param, value in self._paramMap.items() if param.name != "hiddenLayers"}
        return MultilayerPerceptronClassifier()._set(**{**params, "layers": layers}).fit(dataset)

    def _checked(self, layers: list[int], inputs: int, classes: int) -> list[int]:
        if layers[0] != inputs or layers[-1] < classes:
            raise ValueError(
                f"layers must begin with the {inputs} features and end with the {classes} classes, got {layers}; "
                "leave it unset and set hiddenLayers"
            )
        return layers
