"""Texts as the words that they are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark import keyword_only
from pyspark.ml import Transformer
from pyspark.ml.param.shared import HasInputCol, HasOutputCol
from pyspark.ml.util import DefaultParamsReadable, DefaultParamsWritable

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


class Words(Transformer, HasInputCol, HasOutputCol, DefaultParamsReadable["Words"], DefaultParamsWritable):
    """A text in small letters, parted at blanks, as Spark's Tokenizer does it; one that is missing has no words.

    Spark's own ends with a NullPointerException there.
    """

    @keyword_only
    def __init__(self, *, inputCol: str | None = None, outputCol: str | None = None) -> None:
        super().__init__()
        self._set(**self._input_kwargs)

    def _transform(self, dataset: DataFrame) -> DataFrame:
        from pyspark.sql import functions as F

        text = F.col(self.getInputCol())
        words = F.when(text.isNull(), F.array().cast("array<string>")).otherwise(F.split(F.lower(text), r"\s"))
        return dataset.withColumn(self.getOutputCol(), words)
