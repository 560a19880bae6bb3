"""What a logged model takes and gives, for those who have only the model: signature, example, what its answers are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from experiments.data.dataset import Dataset
from experiments.data.kinds import DATES, DECIMALS, WHOLE, base_of, is_numbers
from experiments.data.names import quoted, sql_text, unquoted

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.models.signature import ModelSignature
    from pyspark.ml import PipelineModel

EXAMPLE_ROWS = 5
# Beyond them pandas has no times of nanoseconds.
_PANDAS_DATES = "DATE '1678-01-01' AND DATE '2261-12-31'"
MOST_EXAMPLE_VALUES = 50_000
# Parameter that names a vector, its column, and what its entries are called.
_VECTORS = (
    ("probabilityCol", "probability", "probability"),
    ("topicDistributionCol", "topicDistribution", "topic"),
)


def answers_of(fitted: PipelineModel, dataset: Dataset) -> dict[str, Any]:
    """What the answers of a model are made from, as `experiments_pyfunc` wants it.

    Returns:
        `columns`, `may_be_missing`, `values`, `vectors`, `ranges`, `date_format`, `reading` and `time_zone`.
    """
    model = fitted.stages[-1]
    given = dataset.given
    ids = [unquoted(model.getOrDefault(param)) for param in ("userCol", "itemCol") if model.hasParam(param)]
    kinds = {name: base_of(kind) for name, kind in given.types.items() if name not in ids}
    numbers = [name for name, kind in kinds.items() if kind in (*WHOLE, *DECIMALS)]
    values = ["prediction"] if model.hasParam("predictionCol") else []
    if dataset.class_values is not None:
        values.append(predicted(dataset))
    vectors = {
        column: [f"{entry}_{name}" for name in _entries(model, dataset)]
        for param, column, entry in _VECTORS
        if model.hasParam(param)
    }
    if not values and not vectors and model.hasParam("outputCol"):
        vectors[model.getOutputCol()] = [f"component_{place}" for place in range(model.getOrDefault("k"))]
    return {
        "columns": {**given.types, **_beside(model, dataset)},
        "may_be_missing": [name for name in given.types if name in given.may_be_missing],
        "values": values,
        "vectors": vectors,
        "ranges": {name: list(dataset.ranges[name]) for name in numbers if name in dataset.ranges},
        "date_format": given.date_format,
        "reading": given.reading,
        "time_zone": dataset.rows.sparkSession.conf.get("spark.sql.session.timeZone"),
    }


def _beside(model: Any, dataset: Dataset) -> dict[str, str]:
    """Columns with their types that a model reads beside the features."""
    if not (model.hasParam("offsetCol") and model.isDefined("offsetCol") and model.getOrDefault("offsetCol")):
        return {}
    name = unquoted(model.getOrDefault("offsetCol"))
    return {name: dict(dataset.rows.dtypes)[name]}


def predicted(dataset: Dataset) -> str:
    """The column of predictions in the data's own words, out of the way of the features."""
    name = f"predicted_{dataset.label_given}"
    while name.casefold() in (feature.casefold() for feature in dataset.features):
        name += "_"
    return name


def _entries(model: Any, dataset: Dataset) -> list[str]:
    if dataset.class_names is None:
        return [str(place) for place in range(model.getOrDefault("k"))]
    # A model that was fitted without the last classes has no entries for them.
    return dataset.class_names[: getattr(model, "numClasses", len(dataset.class_names))]


def signature_of(dataset: Dataset, answers: dict[str, Any]) -> ModelSignature:
    """The data's columns in, the answers out."""
    from mlflow.models.signature import ModelSignature
    from mlflow.types import ColSpec, Schema

    given = dataset.given
    inputs = [
        ColSpec(_type(kind, name in given.may_be_missing, name in given.texts), name, name not in given.may_be_missing)
        for name, kind in answers["columns"].items()
    ]
    of_class = "long" if isinstance((dataset.class_values or [""])[0], int) else "string"
    outputs = [ColSpec("double" if name == "prediction" else of_class, name) for name in answers["values"]]
    outputs += [ColSpec("double", name) for names in answers["vectors"].values() for name in names]
    return ModelSignature(Schema(inputs), Schema(outputs) if outputs else None)


def _type(kind: str, may_be_missing: bool, was_text: bool) -> Any:
    """MLflow's type of a column.

    Whole numbers some of which are missing are to pandas a column of other numbers, and MLflow's types take one of the
    two. Dates may come as times and as texts, of which MLflow would read some as other days; of what is no truth value
    it would make one. Numbers that were texts in the table are texts to pandas, which MLflow would refuse.
    """
    from mlflow.types.schema import AnyType, Array, SparkMLVector

    base = base_of(kind)
    if kind == "vector":
        return SparkMLVector()
    if is_numbers(kind):
        return Array("double")
    if kind.startswith("array<"):
        return Array(_type(kind.removeprefix("array<").removesuffix(">"), False, False))
    if was_text and base in (*WHOLE, *DECIMALS):
        return AnyType()
    if base in WHOLE:
        return AnyType() if may_be_missing else "long"
    if base in DATES or base == "boolean":
        return AnyType()
    if base in DECIMALS:
        return "double"
    return base if base == "binary" else "string"


def example_of(dataset: Dataset, read: Mapping[str, str]) -> pd.DataFrame | None:
    """The first training rows as people have them, vectors as lists; none when that would be a large file.

    Args:
        read: the columns that the model reads, with Spark's short type names.
    """
    given, used = dataset.given, {**read, **dataset.feature_types}
    columns = [_as_given(name, kind, used[name], given.date_format) for name, kind in read.items()]
    rows = dataset.train
    for name in (name for name in read if used[name] in DATES):
        rows = rows.where(f"{quoted(name)} IS NULL OR {quoted(name)} BETWEEN {_PANDAS_DATES}")
    example: pd.DataFrame = rows.selectExpr(*columns).limit(EXAMPLE_ROWS).toPandas()
    vectors = [name for name, kind in used.items() if kind == "vector"]
    values = len(example.columns) + sum(len(vector) for name in vectors for vector in example[name][:1])
    if values * EXAMPLE_ROWS > MOST_EXAMPLE_VALUES or example.empty:
        return None
    for name in vectors:
        example[name] = [None if vector is None else vector.toArray().tolist() for vector in example[name]]
    return example


def _as_given(name: str, kind: str, used: str, date_format: str | None) -> str:
    """SQL of what a feature was before loading made it what it is."""
    column = quoted(name)
    if kind in DATES:
        return f"date_format({column}, {sql_text(date_format)}) AS {column}" if date_format else column
    if used == "vector" or (kind == used and not kind.startswith("decimal")):
        return column
    return f"CAST({column} AS {'double' if kind.startswith('decimal') else kind}) AS {column}"
