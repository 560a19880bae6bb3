"""Singular value decomposition of a vector column, which Spark has only for matrices of its older API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pyspark import StorageLevel, keyword_only
from pyspark.ml import Estimator, Model
from pyspark.ml.linalg import DenseMatrix, DenseVector
from pyspark.ml.param import Param, Params, TypeConverters
from pyspark.ml.param.shared import HasInputCol, HasOutputCol
from pyspark.ml.util import (
    DefaultParamsReadable,
    DefaultParamsReader,
    DefaultParamsWritable,
    DefaultParamsWriter,
    MLReadable,
    MLReader,
    MLWritable,
    MLWriter,
)

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


class _SVDParams(HasInputCol, HasOutputCol):
    k: Param[int] = Param(
        Params._dummy(), "k", "number of singular values (> 0, at most the columns)", TypeConverters.toInt
    )
    rCond: Param[float] = Param(
        Params._dummy(),
        "rCond",
        "singular values below rCond times the largest count as zero (>= 0)",
        TypeConverters.toFloat,
    )

    def getK(self) -> int:
        k: int = self.getOrDefault(self.k)
        return k

    def getRCond(self) -> float:
        r_cond: float = self.getOrDefault(self.rCond)
        return r_cond


class SVD(Estimator["SVDModel"], _SVDParams, DefaultParamsReadable["SVD"], DefaultParamsWritable):
    """The k largest singular values of the rows of a vector column, and their right singular vectors.

    Rows are taken as they are: put a scaler with `withMean` before it to centre them. Computed by Spark's
    `RowMatrix.computeSVD`; only the values and the vectors come to the driver, nothing of the size of the rows.
    """

    @keyword_only
    def __init__(
        self, *, inputCol: str | None = None, outputCol: str | None = None, k: int | None = None, rCond: float = 1e-9
    ) -> None:
        super().__init__()
        self._setDefault(rCond=1e-9)
        self._set(**self._input_kwargs)

    def _fit(self, dataset: DataFrame) -> SVDModel:
        from pyspark.mllib.linalg.distributed import RowMatrix
        from pyspark.mllib.util import MLUtils

        if not self.isDefined(self.k):
            raise ValueError("k must be the number of singular values, got none")
        column = self.getInputCol()
        # The rows are read several times; the matrix is made of them in Java, without Python in between.
        vectors = dataset.select(column).persist(StorageLevel.MEMORY_AND_DISK)
        try:
            matrix = RowMatrix(MLUtils.convertVectorColumnsFromML(vectors, column))
            # Asked for few values, Spark's ARPACK runs over its work space on some rows. Of few columns it takes LAPACK
            # when a third of the values are asked for; of many, ten give ARPACK as much room as scipy's has at least.
            columns = matrix.numCols()
            asked = max(self.getK(), min(columns, 34 if columns < 100 else 10))
            found = matrix.computeSVD(asked, computeU=False, rCond=self.getRCond())
        finally:
            vectors.unpersist()
        values, vectors_right = found.s.toArray()[: self.getK()], found.V.toArray()[:, : self.getK()]
        # A vector's sign is free: its largest entry is made positive, so that a second run gives the same.
        largest = np.abs(vectors_right).argmax(axis=0)
        signs = np.sign(vectors_right[largest, np.arange(len(values))])
        return self._copyValues(SVDModel(values, vectors_right * signs))


class SVDModel(Model, _SVDParams, MLReadable["SVDModel"], MLWritable):
    """Projects rows on right singular vectors: x becomes x V, a vector of k entries, in Java.

    Attributes:
        s: singular values, the largest first, shape (k,).
        V: right singular vectors in columns, shape (columns, k).
    """

    def __init__(self, s: np.ndarray[Any, Any] | None = None, V: np.ndarray[Any, Any] | None = None) -> None:
        super().__init__()
        self._setDefault(rCond=1e-9)
        self.s = DenseVector([] if s is None else s)
        V = np.zeros((0, 0)) if V is None else V
        self.V = DenseMatrix(*V.shape, V.ravel(order="F"))

    def _transform(self, dataset: DataFrame) -> DataFrame:
        return self._projection().transform(dataset)

    def _projection(self) -> Any:
        """Spark's own projection on the columns of a matrix, which it has as the model of its PCA."""
        from pyspark import SparkContext
        from pyspark.ml.common import _py2java
        from pyspark.ml.feature import PCAModel

        context = SparkContext.getOrCreate()
        assert context._jvm is not None
        java = context._jvm.org.apache.spark.ml.feature.PCAModel(
            self.uid, _py2java(context, self.V), _py2java(context, self.s)
        )
        projection = PCAModel(java)
        projection._set(inputCol=self.getInputCol(), outputCol=self.getOutputCol(), k=len(self.s))
        return projection

    def write(self) -> MLWriter:
        return _SVDModelWriter(self)

    @classmethod
    def read(cls) -> MLReader[SVDModel]:
        return _SVDModelReader()


class _SVDModelWriter(MLWriter):
    def __init__(self, model: SVDModel) -> None:
        super().__init__()
        self.model = model

    def saveImpl(self, path: str) -> None:
        DefaultParamsWriter.saveMetadata(self.model, path, self.sparkSession)
        rows = self.sparkSession.createDataFrame([(self.model.s, self.model.V)], ["s", "V"])
        rows.coalesce(1).write.parquet(f"{path}/data")


class _SVDModelReader(MLReader[SVDModel]):
    def load(self, path: str) -> SVDModel:
        session: SparkSession = self.sparkSession
        metadata = DefaultParamsReader.loadMetadata(path, session)
        (row,) = session.read.parquet(f"{path}/data").collect()
        model = SVDModel(row["s"].toArray(), row["V"].toArray())
        model._resetUid(metadata["uid"])
        DefaultParamsReader.getAndSetParams(model, metadata)
        return model
