"""The data of a run as MLflow records it: what it came from, its columns, rows and a digest of its content."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

from experiments.config.schema import BundledData, DataConfig, GeneratedData, TableData
from experiments.data.dataset import HELD_OUT, Dataset
from experiments.data.table import paths_of
from experiments.redaction import redact

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput
    from pyspark.sql import SparkSession


LONGEST = 60_000  # of MLflow's tables it is 65,535


def data_inputs(dataset: Dataset, data: DataConfig, seed: int) -> list[DatasetInput]:
    """The training and the held-out rows, in the context `train` and `test`.

    Args:
        seed: by which rows that are generated are made.
    """
    from mlflow.entities import Dataset as DatasetEntity
    from mlflow.entities import DatasetInput, InputTag

    schema = json.dumps({"columns": dict(dataset.rows.drop(HELD_OUT).dtypes)})
    sides = {
        "train": (dataset.train_digest, dataset.train_rows),
        "test": (dataset.test_digest, dataset.test_rows),
    }
    inputs = []
    for side, (digest, rows) in sides.items():
        if rows:
            kind, source = source_of(data, seed, side == "test", lambda path: _found(dataset.rows.sparkSession, path))
            text, profile = json.dumps(source), json.dumps({"num_rows": rows})
            if len(text) > LONGEST:
                text = json.dumps({"description": "too long for a source; see config.yaml"})
            entity = DatasetEntity(data.name, digest, kind, text, schema, profile)
            inputs.append(DatasetInput(entity, [InputTag("mlflow.data.context", side)]))
    return inputs


def source_of(
    data: DataConfig, seed: int, is_held_out: bool = False, whole: Callable[[str], str] = os.path.abspath
) -> tuple[str, Mapping[str, Any]]:
    """MLflow's name for a kind of source, and where the rows came from, secrets out.

    Args:
        is_held_out: whether the rows of `data.test_path` are meant, where there is one.
        whole: makes of a path without a scheme an address by which it is found again from another folder.
    """
    if isinstance(data, GeneratedData):
        tags = {"generator": data.generator, "rows": data.rows, "seed": seed, **data.parameters}
        return "code", redact({"tags": tags})
    if isinstance(data, BundledData):
        return "code", {"tags": {"bundled": f"scikit-learn {data.bundled}"}}
    assert isinstance(data, TableData)
    if data.table is not None:
        place: dict[str, Any] = {"table_name": data.table}
    else:
        paths = paths_of((is_held_out and data.test_path) or data.path)
        paths = [path if urlparse(path).scheme else whole(path) for path in paths]
        place = {"path": paths[0] if len(paths) == 1 else paths} if paths else {}
        place |= {"format": data.format}
    # With the version of a table, as `versionAsOf` of Delta and `snapshot-id` of Iceberg.
    more = {"options": dict(data.options), "query": data.query}
    return "spark", redact({**place, **{key: value for key, value in more.items() if value}})


def _found(session: SparkSession, path: str) -> str:
    """Where Spark finds a path without a scheme: on this machine, or in the storage that its settings name."""
    context = session.sparkContext
    settings, files = context._jsc.hadoopConfiguration(), context._jvm.org.apache.hadoop.fs
    if str(settings.get("fs.defaultFS")).startswith("file:"):
        return os.path.abspath(path)
    place = files.Path(path)
    return str(place.getFileSystem(settings).makeQualified(place).toString())
