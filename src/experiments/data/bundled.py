"""Real data sets that ship inside scikit-learn, with column names that need no quoting."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from experiments.config.schema import BundledData, DataConfig, Task

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import DataFrame, SparkSession

# Data set to the name of its label column.
BUNDLED = {
    "iris": "species",
    "wine": "cultivar",
    "digits": "digit",
    "breast_cancer": "diagnosis",
    "diabetes": "progression",
}

# Those whose label is no class.
NUMBERS = ("diabetes",)
# What the numbers of a label are called, where they have names. Those of the wines are Forina's, who measured them
# (PARVUS, 1988); scikit-learn numbers them in his order: 59, 71 and 48 rows.
CLASS_NAMES = {
    "iris": ("setosa", "versicolor", "virginica"),
    "wine": ("barolo", "grignolino", "barbera"),
    "breast_cancer": ("malignant", "benign"),
}


def label_names(data: DataConfig) -> tuple[str, ...]:
    """What the numbers 0, 1 and so on of the label are called; nothing where they have no names."""
    is_own = isinstance(data, BundledData) and data.label == BUNDLED[data.bundled]
    return CLASS_NAMES.get(data.bundled, ()) if isinstance(data, BundledData) and is_own else ()


def said_of_classes(data: DataConfig, task: Task) -> list[str]:
    """A sentence where classes are to be predicted as numbers."""
    if not isinstance(data, BundledData) or task is not Task.regression or data.label != BUNDLED[data.bundled]:
        return []
    if data.bundled in NUMBERS:
        return []
    return [
        f"data.label={data.label} of data={data.name} names classes, of which a regression makes numbers; a model of "
        "classes: model=random_forest (`experiments models` lists others)"
    ]


def bundled(name: str) -> pd.DataFrame:
    """Features in scikit-learn's order and units, all float64, then the label of `BUNDLED`, float64."""
    from sklearn import datasets

    frame = getattr(datasets, f"load_{name}")(as_frame=True).frame.astype("float64")
    frame.columns = [_plain(column) for column in frame.columns]
    renamed: pd.DataFrame = frame.rename(columns={"target": BUNDLED[name]})
    return renamed


def _plain(column: str) -> str:
    """`sepal length (cm)` as `sepal_length_cm`."""
    return re.sub(r"[^0-9a-zA-Z]+", "_", column).strip("_").lower()


def read_bundled(spark: SparkSession, name: str) -> DataFrame:
    """The rows of `bundled` in one partition: the largest has 1,797."""
    return spark.createDataFrame(bundled(name)).coalesce(1)
