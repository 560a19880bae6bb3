"""Texts as the numbers that models can learn from, by how many values a column has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pyspark import keyword_only
from pyspark.ml import Estimator, Model
from pyspark.ml.param import Param, Params, TypeConverters
from pyspark.ml.param.shared import HasInputCols, HasOutputCols
from pyspark.ml.util import DefaultParamsReadable, DefaultParamsWritable

from experiments.data.names import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pyspark.sql import Column, DataFrame

# Of a column's values the most frequent have a share of their own; the others count as new ones do.
MOST_SHARES = 10_000
# Of more values nobody wants an entry each.
MOST_ENTRIES = 1_000
MISSING = "(missing)"
SHARE = "share of rows"


class _Encoding(HasInputCols, HasOutputCols):
    """The parameters of the encoder and of what it fits."""

    mostValues: Param[int] = Param(
        Params._dummy(),
        "mostValues",
        "a column with more values becomes the share of the rows that have its value",
        TypeConverters.toInt,
    )


class CategoryEncoder(
    Estimator["CategoryEncoderModel"], _Encoding, DefaultParamsReadable["CategoryEncoder"], DefaultParamsWritable
):
    """Each column of texts as a vector.

    Of up to `mostValues` values each has an entry of 0 or 1, but for the most frequent, with which the others are
    compared and as which new ones count. Of more values there is one entry, the share of the training rows that have
    the row's value, of a new one that of the rarest: no row of the fit had less, and where nearly all values differ, a
    scale makes any other number a very large one. Missing is a value like others.
    """

    @keyword_only
    def __init__(
        self, *, inputCols: list[str] | None = None, outputCols: list[str] | None = None, mostValues: int = 20
    ) -> None:
        super().__init__()
        self._setDefault(mostValues=20)
        self._set(**self._input_kwargs)

    @classmethod
    def problems(cls, params: Mapping[str, Any], packages: Sequence[str]) -> list[str]:
        """What is wrong with values: each begins with a parameter's name."""
        most = params.get("mostValues", 1)
        return [] if 1 <= most <= MOST_ENTRIES else [f"mostValues must be from 1 to {MOST_ENTRIES:,}, got {most}"]

    def _fit(self, dataset: DataFrame) -> CategoryEncoderModel:
        """One look at the rows for all columns."""
        from pyspark.sql import Window
        from pyspark.sql import functions as F

        read = self.getInputCols()
        cells = F.array(
            *(
                F.struct(F.lit(place).alias("place"), F.col(name).cast("string").alias("value"))
                for place, name in enumerate(read)
            )
        )
        counted = dataset.select(F.inline(cells)).groupBy("place", "value").agg(F.count("*").alias("rows"))
        of_place = Window.partitionBy("place")
        found = (
            counted.withColumn("standing", F.row_number().over(of_place.orderBy(F.desc("rows"), "value")))
            .withColumn("share", F.col("rows") / F.sum("rows").over(of_place))
            .where(F.col("standing") <= MOST_SHARES)
            .orderBy("place", "standing")
            .collect()
        )
        rows_of = [[row for row in found if row["place"] == place] for place in range(len(read))]
        values = [[row["value"] for row in rows] for rows in rows_of]
        shares = [[row["share"] for row in rows] for rows in rows_of]
        return self._copyValues(CategoryEncoderModel(values=values, shares=shares))


class CategoryEncoderModel(Model, _Encoding, DefaultParamsReadable["CategoryEncoderModel"], DefaultParamsWritable):
    """A fitted `CategoryEncoder`: of each column the values, the most frequent first, and their shares of the rows."""

    values: Param[list[list[str | None]]] = Param(Params._dummy(), "values", "of each column, the most frequent first")
    shares: Param[list[list[float]]] = Param(Params._dummy(), "shares", "of the training rows, of each value")

    @keyword_only
    def __init__(
        self, *, values: list[list[str | None]] | None = None, shares: list[list[float]] | None = None
    ) -> None:
        super().__init__()
        self._setDefault(mostValues=20)
        self._set(**self._input_kwargs)

    def getValues(self) -> list[list[str | None]]:
        """Of each column, the most frequent first; None for missing."""
        return self.getOrDefault(self.values)

    def _transform(self, dataset: DataFrame) -> DataFrame:
        from pyspark.ml.feature import StringIndexerModel

        columns = list(
            zip(self.getInputCols(), self.getOutputCols(), self.getValues(), self.getOrDefault("shares"), strict=True)
        )
        most = self.getOrDefault("mostValues")
        few = {made: _entries(name, made, values) for name, made, values, _ in columns if len(values) <= most}
        rows = dataset.withColumns(few)
        for name, made, values, shares in columns:
            if made in few:
                continue
            # Java finds a text among thousands by its hash; a literal map would be searched from its beginning.
            known = [value for value in values if value is not None]
            indexer = StringIndexerModel.from_labels(known, name, f"{made}_index", handleInvalid="keep")
            missing = sum(share for value, share in zip(values, shares, strict=True) if value is None)
            of_known = [share for value, share in zip(values, shares, strict=True) if value is not None]
            rows = indexer.transform(rows).withColumn(made, _share(name, f"{made}_index", of_known, missing, made))
            rows = rows.drop(f"{made}_index")
        return rows


def _entries(name: str, made: str, values: list[str | None]) -> Column:
    """A vector with an entry of 0 or 1 for each value but the first."""
    from pyspark.sql import functions as F

    entries = [F.col(name).cast("string").eqNullSafe(F.lit(value)).cast("double") for value in values[1:]]
    names = [MISSING if value is None else value for value in values[1:]]
    return _vector(entries or [F.lit(0.0)], made, names or ["any"])


def _share(name: str, index: str, shares: list[float], missing: float, made: str) -> Column:
    """A vector of one entry: the share of the row's value, by its index among the known ones."""
    from pyspark.sql import functions as F

    rarest = min([*shares, missing] if missing else shares, default=missing)
    known = F.coalesce(F.get(F.lit(np.array(shares)), F.col(quoted(index)).cast("int")), F.lit(rarest))
    return _vector([F.when(F.col(name).isNull(), F.lit(missing or rarest)).otherwise(known)], made, [SHARE])


def _vector(entries: list[Any], made: str, names: list[str]) -> Column:
    """A vector column whose entries have names, as Spark's own stages leave them."""
    from pyspark.ml.functions import array_to_vector
    from pyspark.sql import functions as F

    attributes = [{"idx": place, "name": name} for place, name in enumerate(names)]
    described = {"ml_attr": {"attrs": {"numeric": attributes}, "num_attrs": len(names)}}
    return array_to_vector(F.array(*entries)).alias(made, metadata=described)
