"""The classes of a classification: their numbers, their names, and how rare they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from experiments.config.schema import DataConfig, TableData
from experiments.data.bundled import label_names
from experiments.data.dataset import HELD_OUT, MOST_CLASSES, Dataset
from experiments.data.names import matches
from experiments.data.roles import BALANCE
from experiments.data.texts import MISSING
from experiments.errors import ExperimentError, override, suggest

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

# So many different numbers, of each so few rows, are amounts and no classes.
MANY_NUMBERS, LEAST_OF_A_CLASS = 30, 5
# From it on two whole numbers may be one as float64.
MOST_EXACT = 2**53
# A class this much rarer than the most frequent one is worth a warning.
RARE = 0.03


def with_classes(dataset: Dataset, data: DataConfig, label: str, groups: list[Any], values: list[Any]) -> Dataset:
    """The data set with its classes numbered and named.

    Args:
        groups: rows of an aggregate by `_held_out` and `_class`.
        values: of `class_values`.
    """
    from pyspark.sql import functions as F

    names = [_class_name(value) for value in values]
    rows = dataset.rows
    if values != list(range(len(values))):
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
        class_values=[int(value) if isinstance(value, float) else value for value in values],
        warnings=(*dataset.warnings, *_imbalance(data, label, sides)),
    )


def with_names(dataset: Dataset, names: Sequence[str]) -> Dataset:
    """The data set with its classes called by names, where there are any.

    Args:
        names: of the labels 0, 1 and so on.
    """
    dataset = replace(dataset, label_names=tuple(names))
    if not names or dataset.class_values is None:
        return dataset
    named: list[int | str] = [names[int(value)] for value in dataset.class_values]
    return replace(dataset, class_names=[str(name) for name in named], class_values=named)


def class_values(label: str, groups: list[Any]) -> list[Any]:
    """The different labels, sorted; all must be among the training rows, or the model could not predict them.

    Args:
        groups: as for `with_classes`.

    Raises:
        ExperimentError: labels that are no classes, or a class that cannot be learnt.
    """
    values = sorted({row["_class"] for row in groups})
    if any(isinstance(value, float) and abs(value) >= MOST_EXACT for value in values):
        raise ExperimentError(
            f"data.label must be classes that are told apart as numbers (whole ones below {MOST_EXACT:,}), got greater "
            f"ones in '{label}'; as the texts that they are: {override('data.categories', [label])}"
        )
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
    rows = sum(row["rows"] for row in groups)
    if isinstance(values[0], float) and len(values) > MANY_NUMBERS and rows < LEAST_OF_A_CLASS * len(values):
        raise ExperimentError(
            f"data.label must be classes for a classification, got {len(values):,} different numbers in the {rows:,} "
            f"rows of '{label}'; choose a model whose task is regression, as `experiments models` says, or where they "
            f"are names: {override('data.categories', [label])}"
        )
    unseen = sorted(set(values) - {row["_class"] for row in groups if not row[HELD_OUT]})
    if unseen:
        names = ", ".join(map(_class_name, unseen[:10]))
        raise ExperimentError(
            f"data.label must have every class among the training rows, got none of {names} in '{label}'; "
            "set data.stratified=true or a smaller data.test_fraction, or give data.test_path rows of known classes"
        )
    return values


def positive_last(label: str, values: list[Any], data: DataConfig) -> list[Any]:
    """The classes with the one last that `data.positive` names, as what is told of one class is told of the second.

    Args:
        values: of `class_values`.

    Raises:
        ExperimentError: it names none of two.
    """
    if data.positive is None:
        return values
    known = label_names(data)
    names = {str(known[int(value)]) if known else _class_name(value): value for value in values}
    if len(names) != 2 or data.positive not in names:
        listed = ", ".join(f"'{name}'" for name in [*names][:10])
        raise ExperimentError(
            f"data.positive must be one of two classes, got '{data.positive}' of {len(names)} classes of '{label}', "
            f"which are {listed}{suggest(data.positive, names)}"
        )
    positive = names[data.positive]
    return sorted(values, key=lambda value: bool(value == positive))


def _class_name(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) else str(value)


def _imbalance(data: DataConfig, label: str, sides: Mapping[bool, dict[Any, int]]) -> tuple[str, ...]:
    rows_of = sides[False]
    rarest, most = min(rows_of, key=lambda value: rows_of[value]), max(rows_of.values())
    if rows_of[rarest] >= RARE * most:
        return ()
    judged, held_out = sides[True].get(rarest, 0), ""
    if sides[True]:
        held_out = f", and only {judged:,} held-out rows, which weigh as much in means over classes as all of another"
    is_parted = data.stratified or data.group or data.time or getattr(data, "test_path", None)
    way_out = ", and at data.stratified=true" if sides[True] and not is_parted else ""
    return (
        f"data.label is imbalanced: {rows_of[rarest]:,} of {sum(rows_of.values()):,} training rows are "
        f"'{_class_name(rarest)}' in '{label}'{held_out}; accuracy says little here, so look at balanced_accuracy, "
        f"auc_pr and the confusion matrix{way_out}",
    )


def balanced(dataset: Dataset, names: list[Any], groups: list[Any]) -> Dataset:
    """Rows that count, in the fit, inversely as much as there is of their class; their weights count besides.

    Args:
        names: the values of the classes, in the order of their numbers.
        groups: as for `with_classes`; `weights` is the sum of the weights, where there are any.
    """
    from pyspark.sql import functions as F

    assert dataset.label is not None
    counted = "rows" if dataset.weight is None else "weights"
    train = {row["_class"]: float(row[counted]) for row in groups if not row[HELD_OUT]}
    total = sum(train.values())
    factors = [F.lit(total / (len(names) * train[name])) for name in names]
    rows: DataFrame = dataset.rows.withColumn(
        BALANCE,
        F.get(F.array(*factors), F.col(dataset.label).cast("int"))
        * (F.col(dataset.weight) if dataset.weight else F.lit(1.0)),
    )
    return replace(dataset, rows=rows, fit_weight=BALANCE)


def said_of_gap_classes(counts: Mapping[str, int], data: DataConfig) -> list[str]:
    """That classes are called as missing values are; `none` and a point may be names.

    Args:
        counts: rows by class.
    """
    if not isinstance(data, TableData) or matches(data.label or "", data.categories):
        return []
    found = sorted(name for name in counts if name.strip() in MISSING - {"", "None", "none", "."})
    if not found:
        return []
    listed = ", ".join(f"'{name}' ({counts[name]:,} rows)" for name in found)
    wanted = override("data.missing_values", dict.fromkeys([*data.missing_values, *map(str.strip, found)]))
    return [
        f"data.label={data.label} has classes that are called as missing values are, {listed}; if they are none: "
        f"{wanted} and data.missing=drop"
    ]
