"""Wired stages as Spark objects, fitted one after another. Runs on the driver and needs the Spark session."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from experiments.config.schema import Task
from experiments.data.caching import cached
from experiments.data.dataset import HELD_OUT
from experiments.errors import ExperimentError, override, readable_cause
from experiments.pipeline.known import known_of
from experiments.pipeline.stages import Stage
from experiments.pipeline.wiring import Wired

if TYPE_CHECKING:
    from pyspark.ml import Transformer
    from pyspark.sql import Column, DataFrame


@dataclass(frozen=True)
class Made:
    """What stages make of rows: worked out when it is asked for.

    Attributes:
        rows: what they make of all.
        begun: the rows that are kept, or as they were loaded.
        stages: what makes the ones of the others, in order.
        is_row_by_row: whether each of them looks at one row alone.
    """

    rows: DataFrame
    begun: DataFrame
    stages: Sequence[Transformer] = ()
    is_row_by_row: bool = True

    def by(self, stage: Transformer) -> Made:
        """What one more stage makes of it."""
        return replace(self, rows=stage.transform(self.rows), stages=[*self.stages, stage])

    def where(self, condition: Column) -> DataFrame:
        """What becomes of some rows: of a choice by chance Spark would work out all rows first."""
        if not self.is_row_by_row:
            return self.rows.where(condition)
        rows = self.begun.where(condition)
        for stage in self.stages:
            rows = stage.transform(rows)
        return rows


def fit_stages(
    wired: Sequence[Wired],
    train: DataFrame,
    rows: DataFrame | None = None,
    partitions: int | None = None,
    keeping: contextlib.ExitStack | None = None,
) -> tuple[list[Transformer], Made]:
    """Each stage made and, where it is an estimator, fitted on what those before it make of the training rows.

    As `Pipeline.fit`, but an error says which stage, and what was worked out for the fit need not be for the scoring.

    Args:
        rows: all rows, with `_held_out`; None where only the training rows are wanted.
        partitions: what the training rows are parted into for the last stage; None leaves them as they are.
        keeping: until its end, texts that were taken apart are cached if several stages are fitted on them.

    Returns:
        The fitted stages, and what the last of them reads: of all rows, or of the training rows.

    Raises:
        ExperimentError: a value that Spark refuses, or rows that do not suit a stage, with the stage's key.
    """
    _leave_trees_in_java()
    made = [_made(each) for each in wired]
    # Other stages may look from one row at others, and those that are held out must not be seen.
    is_shared = rows is not None and all(known_of(each.stage.type).is_row_by_row for each in wired[:-1])
    texts = _first_fit_on_texts(wired) if is_shared and keeping is not None else None
    fitted: list[Transformer] = []
    read = None if rows is None else Made(rows, rows, is_row_by_row=is_shared)
    for number, instance in enumerate(made):
        if fitted and read is not None:
            read = read.by(fitted[-1])
        if keeping is not None and read is not None and number == texts:
            kept = keeping.enter_context(cached(_without_words(read.rows, wired[number:])))
            read = Made(kept, kept, is_row_by_row=is_shared)
        if fitted:
            train = read.rows.where(f"NOT {HELD_OUT}") if read and is_shared else fitted[-1].transform(train)
        if partitions and instance is made[-1]:
            train = train.repartition(partitions)
            if keeping is not None:
                train = keeping.enter_context(cached(train))
        fitted.append(_fitted(wired[number].stage, instance, train))
    return fitted, read or Made(train, train)


@dataclass(frozen=True)
class Prepared:
    """Rows as several pipelines go on from them, cached, and the fitted stages that made them so.

    Attributes:
        stages: in order.
        train: the training rows.
        rows: all rows, with `_held_out`.
    """

    stages: list[Transformer]
    train: DataFrame
    rows: DataFrame


def is_worth_sharing(wired: Sequence[Wired]) -> bool:
    """Whether stages are fitted, or take texts apart: what others make of a row costs less than keeping it."""
    from pyspark.ml import Estimator

    return any(issubclass(each.stage.type, Estimator) or known_of(each.stage.type).is_costly for each in wired)


def prepare(wired: Sequence[Wired], train: DataFrame, rows: DataFrame, keeping: contextlib.ExitStack) -> Prepared:
    """Stages that several pipelines begin with, fitted.

    Args:
        keeping: what is cached is freed at its end.

    Raises:
        ExperimentError: as `fit_stages`.
    """
    fitted, read = fit_stages(wired, train, rows)
    kept = keeping.enter_context(cached(fitted[-1].transform(read.rows)))
    if all(known_of(each.stage.type).is_row_by_row for each in wired):
        return Prepared(fitted, kept.where(f"NOT {HELD_OUT}").drop(HELD_OUT), kept)
    for stage in fitted:
        train = stage.transform(train)
    return Prepared(fitted, keeping.enter_context(cached(train)), kept)


def _fitted(stage: Stage, instance: Any, train: DataFrame) -> Transformer:
    """What a stage's Spark object becomes: itself where there is nothing to fit."""
    from pyspark.ml import Estimator

    if not isinstance(instance, Estimator):
        transformer: Transformer = instance
        return transformer
    try:
        model = instance.fit(train)
    except Exception as error:  # Spark raises Py4J and its own kinds
        raise ExperimentError(
            f"{stage.key} must be able to fit the training rows, but {stage.type.__name__} says: "
            f"{readable_cause(error).rstrip('.')}{_way_out(stage, instance, train, str(error))}"
        ) from error
    if getattr(model, "vocabulary", None) == []:
        raise ExperimentError(
            f"{stage.key} must find words that are frequent enough, got an empty vocabulary; lower its minDF or "
            "minTF, or look at the stages before it"
        )
    return model


def _way_out(stage: Stage, instance: Any, train: DataFrame, said: str) -> str:
    """What helps against an error of Spark's that is known, in the data's names."""
    too_many = re.search(r"categorical feature (\d+) has (\d+) values", said)
    if too_many is not None:
        attributes = train.schema[instance.getFeaturesCol()].metadata.get("ml_attr", {}).get("attrs", {})
        names = {entry["idx"]: entry.get("name", "") for group in attributes.values() for entry in group}
        name = names.get(int(too_many[1]), "").removesuffix("_index")
        way_out = f"; that is '{name}': leave it out: {override('data.exclude', [name])}"
        if int(too_many[2]) <= train.count():  # Spark takes no more bins than rows
            way_out += f", or, where new rows will have the same values: {stage.key}.maxBins={too_many[2]}"
        return way_out
    # Spark's recommender takes whole numbers of 32 bits.
    ids = re.search(r"Column (\S+) must be of type numeric|ALS only supports non-Null values in Integer range", said)
    if ids is not None:
        columns = [instance.getUserCol(), instance.getItemCol()]
        wide = "" if ids[1] else f" and {override('data.categories', columns)}"
        return f"; have texts and large ids numbered: preprocessing=index{wide}"
    return ""


def _first_fit_on_texts(wired: Sequence[Wired]) -> int | None:
    """Place of the first of several stages that are fitted on texts which others took apart; None without."""
    from pyspark.ml import Estimator

    fits = [place for place, each in enumerate(wired) if issubclass(each.stage.type, Estimator)]
    if len(fits) < 2 or not any(known_of(each.stage.type).is_costly for each in wired[: fits[0]]):
        return None
    return fits[0]


def _without_words(rows: DataFrame, wired: Sequence[Wired]) -> DataFrame:
    """The rows without lists of words that no stage reads any more: they are as large as the texts."""
    read = {value for each in wired for value in each.params.values() if isinstance(value, str)}
    return rows.drop(*(name for name, kind in rows.dtypes if kind == "array<string>" and name not in read))


def check_estimator(wired: Wired, task: Task, rows: int, classes: int | None) -> None:
    """Whether an estimator suits the number of training rows and classes, where Spark would say it late or not at all.

    Raises:
        ExperimentError: with the key, the value and the way out.
    """
    stage, k = wired.stage, wired.params.get("k")
    if task is Task.clustering and isinstance(k, int) and k > rows:
        raise ExperimentError(
            f"{stage.key}.k must be at most the number of training rows, {rows:,}, got {k:,}; lower it or add rows"
        )
    thresholds = wired.params.get("thresholds")
    if thresholds is not None and classes is not None and len(thresholds) != classes:
        raise ExperimentError(
            f"{stage.key}.thresholds must be one for each of the {classes} classes, got {len(thresholds)}; "
            "model.threshold is for two classes"
        )
    name = stage.type.__name__
    if known_of(stage.type).is_of_two_classes and classes is not None and classes > 2:
        raise ExperimentError(
            f"{stage.key}.class must be for {classes} classes, got {name}, which tells two apart; use another "
            "model, such as model=random_forest or model=one_vs_rest"
        )


def _leave_trees_in_java() -> None:
    """Have PySpark make Python objects of a forest's trees when they are asked for, and not of each new model's.

    It looks for a new model's parameters among all its attributes that are no property; `trees` is a cached one, which
    takes a second for 100 trees.
    """
    from functools import cached_property

    from pyspark.ml.classification import GBTClassificationModel, RandomForestClassificationModel
    from pyspark.ml.regression import GBTRegressionModel, RandomForestRegressionModel

    models: tuple[Any, ...] = (
        *(GBTClassificationModel, RandomForestClassificationModel),
        *(GBTRegressionModel, RandomForestRegressionModel),
    )
    for model in models:
        if isinstance(trees := vars(model).get("trees"), cached_property):
            model.trees = property(trees.func)


def _made(wired: Wired) -> Any:
    """The Spark object. Set by name, as some packages spell their constructors otherwise."""
    stage = wired.stage
    params = {
        name: _made(Wired(value, value.params)) if isinstance(value, Stage) else value
        for name, value in wired.params.items()
    }
    try:
        return stage.type()._set(**params)
    except Exception as error:
        raise ExperimentError(
            f"{stage.key} must be what {stage.type.__name__} takes: {readable_cause(error)}"
        ) from error
