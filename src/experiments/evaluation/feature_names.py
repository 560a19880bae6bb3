"""The data's own names and units for the entries of a vector column somewhere in a fitted pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from experiments.data.names import unquoted
from experiments.pipeline.known import DATE_PARTS, Entries, known_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray
    from pyspark.ml import PipelineModel
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType


def feature_names(fitted: PipelineModel, schema: StructType, column: str, rows: DataFrame) -> list[str]:
    """Names of a vector's entries, through the stages that made it; empty where nobody knows them.

    Args:
        schema: of the rows after the pipeline.
        rows: before the pipeline. They are read only to find the words behind hashes.
    """
    stage = _maker_of(fitted, column)
    entries = known_of(type(stage)).entries
    if entries is Entries.same:
        return feature_names(fitted, schema, stage.getInputCol(), rows)
    if entries is Entries.words:
        return list(stage.vocabulary)
    if entries is Entries.hashes:
        return _hashed_words(fitted, stage, rows)
    if entries is Entries.assembled:
        return _assembled_names(fitted, schema, stage, rows)
    return _attribute_names(schema, column)


def _assembled_names(fitted: PipelineModel, schema: StructType, assembler: Any, rows: DataFrame) -> list[str]:
    known = _attribute_names(schema, assembler.getOutputCol())
    names: list[str] = []
    for column in map(unquoted, assembler.getInputCols()):
        source = _source(fitted.stages, column)
        if schema[column].dataType.simpleString() != "vector":
            names.append(source)
        elif (date := _date_of(fitted.stages, column)) is not None:
            names += [f"{_source(fitted.stages, date)}_{part}" for part in DATE_PARTS]
        elif source != column:  # categories
            names += [f"{source}={value}" for value in _attribute_names(schema, column)]
        else:
            text = _text_of(fitted, column) if len(assembler.getInputCols()) > 1 else None
            of_text = "" if text is None else f"{text}: "
            names += [f"{of_text}{name}" for name in feature_names(fitted, schema, column, rows)]
    # Where a vector of the data's own has no names, Spark still knows how many entries there are.
    return names if len(names) == len(known) or not known else known


def _text_of(fitted: PipelineModel, column: str) -> str | None:
    """The column of texts whose words a vector counts."""
    stage = _maker_of(fitted, column)
    while stage is not None and known_of(type(stage)).entries in (Entries.same, Entries.words, Entries.hashes):
        column = stage.getInputCol()
        stage = _maker_of(fitted, column)
    return unquoted(stage.getInputCol()) if known_of(type(stage)).is_costly else None


def _date_of(stages: Sequence[Any], column: str) -> str | None:
    """The date whose parts a vector holds."""
    for stage in stages:
        if known_of(type(stage)).entries is Entries.parts and column in stage.getOutputCols():
            return unquoted(stage.getInputCols()[stage.getOutputCols().index(column)])
    return None


def _source(stages: Sequence[Any], column: str) -> str:
    """The data's column behind one that was imputed, indexed or binned."""
    for number, stage in enumerate(stages):
        for read, made in _columns_of(stage) if known_of(type(stage)).entries is Entries.column else ():
            if made == column:
                return _source(stages[:number], read)  # an imputer may write where it reads
    return column


def _columns_of(stage: Any) -> list[tuple[str, str]]:
    """Input and output columns of a stage that makes one of each."""
    if stage.isDefined("outputCols"):
        return list(zip(map(unquoted, stage.getInputCols()), stage.getOutputCols(), strict=True))
    return [(unquoted(stage.getInputCol()), stage.getOutputCol())] if stage.isDefined("inputCol") else []


def _attribute_names(schema: StructType, column: str) -> list[str]:
    """From the metadata that Spark leaves on a vector column; it leaves out entries of which it knows nothing."""
    if column not in schema.names:
        return []
    known = schema[column].metadata.get("ml_attr", {})
    named = {entry["idx"]: entry.get("name") for group in known.get("attrs", {}).values() for entry in group}
    width = known.get("num_attrs", max(named, default=-1) + 1)
    return [named.get(index) or f"{column}_{index}" for index in range(width)]


def _hashed_words(fitted: PipelineModel, hashing: Any, rows: DataFrame) -> list[str]:
    """For each entry the most frequent word of the training rows that falls on it, as `word (+2)` where two others do.

    Counted on Spark; a line for each entry comes back.

    Args:
        hashing: a `HashingTF` of the pipeline.
        rows: before the pipeline.
    """
    from pyspark.sql import functions as F

    column = hashing.getInputCol()
    for stage in fitted.stages[: fitted.stages.index(hashing)]:
        rows = stage.transform(rows)
    counted = rows.select(F.explode(column).alias("_word")).groupBy("_word").agg(F.count("*").alias("_rows"))
    alone = counted.withColumn(column, F.array("_word"))
    entry = F.unwrap_udt(F.col(hashing.getOutputCol()))["indices"][0]
    hashed = hashing.transform(alone).select(entry.alias("entry"), "_word", "_rows")
    # Of words as frequent as each other always the same, so that a second run says the same.
    frequency = F.struct("_rows", F.expr("-ascii(_word)"), "_word")
    found = hashed.groupBy("entry").agg(F.max_by("_word", frequency).alias("word"), F.count("*").alias("words"))
    names = [f"hash {index}" for index in range(hashing.getNumFeatures())]
    for row in found.collect():
        names[row["entry"]] = row["word"] if row["words"] == 1 else f"{row['word']} (+{row['words'] - 1})"
    return names


def is_scaled(fitted: PipelineModel, column: str) -> bool:
    """Whether a scaler made a column, so that its entries are not in the data's units."""
    return _scaler_of(fitted, column) is not None


def own_units(fitted: PipelineModel, column: str, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points of a vector column in the units of the data: what scalers before it did is undone.

    Args:
        points: shape (points, entries).
    """
    scaler = _scaler_of(fitted, column)
    undo = known_of(type(scaler)).undo
    return points if undo is None else own_units(fitted, scaler.getInputCol(), undo(scaler, points))


def _maker_of(fitted: PipelineModel, column: str) -> Any:
    """The stage that made a column, or None."""
    for stage in fitted.stages:
        if stage.hasParam("outputCol") and stage.isDefined("outputCol") and stage.getOutputCol() == column:
            return stage
    return None


def _scaler_of(fitted: PipelineModel, column: str) -> Any:
    """The scaler that made a column, or one that was then assembled alone, or None."""
    stage = _maker_of(fitted, column)
    about = known_of(type(stage))
    if about.entries is Entries.assembled and len(stage.getInputCols()) == 1:
        return _scaler_of(fitted, stage.getInputCols()[0])
    return stage if about.undo is not None else None
