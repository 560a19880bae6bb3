"""Dates as the numbers that models can learn from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyspark import keyword_only
from pyspark.ml import Transformer
from pyspark.ml.param.shared import HasInputCols, HasOutputCols
from pyspark.ml.util import DefaultParamsReadable, DefaultParamsWritable

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


class DateParts(Transformer, HasInputCols, HasOutputCols, DefaultParamsReadable["DateParts"], DefaultParamsWritable):
    """Each date or timestamp as a vector: year, month (1 to 12), day of the week (1 Sunday to 7), seconds since 1970.

    They are `DATE_PARTS`. A date that is missing is a null. Days begin at midnight of the session's time zone.
    """

    @keyword_only
    def __init__(self, *, inputCols: list[str] | None = None, outputCols: list[str] | None = None) -> None:
        super().__init__()
        self._set(**self._input_kwargs)

    def _transform(self, dataset: DataFrame) -> DataFrame:
        from pyspark.ml.functions import array_to_vector
        from pyspark.sql import functions as F

        def parts(name: str) -> Any:
            date = F.col(name).cast("timestamp")
            numbers = (F.year(date), F.month(date), F.dayofweek(date), F.unix_timestamp(date))
            return F.when(date.isNotNull(), array_to_vector(F.array(*(number.cast("double") for number in numbers))))

        names = zip(self.getInputCols(), self.getOutputCols(), strict=True)
        return dataset.withColumns({made: parts(read) for read, made in names})
