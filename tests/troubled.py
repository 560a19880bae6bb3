"""A linear regression that goes wrong, or lasts, in the phase of a run that its parameters name."""

import os

from pyspark import keyword_only
from pyspark.ml.param import Param, Params, TypeConverters
from pyspark.ml.regression import LinearRegression, LinearRegressionModel
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

NAP = "java_method('java.lang.Thread', 'sleep', 200000L)"


class Troubled(LinearRegression):
    """Spark's own, but for one moment.

    Attributes:
        phase: `fit`, `evaluate` or `log`.
        trouble: `raise` an error, `last` as a job of Spark's that takes minutes, or `kill` a worker of Python's.
    """

    phase = Param(Params._dummy(), "phase", "fit, evaluate or log", TypeConverters.toString)
    trouble = Param(Params._dummy(), "trouble", "raise, last or kill", TypeConverters.toString)

    @keyword_only
    def __init__(self, **words):
        super().__init__()
        self._setDefault(phase="fit", trouble="last")
        self._set(**words)

    def _fit(self, dataset):
        act(self, "fit")
        known = {param.name: value for param, value in self._paramMap.items() if param.name not in ("phase", "trouble")}
        model = LinearRegression(**known).fit(dataset)
        model.__class__ = TroubledModel
        model.estimator = self
        return model


class TroubledModel(LinearRegressionModel):
    """What it fits; saved as Spark's own."""

    def transform(self, dataset, params=None):
        made = super().transform(dataset, params)
        if self.estimator.getOrDefault("phase") != "evaluate":
            return made
        trouble = self.estimator.getOrDefault("trouble")
        return made.where(f"{NAP} IS NOT NULL" if trouble == "last" else "raise_error('the sum is wrong') IS NULL")

    def _to_java(self):
        """Asked when the pipeline is written, which Spark does as a whole."""
        act(self.estimator, "log")
        return super()._to_java()


def act(estimator, phase):
    if estimator.getOrDefault("phase") != phase:
        return
    trouble, spark = estimator.getOrDefault("trouble"), SparkSession.active()
    if trouble == "raise":
        raise ArithmeticError("the sum is wrong")
    if trouble == "kill":
        spark.range(1).select(F.udf(lambda _: os.kill(os.getpid(), 9), "int")("id")).collect()
    spark.sql(f"SELECT {NAP}").collect()
