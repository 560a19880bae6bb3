"""From a config to stages whose classes, parameter names and values are checked. Needs no JVM: a stage's parameters
are class attributes of its Python class.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from experiments.config.schema import Balance, Config, Missing
from experiments.errors import ConfigError, suggest
from experiments.pipeline.known import known_of

if TYPE_CHECKING:
    from pyspark.ml.param import Param

TRUSTED_PACKAGES = ("pyspark.ml", "experiments.stages", "xgboost.spark")
# Packages that come with an extra of ours, to the extra.
EXTRAS = {"xgboost": "xgboost"}


@dataclass(frozen=True)
class Stage:
    """One stage as the config states it: its key, its Spark class and the parameters that were set.

    A parameter that is an estimator itself, such as the classifier of one-vs-rest, is a `Stage` too.
    """

    key: str
    type: type
    params: dict[str, Any]

    @property
    def name(self) -> str:
        return self.key.rpartition(".")[2]

    def takes(self, param: str) -> bool:
        """Whether the Spark class has this parameter and the config leaves it unset."""
        return param in spark_params(self.type) and param not in self.params


def spark_params(stage_type: type) -> dict[str, Param]:
    """A Spark stage's parameters by name, read from its class. Needs no JVM."""
    from pyspark.ml.param import Param

    names = (name for name in dir(stage_type) if not name.startswith("_"))
    return {name: value for name in names if isinstance(value := getattr(stage_type, name, None), Param)}


def stages_of(config: Config) -> list[Stage]:
    """Preprocessing and the model's stages in order, the estimator last, each checked against its Spark class.

    Raises:
        ConfigError: every class, parameter name and value that is wrong, together.
    """
    packages = (*TRUSTED_PACKAGES, *config.allowed_packages)
    written = {f"preprocessing.{name}": node for name, node in config.preprocessing.items()}
    written |= {f"model.stages.{name}": node for name, node in config.model.stages.items()}
    written = {key: node for key, node in written.items() if node is not None}
    written["model.estimator"] = config.model.estimator
    stages, problems = [], []
    for key, node in written.items():
        try:
            stages.append(_stage(key, node, packages))
        except ConfigError as error:
            problems += error.problems
    if not problems:
        problems = _wrong_order(stages) + _renamed_outputs(stages[-1]) + _lost_threshold(config, stages[-1])
    if problems:
        raise ConfigError(problems)
    if config.model.threshold is not None:
        # A class is predicted whose probability is the largest by its own threshold.
        thresholds = [1 - config.model.threshold, config.model.threshold]
        stages[-1] = replace(stages[-1], params={**stages[-1].params, "thresholds": thresholds})
    return stages


def check_stages(config: Config) -> list[str]:
    """A sentence for each problem."""
    try:
        stages = stages_of(config)
    except ConfigError as error:
        return error.problems
    if config.model.least_partitions < 1:
        return [f"model.least_partitions must be 1 or more, got {config.model.least_partitions}"]
    if (problem := _lost_weight(config, stages)) is not None:
        return [problem]
    # An imputer, or a stage that is told what to do with what is invalid.
    takes_missing = any(known_of(stage.type).fills_missing or "handleInvalid" in stage.params for stage in stages)
    if config.data.missing is Missing.keep and not takes_missing:
        return [
            "data.missing must be fail, fill or drop unless a stage imputes, got keep; add preprocessing=impute, or "
            "where features are texts or dates preprocessing=auto, or set data.missing=fail or data.missing=drop"
        ]
    return []


def _lost_threshold(config: Config, estimator: Stage) -> list[str]:
    """That rows are to be told apart at a probability by an estimator which would not hear of it."""
    threshold = config.model.threshold
    if threshold is None:
        return []
    if not 0 < threshold < 1:
        return [f"model.threshold must be between 0 and 1, got {threshold}"]
    name = estimator.type.__name__
    if "thresholds" not in spark_params(estimator.type):
        margin = "; model.estimator.threshold is of its margin" if "threshold" in spark_params(estimator.type) else ""
        return [f"model.threshold must be left as it is for {name}, which has no `thresholds`, got {threshold}{margin}"]
    set_twice = {"threshold", "thresholds"} & estimator.params.keys()
    if set_twice:
        return [f"model.threshold must be left as it is where {estimator.key}.{min(set_twice)} is set, got {threshold}"]
    return []


def _lost_weight(config: Config, stages: Sequence[Stage]) -> str | None:
    """That rows are to be weighted for an estimator which would not hear of it."""
    weight, is_balanced = config.data.weight, config.data.balance is Balance.classes
    if weight is None and not is_balanced:
        return None
    estimator = stages[-1]
    said, value = ("data.weight", weight) if weight is not None else ("data.balance", "classes")
    if "weightCol" not in spark_params(estimator.type):
        name = estimator.type.__name__
        return f"{said} must be left as it is for {name}, which takes no weights, got '{value}'; use another model"
    if "weightCol" in estimator.params:
        return f"{said} must be left as it is where {estimator.key}.weightCol is set, got '{value}'; keep one of them"
    return None


def _stage(key: str, node: Any, packages: Sequence[str]) -> Stage:
    if not isinstance(node, Mapping) or "class" not in node:
        raise ConfigError([f"{key} must name its Spark stage as `class: pyspark.ml…`, got {node!r}"])
    stage_type = _stage_type(f"{key}.class", str(node["class"]), packages)
    known = spark_params(stage_type)
    params, problems = {}, []
    for name, value in node.items():
        if name == "class":
            continue
        if name not in known:
            problems.append(
                f"{key}.{name} must be a parameter of {stage_type.__name__} ({', '.join(known)}), got '{name}'"
                + suggest(name, known)
            )
            continue
        try:
            nested = isinstance(value, Mapping) and "class" in value
            params[name] = _stage(f"{key}.{name}", value, packages) if nested else known[name].typeConverter(value)
        except ConfigError as error:
            problems += error.problems
        except (TypeError, ValueError) as error:
            problems.append(f"{key}.{name} must be what Spark takes for it, got {value!r}: {error}")
    if not problems and (check := getattr(stage_type, "problems", None)) is not None:  # of our own stages
        problems = [f"{key}.{problem}" for problem in check(params, packages)]
    if problems:
        raise ConfigError(problems)
    return Stage(key, stage_type, params)


def _stage_type(key: str, path: str, packages: Sequence[str]) -> type:
    """The class at a dotted path, if it lies in an allowed package and is a Spark stage."""
    from pyspark.ml import Estimator, Transformer

    module_name, _, class_name = path.rpartition(".")
    # Checked before anything is imported: importing runs code.
    if not any(module_name == package or module_name.startswith(f"{package}.") for package in packages):
        raise ConfigError(
            [
                f"{key} must lie in an allowed package ({', '.join(packages)}), got '{path}'; "
                "to trust another, add it: 'allowed_packages=[that.package]'"
            ]
        )
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        extra = EXTRAS.get(path.partition(".")[0])
        way_out = f"; `pip install 'spark-experiments[{extra}]'` or `uv sync --extra {extra}`" if extra else ""
        raise ConfigError([f"{key} must be importable, got '{path}': {error}{way_out}"]) from error
    found = getattr(module, class_name, None)
    if not (isinstance(found, type) and issubclass(found, Estimator | Transformer)):
        offered = [
            name
            for name, value in vars(module).items()
            if isinstance(value, type) and issubclass(value, Estimator | Transformer) and not name.startswith("_")
        ]
        raise ConfigError(
            [f"{key} must be a Spark ML Estimator or Transformer, got '{path}'{suggest(class_name, offered)}"]
        )
    return found


def _wrong_order(stages: Sequence[Stage]) -> list[str]:
    from pyspark.ml import Estimator

    last = stages[-1]
    if not issubclass(last.type, Estimator):
        return [f"{last.key}.class must be an Estimator, got {last.type.__name__}; transformers belong in model.stages"]
    return []


def _renamed_outputs(estimator: Stage) -> list[str]:
    """What is evaluated, drawn and scored is found by Spark's own names."""
    return [
        f"{estimator.key}.{name} must be left as Spark has it, got '{estimator.params[name]}'"
        for name in ("predictionCol", "probabilityCol", "rawPredictionCol")
        if name in estimator.params
    ]
