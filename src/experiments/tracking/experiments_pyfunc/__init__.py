"""How `mlflow.pyfunc` loads a model of ours: it takes frames as pandas makes them, and answers in the data's words.

This folder is copied into each logged model and loaded from there, so it imports nothing else of this package. What it
must know of the model stands in `MLmodel`, under `metadata: experiments`.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from .frames import (
    DATES,
    MOST_NAMED,
    NO_LIST,
    BadRows,
    check_columns,
    column_of,
    is_numbers,
    nearest,
    of_whole_file,
)
from .pipelines import load_pipeline, start_session
from .seen import categories_of, filled, warn_of_far

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pyspark.ml import PipelineModel
    from pyspark.sql import DataFrame, SparkSession

ROW = "_experiments_row"
NEW = "_experiments_new_"


def _load_pyfunc(path: str) -> Answers:
    """Called by `mlflow.pyfunc.load_model`.

    Args:
        path: of Spark's own files, in the folder of the model.
    """
    from mlflow.models import Model
    from pyspark.sql import SparkSession

    metadata = Model.load(str(Path(path).parent)).metadata or {}
    if "experiments" not in metadata:
        raise ValueError(
            "the model says nothing of its answers, as one of other people, or of earlier versions; "
            "mlflow.pyfunc.load_model and mlflow.spark.load_model load those"
        )
    spark = SparkSession.getActiveSession() or start_session()
    return Answers(load_pipeline(spark, path), spark, metadata["experiments"])


def _as_at_the_fit(spark: SparkSession, time_zone: str | None) -> SparkSession:
    """The session, or one beside it in which days begin when they did at the fit, and what cannot be read is an error.

    The settings of somebody else's session stay as they are.
    """
    wanted = {"spark.sql.ansi.enabled": "true", **({"spark.sql.session.timeZone": time_zone} if time_zone else {})}
    if all(spark.conf.get(name, None) == value for name, value in wanted.items()):
        return spark
    with _active_kept():
        own = spark.newSession()
        for name, value in wanted.items():
            own.conf.set(name, value)
    return own


@contextlib.contextmanager
def _active_kept() -> Iterator[None]:
    """After the block the thread's session is the one that it was before."""
    from pyspark.sql import SparkSession

    before = SparkSession.getActiveSession()
    try:
        yield
    finally:
        if before is not None:
            SparkSession._activeSession = before
            before._jvm.SparkSession.setActiveSession(before._jsparkSession)


class Answers:
    """A fitted pipeline that takes and gives pandas frames."""

    def __init__(self, pipeline: PipelineModel, spark: SparkSession, known: Mapping[str, Any]) -> None:
        """Keep what is needed for answers.

        Args:
            known: `columns`: Spark's types of the features and of what else is read; `may_be_missing`: names of them;
                `vectors`: of each vector that the model makes, the names of its entries; `values`: other columns that
                it makes; `time_zone`: in which days began at the fit; `reading`: how texts were read as numbers;
                `ranges`: of numbers, the least and the largest.
        """
        self.pipeline, self.spark, self.known = pipeline, _as_at_the_fit(spark, known.get("time_zone")), known
        self._categories = categories_of(pipeline)
        reading = known.get("reading")
        self._reading = reading and {**reading, "date_format": known.get("date_format")}

    def get_raw_model(self) -> PipelineModel:
        """The Spark pipeline."""
        return self.pipeline

    def predict(self, rows: pd.DataFrame, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """What the pipeline makes of rows, in their order and with their index.

        A row that the model leaves out, as a recommender does with users that it has never seen, has no values.

        Args:
            rows: the features, by their names; columns that are none are left out.
            params: none are known.

        Raises:
            BadRows: a column that is not there or holds something else; values that are missing.
        """
        if not isinstance(rows, pd.DataFrame):
            raise BadRows(f"the rows must be a pandas frame, got {type(rows).__name__}; pandas.DataFrame([row]) is one")
        self._check_names(rows)
        if not len(rows):  # of which Spark cannot tell how long vectors are
            names = itertools.chain(self.known["values"], *self.known["vectors"].values())
            kinds = {name: object if name.startswith("predicted_") else float for name in names}
            return pd.DataFrame({name: pd.Series([], dtype=kind) for name, kind in kinds.items()}, rows.index)
        try:
            with _active_kept():
                answers: pd.DataFrame = self._selected(self.pipeline.transform(self._given(rows))).toPandas()
        except (BadRows, Warning):  # who makes errors of warnings wants these
            raise
        except Exception as error:  # Spark raises Py4J's and its own kinds
            reason = self._reason(rows, str(error))
            if reason is None:
                raise
            raise BadRows(reason) from error
        self._warn_of_new(answers, rows)
        answers = answers.set_index(ROW).reindex(range(len(rows)))
        for name, entries in self.known["vectors"].items():
            vectors = answers.pop(name)
            empty = np.full(len(entries), np.nan)
            table = np.array([empty if isinstance(vector, NO_LIST) else vector for vector in vectors], float)
            parts = pd.DataFrame(table.reshape(len(rows), len(entries)), answers.index, list(entries))
            answers = pd.concat([answers, parts], axis=1)
        answers.index = rows.index
        return answers

    def _reason(self, rows: pd.DataFrame, said: str) -> str | None:
        """What is wrong with rows that Spark had no answer for; None where it is not the rows.

        Args:
            said: of Spark.
        """
        given = [name for name in self.known["columns"] if name in rows]
        if "CAST_INVALID_INPUT" in said and (malformed := re.search(r"\[[A-Z_]+[^\n]*?\.(?= |$)", said)):
            value = re.search("'(.*?)'", malformed[0])
            dates = [name for name in given if self.known["columns"][name] in DATES]
            places = [repr(name) for name in dates if value and (rows[name].astype(str) == value[1]).any()]
            where = " or ".join(places) or "a value"
            spellings = " or ".join(dict.fromkeys([self.known.get("date_format") or "yyyy-MM-dd", "yyyy-MM-dd"]))
            more = of_whole_file(self.known.get("reading"))
            return f"{where} must be spelled as at the fit, dates as {spellings}: {malformed[0]}{more}"
        answered = filled(self.pipeline)
        lacking = [repr(name) for name in given if name not in answered and rows[name].isna().any()]
        return f"the model has no answer where a value is missing in {', '.join(lacking)}" if lacking else None

    def _check_names(self, rows: pd.DataFrame) -> None:
        kinds = self.known["columns"]
        known = [name for name in rows.columns if name in kinds]
        if kinds and not known:
            listed, there = (", ".join(map(str, list(names)[:MOST_NAMED])) for names in (kinds, rows.columns))
            listed += f", got none of them, but {there}"
            raise BadRows(f"the rows must have the columns {listed}{of_whole_file(self.known.get('reading'))}")
        twice = sorted({name for name in known if known.count(name) > 1})
        if twice:
            raise BadRows(f"the rows must have each column once, got {', '.join(map(repr, twice))} twice")

    def _given(self, rows: pd.DataFrame) -> DataFrame:
        """The features as Spark's rows, with their number."""
        from pyspark.ml.functions import array_to_vector
        from pyspark.sql import functions as F

        kinds, optional = self.known["columns"], set(self.known["may_be_missing"])
        columns: dict[str, Any] = {ROW: pa.array(range(len(rows)), pa.int64())}
        check_columns(rows, kinds, optional)
        problems: list[BadRows] = []
        for name, kind in kinds.items():
            try:
                columns[name] = column_of(name, kind, rows, name in optional, self._reading)
            except BadRows as problem:  # said with those of other columns
                problems.append(problem)
        if problems:
            said = "; ".join(map(str, problems[:MOST_NAMED]))
            raise BadRows(said + of_whole_file(self.known.get("reading"))) from problems[0]
        warn_of_far(columns, self.known.get("ranges", {}))
        given = self.spark.createDataFrame(pa.table(columns))
        for name in (name for name, kind in kinds.items() if kind == "vector" or is_numbers(kind)):
            column = "`" + name.replace("`", "``") + "`"
            given = given.withColumn(name, F.when(F.col(column).isNotNull(), array_to_vector(column)))
        return given

    def _selected(self, made: DataFrame) -> DataFrame:
        from pyspark.ml.functions import vector_to_array
        from pyspark.sql import functions as F

        columns = [F.col("`" + name.replace("`", "``") + "`") for name in self.known["values"]]
        columns += [vector_to_array(F.col(name)).alias(name) for name in self.known["vectors"]]
        for name in self._categories.keys() & set(made.columns):
            text = F.col("`" + name.replace("`", "``") + "`").cast("string")
            columns.append(text.alias(f"{NEW}{name}"))
        return made.select(ROW, *columns)

    def _is_said_to_lack(self, name: str, rows: pd.DataFrame) -> bool:
        """Whether a column is missing in every row, as `check_columns` has said."""
        is_empty = name not in rows or (len(rows) > 1 and bool(rows[name].isna().all()))
        return name in self.known["columns"] and is_empty

    def _warn_of_new(self, answers: pd.DataFrame, rows: pd.DataFrame) -> None:
        """Of categories that were not among the training rows; their columns are taken away."""
        for column in [name for name in answers.columns if name.startswith(NEW)]:
            name = column.removeprefix(NEW)
            known = self._categories[name]
            new = known.new(answers.pop(column))
            if len(new) and not self._is_said_to_lack(name, rows):
                said = f"such as {new.iloc[0]!r} ({len(new)} of {len(answers)} rows)"
                is_name = any(map(str.isalpha, new.iloc[0]))  # of codes the nearest is another one
                near = nearest(new.iloc[0], known.few) if is_name else None
                meant = f"; did you mean {near!r}?" if near is not None else ""
                warnings.warn(
                    f"'{name}' has values that the fit has not seen, {said}: {known.becomes}{meant}", stacklevel=3
                )
