"""What is known about loaded rows, from the one aggregate that fills their cache, counts, checks and digests them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from experiments.config.schema import DataConfig, Missing, Task
from experiments.errors import ExperimentError, readable_cause

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

HASH = "_row_hash"
HELD_OUT = "_held_out"
FOLD = "_fold"
SPLIT = "_split"
DEFAULT_TEST_FRACTION = 0.2
MOST_CLASSES = 1_000
# A class this much rarer than the most frequent one is worth a warning.
RARE = 0.01


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
        class_names: the data's names for the classes of a classification, in the order of their numbers, else None.
        judged_classes: how many of them are among the test rows, or the training rows where none are held out.
        is_indexed: whether the label was given its numbers here.
        warnings: what a person should know before believing the metrics.
        partitions: of the rows, at most.
    """

    rows: DataFrame
    label: str | None
    features: list[str]
    train_rows: int
    test_rows: int
    train_digest: str
    test_digest: str
    class_names: list[str] | None = None
    judged_classes: int | None = None
    is_indexed: bool = False
    warnings: tuple[str, ...] = ()
    partitions: int = 1

    @property
    def classes(self) -> int | None:
        """Number of classes of a classification, else None."""
        return None if self.class_names is None else len(self.class_names)

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


def is_missing(rows: DataFrame, name: str) -> Column:
    """Null, NaN or infinite; for a vector, one such entry is enough."""
    from pyspark.ml.functions import vector_to_array
    from pyspark.ml.linalg import VectorUDT
    from pyspark.sql import functions as F
    from pyspark.sql.types import DoubleType, FloatType

    column, kind = F.col(name), rows.schema[name].dataType
    if isinstance(kind, DoubleType | FloatType):
        # Text, as each call of a function costs a round trip to Java, and columns may be many.
        return F.expr(f"`{name}` IS NULL OR isnan(`{name}`) OR abs(`{name}`) = double('Infinity')")
    if isinstance(kind, VectorUDT):
        infinity = F.lit(float("inf"))
        return column.isNull() | F.exists(
            vector_to_array(column), lambda each: F.isnan(each) | (F.abs(each) == infinity)
        )
    return column.isNull()


def checked_dataset(rows: DataFrame, data: DataConfig, task: Task, label: str | None, features: list[str]) -> Dataset:
    """One aggregate per split (and class): counts, digests and missing values."""
    from pyspark.sql import functions as F

    checked = [] if data.missing is Missing.keep else list(features)
    checked += [label] if label else []
    # Two 31-bit halves: their sums stay exact in 64 bits up to 4 billion rows.
    halves = (F.pmod(F.col(HASH), F.lit(2147483647)), F.shiftrightunsigned(HASH, 33))
    missing = [F.count_if(is_missing(rows, name)).alias(f"missing_{index}") for index, name in enumerate(checked)]
    keys = [F.col(HELD_OUT)]
    if task is Task.classification and label is not None:
        keys.append(F.col(label).alias("_class"))
    summary = rows.groupBy(*keys).agg(
        F.count("*").alias("rows"), F.sum(halves[0]).alias("low"), F.sum(halves[1]).alias("high"), *missing
    )
    try:
        groups = summary.limit(2 * MOST_CLASSES + 1).collect()
    except Exception as error:  # Spark raises Py4J and its own kinds
        raise ExperimentError(f"data={data.name} must be readable, but: {readable_cause(error)}") from error
    _no_missing(data, checked, groups)
    counts = {side: sum(row["rows"] for row in groups if row[HELD_OUT] is side) for side in (False, True)}
    _not_empty(data, task, counts)
    digests = {side: _digest([row for row in groups if row[HELD_OUT] is side]) for side in (False, True)}
    dataset = Dataset(rows.drop(HASH), label, features, counts[False], counts[True], digests[False], digests[True])
    return _with_classes(dataset, label, groups) if len(keys) == 2 and label is not None else dataset


def _no_missing(data: DataConfig, checked: list[str], groups: list[Any]) -> None:
    counts = {name: sum(row[f"missing_{index}"] for row in groups) for index, name in enumerate(checked)}
    found = ", ".join(f"{name} {count}" for name, count in counts.items() if count)
    if found:
        way_out = (
            "set data.missing=fill (numbers among the features get data.fill_value) or data.missing=drop, or have "
            "numbers learnt by preprocessing=impute"
        )
        if data.missing is Missing.fill:
            way_out = "data.missing=fill fills numbers among the features only; set data.missing=drop"
        if data.missing is Missing.keep:
            way_out = "data.missing=keep leaves features to a stage, not the label; set data.missing=drop"
        raise ExperimentError(
            f"data={data.name} must have a finite value in every row, got null, NaN or infinity in: {found}; {way_out}"
        )


def _not_empty(data: DataConfig, task: Task, counts: dict[bool, int]) -> None:
    for side, name in ((False, "train"), (True, "test")):
        if counts[side] == 0 and (not side or test_fraction(data, task) > 0):
            raise ExperimentError(
                f"data.test_fraction must leave rows on both sides, got {sum(counts.values())} rows and an empty "
                f"{name} split; change data.test_fraction or use more rows"
            )


def _with_classes(dataset: Dataset, label: str, groups: list[Any]) -> Dataset:
    """The data set with its classes numbered and named."""
    from pyspark.sql import functions as F

    values = _class_values(label, groups)
    names = [_class_name(value) for value in values]
    rows, is_indexed = dataset.rows, values != list(range(len(values)))
    if is_indexed:
        numbers = [literal for index, value in enumerate(values) for literal in (F.lit(value), F.lit(float(index)))]
        rows = rows.withColumn(label, F.element_at(F.create_map(*numbers), F.col(label)))
    # What estimators would count in a pass of their own.
    rows = rows.withMetadata(label, {"ml_attr": {"type": "nominal", "num_vals": len(values)}})
    sides = {side: {row["_class"]: row["rows"] for row in groups if row[HELD_OUT] is side} for side in (False, True)}
    return replace(
        dataset,
        rows=rows,
        class_names=names,
        judged_classes=len(sides[bool(dataset.test_rows)]),
        is_indexed=is_indexed,
        warnings=_imbalance(label, sides[False]),
    )


def _class_values(label: str, groups: list[Any]) -> list[Any]:
    """The different labels, sorted; all must be among the training rows, or the model could not predict them."""
    values = sorted({row["_class"] for row in groups})
    if len(values) < 2:
        raise ExperimentError(
            f"data.label must have two classes or more for a classification, got {values} in '{label}'"
        )
    if len(values) > MOST_CLASSES or any(isinstance(value, float) and not value.is_integer() for value in values):
        raise ExperimentError(
            f"data.label must be classes for a classification (at most {MOST_CLASSES:,} texts or whole numbers), got "
            f"values such as {', '.join(map(str, values[:3]))} in '{label}'; choose a model whose task is regression, "
            "or another label"
        )
    unseen = sorted(set(values) - {row["_class"] for row in groups if not row[HELD_OUT]})
    if unseen:
        names = ", ".join(map(_class_name, unseen[:10]))
        raise ExperimentError(
            f"data.label must have every class among the training rows, got none of {names} in '{label}'; "
            "set data.stratified=true or a smaller data.test_fraction, or give data.test_path rows of known classes"
        )
    return values


def _class_name(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) else str(value)


def _imbalance(label: str, rows_of: dict[Any, int]) -> tuple[str, ...]:
    rarest, most = min(rows_of, key=lambda value: rows_of[value]), max(rows_of.values())
    if rows_of[rarest] >= RARE * most:
        return ()
    return (
        f"data.label is imbalanced: {rows_of[rarest]:,} of {sum(rows_of.values()):,} training rows are "
        f"'{_class_name(rarest)}' in '{label}'; accuracy says little here, so look at f1, auc_pr and the confusion "
        "matrix, and at data.stratified=true",
    )


def _digest(groups: list[Any]) -> str:
    low, high = (sum(row[half] for row in groups) for half in ("low", "high"))
    return f"{high % (1 << 32):08x}{low % (1 << 32):08x}"
