"""From a model's config to a `pyspark.ml.Pipeline`: stage lookup, parameter checks, columns that wire themselves.

Everything but `build` works without a JVM: a stage's parameters are class attributes of its Python class.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from experiments.config import ModelConfig
from experiments.errors import ConfigError, ExperimentError, readable_cause, suggest

if TYPE_CHECKING:
    from pyspark.ml import Pipeline
    from pyspark.ml.param import Param

TRUSTED_PACKAGES = ("pyspark.ml", "experiments.stages")


@dataclass(frozen=True)
class Stage:
    """One stage of a model as the config states it: its key, its Spark class and the parameters that were set."""

    key: str
    type: type
    params: dict[str, Any]

    @property
    def name(self) -> str:
        return self.key.rpartition(".")[2]

    def takes(self, param: str) -> bool:
        """Whether the Spark class has this parameter and the config leaves it unset."""
        return param in spark_params(self.type) and param not in self.params


@dataclass
class Wiring:
    """The columns of the data that a pipeline starts from, and the feature columns at the point reached.

    Attributes:
        label: column to predict, or None.
        features: columns that the next stage reads unless it says otherwise.
    """

    label: str | None
    features: list[str]
    sources: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.sources = list(self.features)


def spark_params(stage_type: type) -> dict[str, Param]:
    """A Spark stage's parameters by name, read from its class. Needs no JVM."""
    from pyspark.ml.param import Param

    names = (name for name in dir(stage_type) if not name.startswith("_"))
    return {name: value for name in names if isinstance(value := getattr(stage_type, name, None), Param)}


def stages_of(model: ModelConfig, allowed_packages: Sequence[str] = ()) -> list[Stage]:
    """The model's stages in order, the estimator last, each checked against its Spark class. Needs no JVM.

    Raises:
        ConfigError: every class, parameter name and value that is wrong, together.
    """
    packages = (*TRUSTED_PACKAGES, *allowed_packages)
    written = {f"model.stages.{name}": node for name, node in model.stages.items()}
    written["model.estimator"] = model.estimator
    stages, problems = [], []
    for key, node in written.items():
        try:
            stages.append(_stage(key, node, packages))
        except ConfigError as error:
            problems += error.problems
    if stages and not problems:
        problems = _wrong_order(stages) + _renamed_outputs(stages[-1])
    if problems:
        raise ConfigError(problems)
    return stages


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
            params[name] = known[name].typeConverter(value)
        except (TypeError, ValueError) as error:
            problems.append(f"{key}.{name} must be what Spark takes for it, got {value!r}: {error}")
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
        raise ConfigError([f"{key} must be importable, got '{path}': {error}"]) from error
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


def wire(stages: Sequence[Stage], label: str | None, features: Sequence[str], seed: int) -> list[dict[str, Any]]:
    """Each stage's parameters with the columns and the seed filled in that the config leaves unset. Needs no JVM.

    Args:
        features: the data's feature columns, in order.
        seed: what stages with a `seed` get.

    Raises:
        ExperimentError: where a stage takes one column and the data has several.
    """
    wiring = Wiring(label, list(features))
    return [_wired(stage, wiring, seed) for stage in stages]


def _wired(stage: Stage, wiring: Wiring, seed: int) -> dict[str, Any]:
    params = dict(stage.params)
    for name in ("inputCol", "featuresCol"):
        if stage.takes(name) and not ("inputCols" in params or _reads_several(stage)):
            params[name] = _only_column(stage, name, wiring)
    if stage.takes("inputCols") and _reads_several(stage):
        params["inputCols"] = list(wiring.features)
    if stage.takes("labelCol") and wiring.label:
        params["labelCol"] = wiring.label
    if stage.takes("seed"):
        params["seed"] = seed
    if "inputCols" in params and stage.takes("outputCols"):
        params["outputCols"] = [f"{column}_{stage.name}" for column in params["inputCols"]]
    elif stage.takes("outputCol"):
        params["outputCol"] = _free_name(stage.name, wiring)
    _advance(wiring, params)
    return params


def _reads_several(stage: Stage) -> bool:
    """Whether the class reads a list of columns and could not read a single one instead."""
    known = spark_params(stage.type)
    return "inputCols" in known and "inputCol" not in known


def _only_column(stage: Stage, param: str, wiring: Wiring) -> str:
    if len(wiring.features) == 1:
        return wiring.features[0]
    raise ExperimentError(
        f"{stage.key}.{param} must be one column, got the {len(wiring.features)} columns "
        f"{', '.join(wiring.features[:5])}; set it, or put a stage before it that makes one of them: "
        "'model.stages.features.class=pyspark.ml.feature.VectorAssembler'"
    )


def _free_name(name: str, wiring: Wiring) -> str:
    """The stage's name as a column name, out of the way of the data's own columns."""
    taken = {*wiring.sources, wiring.label}
    while name in taken:
        name += "_"
    return name


def _advance(wiring: Wiring, params: Mapping[str, Any]) -> None:
    """A stage's outputs stand in for its inputs among the feature columns."""
    read = params.get("inputCols") or [params.get("inputCol")]
    made = params.get("outputCols") or ([params["outputCol"]] if "outputCol" in params else [])
    if made:
        wiring.features = [column for column in wiring.features if column not in read] + list(made)


def build(
    model: ModelConfig, allowed_packages: Sequence[str], label: str | None, features: Sequence[str], seed: int
) -> Pipeline:
    """The unfitted pipeline. Runs on the driver and needs the Spark session.

    Raises:
        ConfigError: as `stages_of` and `wire`.
        ExperimentError: a value that Spark refuses, with the stage's key.
    """
    from pyspark.ml import Pipeline

    stages = stages_of(model, allowed_packages)
    made = []
    for stage, params in zip(stages, wire(stages, label, features, seed), strict=True):
        try:
            made.append(stage.type(**params))
        except Exception as error:  # Spark raises Py4J and its own kinds
            raise ExperimentError(
                f"{stage.key} must be what {stage.type.__name__} takes: {readable_cause(error)}"
            ) from error
    return Pipeline(stages=made)


def check_column_types(model: ModelConfig, allowed_packages: Sequence[str], types: Mapping[str, str]) -> None:
    """Refuse columns that are no numbers where numbers are assembled.

    Args:
        types: the data's feature columns, in order, with Spark's short type names.

    Raises:
        ExperimentError: naming the columns and the way out: for text the stage to add.
    """
    stages = stages_of(model, allowed_packages)
    for stage, params in zip(stages, wire(stages, None, list(types), seed=0), strict=True):
        if stage.type.__name__ != "VectorAssembler":
            continue
        wrong = {name: types[name] for name in params["inputCols"] if name in types and not _assembles(types[name])}
        if not wrong:
            continue
        names = ", ".join(wrong)
        found = ", ".join(f"{name} ({kind})" for name, kind in wrong.items())
        way_out = f"leave them out ('data.exclude=[{names}]')"
        if set(wrong.values()) == {"string"}:
            way_out += (
                f" or add a stage before {stage.name} that makes them numbers: "
                f"index: {{class: pyspark.ml.feature.StringIndexer, inputCols: [{names}]}}"
            )
        else:
            way_out += (
                f" or make them numbers by data.query='SELECT *, unix_timestamp({next(iter(wrong))}) AS … FROM source'"
            )
        raise ExperimentError(f"{stage.key}.inputCols must be numbers or vectors, got {found}; {way_out}")


def _assembles(kind: str) -> bool:
    numbers = ("double", "float", "bigint", "int", "smallint", "tinyint", "boolean", "vector")
    return kind in numbers or kind.startswith("decimal")
