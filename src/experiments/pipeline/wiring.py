"""Columns that wire themselves: what each stage reads and makes where the config does not say. Needs no JVM."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from experiments.errors import ExperimentError
from experiments.pipeline.known import known_of
from experiments.pipeline.stages import Stage, spark_params


@dataclass(frozen=True)
class Wired:
    """A stage with all its parameters: those of the config, and the columns and the seed that it leaves unset."""

    stage: Stage
    params: dict[str, Any]


@dataclass
class _Columns:
    """The columns of the data that a pipeline starts from, and the features at the point reached.

    Attributes:
        label: column to predict, or None.
        features: columns that stand for the features, in order, with their types.
    """

    label: str | None
    features: dict[str, str]
    taken: set[str] = field(init=False)

    def __post_init__(self) -> None:
        self.taken = {name.casefold() for name in (*self.features, self.label or "")}

    def of(self, types: Sequence[str]) -> list[str]:
        return [name for name, kind in self.features.items() if kind.partition("(")[0] in types]

    def replace(self, read: Sequence[str], made: Sequence[str], kind: str) -> None:
        """A stage's outputs stand in for its inputs."""
        self.features = {name: known for name, known in self.features.items() if name not in read}
        self.features |= dict.fromkeys(made, kind)
        self.taken |= {name.casefold() for name in made}


def wire(stages: Sequence[Stage], label: str | None, features: Mapping[str, str], seed: int) -> list[Wired]:
    """Each stage's parameters with the columns and the seed filled in that the config leaves unset.

    A stage that reads columns of a type that the data does not have is left out.

    Args:
        features: the data's feature columns, in order, with Spark's short type names.
        seed: what stages with a `seed` get.

    Raises:
        ExperimentError: a stage takes one column and the data has several, or columns do not suit it.
    """
    columns = _Columns(label, dict(features))
    return [wired for stage in stages if (wired := _wired(stage, columns, seed)) is not None]


def _wired(stage: Stage, columns: _Columns, seed: int) -> Wired | None:
    params = {name: _nested(value, seed) if isinstance(value, Stage) else value for name, value in stage.params.items()}
    if not {"inputCol", "inputCols"} & params.keys():
        read = _inputs(stage, columns)
        if not read and known_of(stage.type).reads_each:
            return None
        params |= read
    if stage.takes("featuresCol"):
        params["featuresCol"] = _only(stage, "featuresCol", list(columns.features), columns)
    if stage.takes("labelCol") and columns.label:
        params["labelCol"] = columns.label
    if stage.takes("seed"):
        params["seed"] = seed
    _check_types(stage, params, columns)
    _name_outputs(stage, params, columns)
    return Wired(stage, params)


def _nested(stage: Stage, seed: int) -> Stage:
    """An estimator inside another, which gives it its columns itself."""
    return dataclasses.replace(stage, params={**stage.params, "seed": seed}) if stage.takes("seed") else stage


def _inputs(stage: Stage, columns: _Columns) -> dict[str, Any]:
    """What the stage reads, as its parameter."""
    known = spark_params(stage.type)
    about = known_of(stage.type)
    if about.reads_each:
        read = columns.of(about.reads_each)
        return {"inputCols": read} if read else {}
    if "inputCol" in known:
        fitting = columns.of([about.reads_one]) if about.reads_one else list(columns.features)
        return {"inputCol": _only(stage, "inputCol", fitting, columns)}
    return {"inputCols": list(columns.features)} if "inputCols" in known else {}


def _only(stage: Stage, param: str, fitting: Sequence[str], columns: _Columns) -> str:
    if len(fitting) == 1:
        return fitting[0]
    there = ", ".join(f"{name} ({kind})" for name, kind in list(columns.features.items())[:5])
    wanted = known_of(stage.type).reads_one
    if wanted is None or len(fitting) > 1:
        way_out = "set it, or put a stage before it that makes one of them: "
        way_out += "'model.stages.features.class=pyspark.ml.feature.VectorAssembler'"
    else:
        way_out = f"{stage.type.__name__} reads {wanted}: set data.features to such a column"
    raise ExperimentError(
        f"{stage.key}.{param} must be one column, got {len(fitting)} of the {len(columns.features)} there are ({there}"
        f"{', …' if len(columns.features) > 5 else ''}); {way_out}"
    )


def _check_types(stage: Stage, params: Mapping[str, Any], columns: _Columns) -> None:
    """Refuse columns that are no numbers where numbers are assembled, with the stage that makes them some."""
    readable = known_of(stage.type).reads_only
    if not readable:
        return
    fitting = columns.of(readable)
    wrong = {name: columns.features[name] for name in params["inputCols"] if name in columns.features}
    wrong = {name: kind for name, kind in wrong.items() if name not in fitting}
    if not wrong:
        return
    names = ", ".join(wrong)
    found = ", ".join(f"{name} ({kind})" for name, kind in wrong.items())
    way_out = f"leave them out ('data.exclude=[{names}]')"
    if set(wrong.values()) == {"string"}:
        way_out += ", or make them numbers: preprocessing=one_hot for categories, preprocessing=hash_text for sentences"
    else:
        way_out += (
            f" or make them numbers by data.query='SELECT *, unix_timestamp({next(iter(wrong))}) AS … FROM source'"
        )
    raise ExperimentError(f"{stage.key}.inputCols must be numbers or vectors, got {found}; {way_out}")


def _name_outputs(stage: Stage, params: dict[str, Any], columns: _Columns) -> None:
    """Output columns by the stage's name, out of the way of what is there."""
    if "inputCols" in params and stage.takes("outputCols"):
        params["outputCols"] = [_free_name(f"{column}_{stage.name}", columns) for column in params["inputCols"]]
    elif stage.takes("outputCol") and "outputCols" not in params:
        params["outputCol"] = _free_name(stage.name, columns)
    made = params.get("outputCols") or ([params["outputCol"]] if "outputCol" in params else [])
    if made:
        read = params.get("inputCols") or [params.get("inputCol")]
        columns.replace(read, made, known_of(stage.type).makes)


def _free_name(name: str, columns: _Columns) -> str:
    while name.casefold() in columns.taken:  # Spark takes Size for size
        name += "_"
    return name
