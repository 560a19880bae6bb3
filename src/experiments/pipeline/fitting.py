"""Wired stages as Spark objects, fitted one after another. Runs on the driver and needs the Spark session."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from experiments.errors import ExperimentError, readable_cause
from experiments.pipeline.stages import Stage
from experiments.pipeline.wiring import Wired

if TYPE_CHECKING:
    from pyspark.ml import Transformer
    from pyspark.sql import DataFrame


def fit_stages(wired: Sequence[Wired], rows: DataFrame) -> list[Transformer]:
    """Each stage made and, where it is an estimator, fitted on what those before it make of the rows.

    As `Pipeline.fit`, but an error says which stage.

    Raises:
        ExperimentError: a value that Spark refuses, or rows that do not suit a stage, with the stage's key.
    """
    from pyspark.ml import Estimator

    fitted: list[Transformer] = []
    made = [(each.stage, _made(each)) for each in wired]
    for stage, instance in made:
        if fitted:
            rows = fitted[-1].transform(rows)
        try:
            fitted.append(instance.fit(rows) if isinstance(instance, Estimator) else instance)
        except Exception as error:  # Spark raises Py4J and its own kinds
            raise ExperimentError(
                f"{stage.key} must be able to fit the training rows, but {stage.type.__name__} says: "
                f"{readable_cause(error)}"
            ) from error
        if getattr(fitted[-1], "vocabulary", None) == []:
            raise ExperimentError(
                f"{stage.key} must find words that are frequent enough, got an empty vocabulary; lower its minDF or "
                "minTF, or look at the stages before it"
            )
    return fitted


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
