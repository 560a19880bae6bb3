"""What is known about loaded rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from experiments.config.schema import DataConfig, Task

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

HASH = "_row_hash"
HELD_OUT = "_held_out"
FOLD = "_fold"
DEFAULT_TEST_FRACTION = 0.2
MOST_CLASSES = 1_000


@dataclass(frozen=True)
class Given:
    """Features as people have them.

    Attributes:
        types: the feature columns in order, with Spark's short type names.
        conversions: SQL of those that loading changes row by row, by name.
        date_format: how texts that are dates are spelled, or None for ISO 8601.
        may_be_missing: features that may lack a value, for which the pipeline or a conversion has an answer.
        label: what the data calls the label, which may have signs that Spark's estimators read otherwise; or None.
        reading: how texts of a table are read as numbers (`patterns_of`).
        texts: features that are texts in the table and were read as something else.
    """

    types: dict[str, str]
    conversions: dict[str, str] = field(default_factory=dict)
    date_format: str | None = None
    may_be_missing: frozenset[str] = frozenset()
    label: str | None = None
    reading: dict[str, Any] | None = None
    texts: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Dataset:
    """Rows of one data set, cached.

    Attributes:
        rows: the features, the label where there is one, and boolean `_held_out`. The label is float64; of a
            classification it is 0 to classes - 1.
        label: name of the label column, or None.
        features: names of the feature columns, in order.
        train_rows, test_rows: row counts.
        train_digest, test_digest: 16 hex digits of the content, whatever its order.
        label_names: names of the labels 0, 1 and so on, of a bundled data set whose labels are classes.
        class_names: the data's names for the classes of a classification, in the order of their numbers, else None.
        judged_classes: how many of them are among the test rows, or the training rows where none are held out.
        class_values: what the label of each class is in the data: texts or whole numbers; names for those of a bundled
            data set.
        warnings: what a person should know before believing the metrics.
        partitions: of the rows, at most.
        weight: column of what a row counts in the metrics, or None.
        fit_weight: column of what it counts in the fit.
        group, time: columns by which the rows were split, or None.
        given: what the features were before loading made them what they are.
        ranges: least and largest of each number among the training rows of a table, of many rows in a sample.
    """

    rows: DataFrame
    label: str | None
    features: list[str]
    train_rows: int
    test_rows: int
    train_digest: str
    test_digest: str
    label_names: tuple[str, ...] = ()
    class_names: list[str] | None = None
    judged_classes: int | None = None
    class_values: list[int | str] | None = None
    warnings: tuple[str, ...] = ()
    partitions: int = 1
    weight: str | None = None
    fit_weight: str | None = None
    group: str | None = None
    time: str | None = None
    given: Given = field(default_factory=lambda: Given({}))
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, int]:
        """`train_rows` and `test_rows`, as they are recorded."""
        return {"train_rows": self.train_rows, "test_rows": self.test_rows}

    @property
    def classes(self) -> int | None:
        """Number of classes of a classification, else None."""
        return None if self.class_names is None else len(self.class_names)

    @property
    def label_given(self) -> str:
        """The label as the data calls it, for whoever reads it; `label` is the column."""
        return self.given.label or self.label or ""

    @property
    def positive(self) -> str | None:
        """The class of two that precision, recall and f1 are about."""
        return self.class_names[1] if self.class_names is not None and len(self.class_names) == 2 else None

    def class_name(self, index: float) -> str:
        """The data's name for a class."""
        assert self.class_names is not None
        return self.class_names[int(index)]

    @property
    def feature_types(self) -> dict[str, str]:
        """Feature columns in order, with Spark's short type names."""
        types: dict[str, str] = dict(self.rows.dtypes)
        return {name: types[name] for name in self.features}

    @property
    def train(self) -> DataFrame:
        return self.rows.where(f"NOT {HELD_OUT}").drop(HELD_OUT)

    @property
    def test(self) -> DataFrame:
        return self.rows.where(HELD_OUT).drop(HELD_OUT)


def test_fraction(data: DataConfig, task: Task) -> float:
    """Share of rows held out: what the config says, else 0.2 where there is a label to predict."""
    if data.test_fraction is not None:
        return data.test_fraction
    return DEFAULT_TEST_FRACTION if task.supervised else 0.0
