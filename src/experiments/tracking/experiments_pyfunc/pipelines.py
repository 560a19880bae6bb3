"""Spark for whoever loads a model, and the pipeline that lies in its folder."""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.ml import PipelineModel
    from pyspark.sql import SparkSession


def load_pipeline(spark: SparkSession, path: str) -> PipelineModel:
    """The model from this machine's files. MLflow has a copy where a cluster's executors look, and leaves it there."""
    import mlflow.spark
    from mlflow.environment_variables import MLFLOW_DFS_TMP
    from pyspark.ml import PipelineModel
    from pyspark.ml.clustering import DistributedLDAModel
    from pyspark.ml.recommendation import ALSModel

    if spark.sparkContext.master.startswith("local"):
        return PipelineModel.load(f"file://{os.path.abspath(path)}")
    copies = f"{MLFLOW_DFS_TMP.get().rstrip('/')}/{uuid.uuid4().hex}"
    loaded = mlflow.spark._load_model(path, dfs_tmpdir_base=copies)
    # Of these some files are read as they are needed.
    if not any(isinstance(stage, ALSModel | DistributedLDAModel) for stage in loaded.stages):
        context = spark.sparkContext
        place = context._jvm.org.apache.hadoop.fs.Path(copies)
        place.getFileSystem(context._jsc.hadoopConfiguration()).delete(place, True)
    return loaded


def start_session() -> SparkSession:
    """A session of this machine, on loopback alone: MLflow's own would show its pages to every network."""
    from pyspark.logger import PySparkLogger
    from pyspark.sql import SparkSession

    for name in ("DataFrameQueryContextLogger", "SQLQueryContextLogger"):
        PySparkLogger.getLogger(name).setLevel("CRITICAL")  # or each error is a page of JSON too
    settings = {
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.executor.allowSparkContext": "true",  # as `spark_udf` loads models in Spark's workers
    }
    return SparkSession.builder.master("local[1]").config(map=settings).getOrCreate()
