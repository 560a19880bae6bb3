"""What a logged model takes and gives, for those who have only the model: signature, example, what its answers are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from experiments.data.dataset import Dataset
from experiments.data.kinds import DATES, DECIMALS, WHOLE, base_of, is_numbers
from experiments.data.names import quoted, sql_text

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.models.signature import ModelSignature
    from pyspark.ml import PipelineModel

EXAMPLE_ROWS = 5
MOST_EXAMPLE_VALUES = 50_000
# Parameter that names a vector, its column, and what its entries are called.
_VECTORS = (
    ("probabilityCol", "probability", "probability"),
    ("topicDistributionCol", "topicDistribution", "topic"),
)


def answers_of(fitted: PipelineModel, dataset: Dataset) -> dict[str, Any]:
    """What the answers of a model are made from, as `experiments_pyfunc` wants it.

    Returns:
        `columns`, `may_be_missing`, `values` and `vectors`.
    """
    model = fitted.stages[-1]
    given = dataset.given
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
        "columns": given.types,
        "may_be_missing": [name for name in given.types if name in given.may_be_missing],
        "values": values,
        "vectors": vectors,
    }


def predicted(dataset: Dataset) -> str:
    """The column of predictions in the data's own words, out of the way of the features."""
    name = f"predicted_{dataset.label}"
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
        ColSpec(_type(kind, name in given.may_be_missing, given.date_format), name, name not in given.may_be_missing)
        for name, kind in given.types.items()
    ]
    of_class = "long" if isinstance((dataset.class_values or [""])[0], int) else "string"
    outputs = [ColSpec("double" if name == "prediction" else of_class, name) for name in answers["values"]]
    outputs += [ColSpec("double", name) for names in answers["vectors"].values() for name in names]
    return ModelSignature(Schema(inputs), Schema(outputs) if outputs else None)


def _type(kind: str, may_be_missing: bool, date_format: str | None) -> Any:
    """MLflow's type of a column.

    Whole numbers some of which are missing are to pandas a column of other numbers, and MLflow's types take one of the
    two; so do dates that may come as times and in the data's own spelling.
    """
    from mlflow.types.schema import AnyType, Array, SparkMLVector

    base = base_of(kind)
    if kind == "vector":
        return SparkMLVector()
    if is_numbers(kind):
        return Array("double")
    if kind.startswith("array<"):
        return Array(_type(kind.removeprefix("array<").removesuffix(">"), False, None))
    if base in WHOLE:
        return AnyType() if may_be_missing else "long"
    if base in DATES:
        return AnyType() if date_format else "datetime"
    if base in DECIMALS:
        return "double"
    return base if base in ("boolean", "binary") else "string"


def example_of(dataset: Dataset) -> pd.DataFrame | None:
    """The first training rows as people have them, vectors as lists; none when that would be a large file."""
    given, used = dataset.given, dataset.feature_types
    columns = [_as_given(name, kind, used[name], given.date_format) for name, kind in given.types.items()]
    example: pd.DataFrame = dataset.train.selectExpr(*columns).limit(EXAMPLE_ROWS).toPandas()
    vectors = [name for name, kind in used.items() if kind == "vector"]
    values = len(example.columns) + sum(len(vector) for name in vectors for vector in example[name][:1])
    if values * EXAMPLE_ROWS > MOST_EXAMPLE_VALUES:
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
