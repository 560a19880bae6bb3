"""What a fitted pipeline makes of the rows, once, and what is asked of that by metrics and figures alike."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from experiments.config import Task
from experiments.curves import Curve, count_by_score
from experiments.data.caching import cached
from experiments.data.dataset import HELD_OUT, Dataset
from experiments.features import feature_names

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pyspark.ml import PipelineModel
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType

# What models make of the rows, by the names that Spark gives it.
_OUTPUTS = ("prediction", "probability", "rawPrediction", "topicDistribution")


@dataclass(frozen=True)
class Spread:
    """Of rows and of their projections on orthonormal directions: mean squared distance from what is projected on.

    Attributes:
        total: of the rows, from their mean (PCA) or from zero (SVD).
        components: of the projections, shape (k,).
    """

    total: float
    components: NDArray[np.float64]

    @property
    def kept(self) -> float:
        return float(self.components.sum())


@dataclass(frozen=True)
class Scored:
    """A fitted pipeline with what it makes of the rows.

    Attributes:
        fitted: the pipeline; its last stage is the model.
        rows: all rows, cached: label, the model's outputs, boolean `_held_out`, and the column that the model reads
            where the outputs cannot be judged without it.
        dataset: what it was fitted on.
        task: what it is for.
        features_column: the vector column that the model reads, or None.
        schema: of the rows after every stage.
    """

    fitted: PipelineModel
    rows: DataFrame
    dataset: Dataset
    task: Task
    features_column: str | None
    schema: StructType

    @property
    def model(self) -> Any:
        return self.fitted.stages[-1]

    @property
    def judged_side(self) -> bool:
        """The value of `_held_out` of the rows that count for a judgement: the held-out ones, or all where none are."""
        return self.dataset.test_rows > 0

    @cached_property
    def judged(self) -> DataFrame:
        return self.side(self.judged_side)

    def side(self, held_out: bool) -> DataFrame:
        """The rows that are held out, or the others."""
        return self.rows.where(HELD_OUT if held_out else f"NOT {HELD_OUT}")

    @property
    def judged_rows(self) -> int:
        return self.dataset.test_rows or self.dataset.train_rows

    @property
    def judged_name(self) -> str:
        return "test" if self.judged_side else "training"

    @cached_property
    def feature_names(self) -> list[str]:
        """The data's names for the entries of the features, in order; empty where nobody knows them."""
        if self.features_column is None:
            return []
        return feature_names(self.fitted, self.schema, self.features_column, self.dataset.train)

    def name(self, index: int) -> str:
        """The data's name for an entry of the features."""
        return self.feature_names[index] if index < len(self.feature_names) else f"features_{index}"

    @cached_property
    def spread(self) -> Spread:
        """Of the judged rows of a decomposition."""
        return spread_of(self.judged, self.features_column, self.model)

    @cached_property
    def confusions(self) -> list[Any]:
        """`held_out`, `true`, `predicted`, `rows`, `log_loss` (sum): a line for each pair of classes of a side."""
        from pyspark.ml.functions import vector_to_array
        from pyspark.sql import functions as F

        label = self.dataset.label
        assert label is not None
        loss = F.lit(None).cast("double")
        if "probability" in self.rows.columns:
            # A model that was fitted without the last class has no entry for it.
            of_truth = F.get(vector_to_array("probability"), F.col(label).cast("int"))
            loss = -F.log(F.greatest(of_truth, F.lit(1e-15)))  # `greatest` leaves out a null
        keys = (F.col(HELD_OUT).alias("held_out"), F.col(label).alias("true"), F.col("prediction").alias("predicted"))
        grouped = self.rows.groupBy(*keys).agg(F.count("*").alias("rows"), F.sum(loss).alias("log_loss"))
        return sorted(grouped.collect())

    @cached_property
    def errors(self) -> dict[bool, Any]:
        """Of a regression, by `_held_out`: `mse`, `mae`, and the `variance` of the label."""
        from pyspark.sql import functions as F

        label = F.col(self.dataset.label or "")
        error = label - F.col("prediction")
        measures = {"mse": F.avg(error * error), "mae": F.avg(F.abs(error)), "variance": F.var_pop(label)}
        grouped = self.rows.groupBy(HELD_OUT).agg(*(measure.alias(name) for name, measure in measures.items()))
        return {row[HELD_OUT]: row for row in grouped.collect()}

    @cached_property
    def curves(self) -> dict[tuple[bool, int], Curve]:
        """Rows and positives by the score of a class, for each side and class.

        Of two classes the second alone; of more only the side that is judged, as their areas are no metrics.
        """
        rows = self.rows if self.dataset.classes == 2 else self.judged
        return count_by_score(rows, self.dataset.label, self.dataset.classes)

    @cached_property
    def cluster_sizes(self) -> dict[bool, Counter[int]]:
        """Rows of each cluster, by `_held_out`."""
        sizes: dict[bool, Counter[int]] = {False: Counter(), True: Counter()}
        for row in self.rows.groupBy(HELD_OUT, "prediction").count().collect():
            sizes[row[HELD_OUT]][int(row["prediction"])] = row["count"]
        return sizes


@contextlib.contextmanager
def score(fitted: PipelineModel, dataset: Dataset, task: Task) -> Iterator[Scored]:
    """What a pipeline makes of all rows, narrow and cached until the end of the block. Runs on the driver."""
    scored = scored_rows(fitted, fitted.transform(dataset.rows), dataset, task)
    with cached(scored.rows) as narrow:
        yield replace(scored, rows=narrow)


def scored_rows(fitted: PipelineModel, transformed: DataFrame, dataset: Dataset, task: Task) -> Scored:
    """The columns that a judgement needs. Nothing is computed yet."""
    model = fitted.stages[-1]
    reads = next((name for name in ("featuresCol", "inputCol") if model.hasParam(name)), None)
    features = model.getOrDefault(reads) if reads else None
    outputs = [name for name in transformed.columns if name in _OUTPUTS]
    if model.hasParam("outputCol"):
        outputs.append(model.getOutputCol())
    # Text makes wide vectors, so they are kept only where distances or reconstructions are judged.
    judged_by_features = [] if task.supervised else [features]
    kept = [name for name in (dataset.label, *outputs, *judged_by_features, HELD_OUT) if name in transformed.columns]
    rows = transformed.select(*dict.fromkeys(kept))
    return Scored(fitted, rows, dataset, task, features, transformed.schema)


def summary_of(model: Any) -> Any:
    """What Spark kept of the fit, or None: a property of some models and a method of others."""
    if not getattr(model, "hasSummary", False):
        return None
    return model.summary() if callable(model.summary) else model.summary


def spread_of(rows: DataFrame, features: str | None, model: Any) -> Spread:
    """One pass over the rows. The directions are orthonormal, so that what is lost is the difference."""
    from pyspark.ml.stat import Summarizer
    from pyspark.sql import functions as F

    summary = Summarizer.metrics("count", "variance", "normL2")
    both = [summary.summary(F.col(name)) for name in (features, model.getOutputCol())]
    wide, narrow = rows.select(*both).first()
    count = wide["count"]
    if type(model).__name__ == "PCAModel":
        scale = (count - 1) / count  # Spark divides by one less
        return Spread(float(wide["variance"].toArray().sum() * scale), narrow["variance"].toArray() * scale)
    return Spread(float((wide["normL2"].toArray() ** 2).sum() / count), narrow["normL2"].toArray() ** 2 / count)
