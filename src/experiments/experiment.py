"""The one path: from a config to a tracked run of a fitted model."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from experiments.config import Config, TableData, Task
from experiments.data.loading import load_data
from experiments.data.table import missing_paths
from experiments.errors import ConfigError
from experiments.evaluation import OBJECTIVES, evaluate, predicted
from experiments.inspection import inspect
from experiments.pipeline import build, check_column_types, stages_of
from experiments.session import start_session
from experiments.tracking import tracked_run


@dataclass(frozen=True)
class Result:
    """What a finished run yielded.

    Attributes:
        run_id: of MLflow.
        model_uri: `models:/…`, for `mlflow.spark.load_model`.
        metrics: as recorded.
        objective: the metric that decides for the task, or None.
    """

    run_id: str
    model_uri: str
    metrics: dict[str, float]
    objective: float | None


def validate(config: Config) -> None:
    """Everything that can be known without Java.

    Raises:
        ConfigError: all problems together.
    """
    problems: list[str] = []
    try:
        stages_of(config.model, config.allowed_packages)
    except ConfigError as error:
        problems += error.problems
    data = config.data
    if isinstance(data, TableData):
        problems += missing_paths("data.path", data.path) + missing_paths("data.test_path", data.test_path)
    if config.model.task.supervised and data.label is None:
        problems.append(f"data.label must be a column to predict for {config.model.task.value}, got none; set it")
    if data.test_fraction is not None and not 0 <= data.test_fraction < 1:
        problems.append(f"data.test_fraction must be at least 0 and below 1, got {data.test_fraction}")
    if data.stratified and config.model.task is not Task.classification:
        problems.append("data.stratified must be false unless the task is classification, got true")
    if problems:
        raise ConfigError(problems)


def run(config: Config, run_name: str | None = None) -> Result:
    """Fit, evaluate and record one experiment. Uses the running SparkSession, or starts one that stays.

    Raises:
        ConfigError: before Spark starts.
        ExperimentError: afterwards; the run is then FAILED, with this reason.
    """
    validate(config)
    model, data = config.model, config.data
    with tracked_run(config, run_name or config.tracking.run or model.name) as tracked:
        spark = start_session(config.cluster)
        clock = _Clock()
        with load_data(spark, data, model.task, config.seed) as dataset:
            types: dict[str, Any] = dict(dataset.rows.dtypes)
            check_column_types(model, config.allowed_packages, {name: types[name] for name in dataset.features})
            clock.lap("seconds_load")
            pipeline = build(model, config.allowed_packages, dataset.label, dataset.features, config.seed)
            fitted = pipeline.fit(dataset.train)
            clock.lap("seconds_fit")
            with predicted(fitted, dataset) as predictions:
                features_column = pipeline.getStages()[-1].getOrDefault("featuresCol")
                metrics = evaluate(predictions, dataset, model.task, features_column)
                outputs = inspect(fitted, predictions)
            clock.lap("seconds_evaluate")
            model_uri = tracked.log_model(fitted, dataset)
            tracked.log_data(dataset, data.name)
            for output in outputs:
                tracked.log_output(output)
            clock.lap("seconds_log")
            rows = {"train_rows": dataset.train_rows, "test_rows": dataset.test_rows}
            tracked.log_metrics({**metrics, **rows, **clock.seconds})
        if config.registry.register:
            tracked.register(model_uri, config.registry.name or data.name, config.registry.alias)
    objective = metrics.get(OBJECTIVES[model.task][0]) if model.task in OBJECTIVES else None
    return Result(tracked.run_id, model_uri, metrics, objective)


class _Clock:
    """Seconds of each phase since the one before."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.seconds[name] = now - self._last
        self._last = now
