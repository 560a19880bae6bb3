"""What a fitted pipeline makes of the rows, once, and what is asked of that by metrics and figures alike."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from experiments.config.schema import Task
from experiments.data.caching import cached
from experiments.data.dataset import HELD_OUT, Dataset
from experiments.evaluation import regression
from experiments.evaluation.confusion import Confusion, confusions_of
from experiments.evaluation.curves import Curve, by_score, curves_of, has_scores
from experiments.evaluation.feature_names import feature_names
from experiments.evaluation.regression import Errors, Predicted
from experiments.evaluation.spread import Spread, spread_of

if TYPE_CHECKING:
    from pyspark.ml import PipelineModel
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType

    from experiments.pipeline.fitting import Made

# Of so many rows the deviations of features are taken, of wide ones of fewer.
DEVIATION_ROWS = 1_000
LEAST_DEVIATION_ROWS = 50
DEVIATION_VALUES = 1_000_000
# Of many training rows one in so many is judged, no fewer than these: their metrics are there to be held against those
# of the test rows, and the mean of as many is sure to its third digit.
MOST_TRAINING_ROWS = 200_000
# What models make of the rows, by the names that Spark gives it.
_OUTPUTS = ("prediction", "probability", "rawPrediction", "topicDistribution")


@dataclass(frozen=True)
class Scored:
    """A fitted pipeline with what it makes of the rows.

    Attributes:
        fitted: the pipeline; its last stage is the model.
        rows: all rows, cached if they are asked for more than once: label, the model's outputs, boolean `_held_out`,
            and the column that the model reads where the outputs cannot be judged without it.
        dataset: what it was fitted on.
        task: what it is for.
        features_column: the vector column that the model reads, or None.
        schema: of the rows after every stage.
        one_in: of the training rows, one in so many is among `rows`, by chance.
    """

    fitted: PipelineModel
    rows: DataFrame
    dataset: Dataset
    task: Task
    features_column: str | None
    schema: StructType
    one_in: int = 1

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

    @cached_property
    def judged_rows(self) -> int:
        """Rows that count for a judgement and that no stage left out."""
        if self.task is Task.classification:
            return sum(each.rows for each in self.confusions if each.held_out is self.judged_side)
        if self.task is Task.regression:
            return self.errors[self.judged_side].rows
        if self.task is Task.clustering:
            return self.cluster_sizes[self.judged_side].total()
        return self.dataset.test_rows or self.dataset.train_rows

    def some(self, shown: int, kind: str = "") -> str:
        """How many of the judged rows a figure shows, as `90 of 1,000 test rows`; all of them as `90 test rows`."""
        rows = f"{self.judged_rows:,} {kind} rows".replace("  ", " ")
        return rows if shown == self.judged_rows else f"{shown:,} of {rows}"

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

    @property
    def is_judged_at_once(self) -> bool:
        """Whether one aggregate answers all that is asked of a classification: two classes and a score."""
        return self.dataset.classes == 2 and has_scores(self.rows, 2)

    @property
    def is_projected(self) -> bool:
        """Whether the model makes a projection of its features, which costs less to make again than to keep."""
        return self.task is Task.decomposition and bool(self.model.hasParam("outputCol"))

    @cached_property
    def _pairs(self) -> list[Any]:
        """`_held_out`, `true`, `predicted`, `rows`, `log_loss` (sum); of two classes by the steps of a curve too."""
        from pyspark.ml.functions import vector_to_array
        from pyspark.sql import functions as F

        label = self.dataset.label
        assert label is not None
        loss = F.lit(None).cast("double")
        if "probability" in self.rows.columns:
            # A model that was fitted without the last class has no entry for it.
            of_truth = F.get(vector_to_array("probability"), F.col(label).cast("int"))
            loss = -F.log(F.greatest(of_truth, F.lit(1e-15)))  # `greatest` leaves out a null
        weights = [F.col(self.dataset.weight).alias("weight")] if self.dataset.weight else []
        scores = [name for name in self.rows.columns if name in ("probability", "rawPrediction")]
        named = (F.col(label).alias("true"), F.col("prediction").alias("predicted"), loss.alias("log_loss"))
        rows, keys = self.rows.select(HELD_OUT, *scores, *named, *weights), (HELD_OUT, "true", "predicted")
        sums = {"log_loss": F.col("log_loss")}
        if weights:
            sums |= {"weight": F.col("weight"), "weighted_loss": F.col("log_loss") * F.col("weight")}
        if self.is_judged_at_once:
            return by_score(rows, "true", 2, self.dataset.train_rows + self.dataset.test_rows, keys, sums)
        summed = (F.sum(column).alias(name) for name, column in sums.items())
        return list(rows.groupBy(*keys).agg(F.count("*").alias("rows"), *summed).collect())

    @cached_property
    def confusions(self) -> list[Confusion]:
        """Of each side, by classes."""
        return confusions_of(self._pairs)

    @cached_property
    def few(self) -> Predicted | None:
        """All rows of a regression, where they are few."""
        if not self.is_few:
            return None
        assert self.dataset.label is not None
        column = self.features_column
        sampled = None if column not in self.rows.columns or column is None else (column, self.share_for_deviations)
        return Predicted.of(self.rows, self.dataset.label, self.dataset.weight, sampled)

    @property
    def share_for_deviations(self) -> float:
        """Of the training rows, those that show how far the features vary: fewer of them where they are wide."""
        wanted = max(LEAST_DEVIATION_ROWS, min(DEVIATION_ROWS, DEVIATION_VALUES // max(len(self.feature_names), 1)))
        return wanted / max(self.dataset.train_rows, 1)

    @property
    def is_few(self) -> bool:
        """Whether the rows of a regression come to the driver at once."""
        rows = self.dataset.train_rows + self.dataset.test_rows
        return self.task is Task.regression and rows <= regression.MOST_ROWS

    @cached_property
    def errors(self) -> dict[bool, Errors]:
        """Of a regression, by `_held_out`."""
        if self.few is not None:
            return self.few.errors(self.judged_side)
        return regression.errors_of_many(self.rows, self.dataset.label or "", self.judged_side)

    @cached_property
    def weighted_errors(self) -> dict[bool, Errors]:
        """The same by the weights; empty without."""
        if self.few is not None:
            return self.few.weighted_errors()
        if self.dataset.weight is None:
            return {}
        return regression.errors_of_many_weighted(self.rows, self.dataset.label or "", self.dataset.weight)

    @cached_property
    def curves(self) -> dict[tuple[bool, int], Curve]:
        """Rows and positives by the score of a class, for each side and class; empty without scores.

        Of two classes the second alone; of more only the side that is judged.
        """
        label, classes = self.dataset.label, self.dataset.classes
        if self.is_judged_at_once:
            return curves_of(self._pairs)
        if label is None or classes is None or not has_scores(self.rows, classes):
            return {}
        count = self.dataset.test_rows or self.dataset.train_rows
        return curves_of(by_score(self.judged, label, classes, count, [HELD_OUT], {}))

    @cached_property
    def cluster_sizes(self) -> dict[bool, Counter[int]]:
        """Rows of each cluster, by `_held_out`."""
        sizes: dict[bool, Counter[int]] = {False: Counter(), True: Counter()}
        rows, counted = self.rows, getattr(summary_of(self.model), "clusterSizes", [])
        if self.one_in > 1 or (sum(counted) == self.dataset.train_rows and not self.dataset.test_rows):
            # All rows that were fitted on were counted then.
            sizes[False].update({cluster: size for cluster, size in enumerate(counted) if size})
            rows = self.side(True)
            if not self.dataset.test_rows:
                return sizes
        for row in rows.groupBy(HELD_OUT, "prediction").count().collect():
            sizes[row[HELD_OUT]][int(row["prediction"])] = row["count"]
        return sizes


@contextlib.contextmanager
def score(fitted: PipelineModel, made: Made, dataset: Dataset, task: Task) -> Iterator[Scored]:
    """What a pipeline makes of all rows, narrow, and cached until the end of the block if it is read more than once."""
    scored = scored_rows(fitted, made.rows, dataset, task)
    if scored.is_few and scored.features_column is not None and hasattr(scored.model, "coefficients"):
        # One look at them answers how far the features vary as well.
        scored = replace(scored, rows=made.rows.select(*scored.rows.columns, scored.features_column))
    if (one_in := _one_in(scored)) > 1:
        from pyspark.sql import functions as F

        judged = made.where(F.col(HELD_OUT) | (F.rand(0) < 1 / one_in))
        scored = replace(scored_rows(fitted, judged, dataset, task), one_in=one_in)
    level = "NONE" if scored.is_judged_at_once or scored.is_few or scored.is_projected else "MEMORY_AND_DISK"
    with cached(scored.rows, level) as narrow:
        yield replace(scored, rows=narrow)


def _one_in(scored: Scored) -> int:
    """Of the training rows, one in how many is judged: all where they are few, or have a sum that nobody else has."""
    dataset = scored.dataset
    has_sums = scored.task is Task.decomposition and not scored.is_projected
    is_counted = scored.task is not Task.clustering or hasattr(summary_of(scored.model), "clusterSizes")
    if not dataset.test_rows or has_sums or not is_counted:
        return 1
    return max(1, dataset.train_rows // MOST_TRAINING_ROWS)


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
    wanted = (dataset.label, *outputs, *judged_by_features, HELD_OUT, dataset.weight)
    kept = [name for name in wanted if name in transformed.columns]
    rows = transformed.select(*dict.fromkeys(kept))
    return Scored(fitted, rows, dataset, task, features, transformed.schema)


def summary_of(model: Any) -> Any:
    """What Spark kept of the fit, or None: a property of some models and a method of others."""
    if not getattr(model, "hasSummary", False):
        return None
    return model.summary() if callable(model.summary) else model.summary
