"""Columns that wire themselves: what each stage reads and makes where the config does not say. Needs no JVM."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from experiments.config.schema import Config
from experiments.data.dataset import Dataset
from experiments.data.kinds import DATES
from experiments.data.names import quoted
from experiments.errors import ExperimentError, override
from experiments.pipeline.known import known_of
from experiments.pipeline.stages import Stage, spark_params, stages_of

# Columns that an estimator reads besides its features, which may have been made numbers before.
_IDS = ("userCol", "itemCol")
# Up to so many training rows a forest keeps the node which each row is in. Of 10,000 that is faster, of 10,000,000 the
# fit took twice as long with it (149 s against 74 s); where between it turns has not been measured.
MOST_ROWS_WITH_NODES = 100_000


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
        weight: column that weighs the rows, or None.
        features: columns that stand for the features, in order, with their types.
        taken: names that are there, without capitals.
        given: the features of the data, in order, with their types.
        made_of: what stands in for a column that a stage has read.
    """

    label: str | None
    features: dict[str, str]
    weight: str | None = None
    taken: set[str] = field(init=False)
    given: dict[str, str] = field(init=False)
    made_of: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.given = dict(self.features)
        self.taken = {name.casefold() for name in (*self.features, self.label or "", self.weight or "")}

    def of(self, types: Sequence[str]) -> list[str]:
        return [name for name, kind in self.features.items() if kind.partition("(")[0] in types]

    def in_spark(self, name: str) -> str:
        """A name with quotes where it is one of ours and Spark would read another in it."""
        return quoted(name) if {".", "`"} & set(name) and name.casefold() in self.taken else name

    def stand_in(self, name: str) -> str:
        """What stands for a column of the data now."""
        return self.made_of.get(name, name)

    def replace(self, read: Sequence[str], made: Sequence[str], kind: str) -> None:
        """A stage's outputs stand in for its inputs."""
        self.features = {name: known for name, known in self.features.items() if name not in read}
        self.features |= dict.fromkeys(made, kind)
        if len(read) == len(made):
            self.made_of |= dict(zip(read, made, strict=True))
        self.taken |= {name.casefold() for name in made}


def wire(
    stages: Sequence[Stage], label: str | None, features: Mapping[str, str], seed: int, weight: str | None = None
) -> list[Wired]:
    """Each stage's parameters with the columns and the seed filled in that the config leaves unset.

    A stage that reads columns of a type that the data does not have is left out.

    Args:
        features: the data's feature columns, in order, with Spark's short type names.
        seed: what stages with a `seed` get.
        weight: column that stages with a `weightCol` get.

    Raises:
        ExperimentError: a stage takes one column and the data has several, or columns do not suit it.
    """
    columns = _Columns(label, dict(features), weight)
    return [wired for stage in stages if (wired := _wired(stage, columns, seed)) is not None]


def wire_to(dataset: Dataset, config: Config) -> list[Wired]:
    """A config's stages on the columns of a loaded data set, as `wire`.

    Raises:
        ExperimentError: as `wire`.
    """
    wired = wire(stages_of(config), dataset.label, dataset.feature_types, config.seed, dataset.fit_weight)
    return [_keeping_nodes(each) if dataset.train_rows <= MOST_ROWS_WITH_NODES else each for each in wired]


def _keeping_nodes(wired: Wired) -> Wired:
    """A forest of few rows that keeps their nodes, where the config does not say whether; any other stage as it is."""
    is_forest = "numTrees" in spark_params(wired.stage.type) and wired.stage.takes("cacheNodeIds")
    return dataclasses.replace(wired, params={**wired.params, "cacheNodeIds": True}) if is_forest else wired


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
    if stage.takes("weightCol") and columns.weight:
        params["weightCol"] = columns.weight
    params |= _ids(stage, params, columns)
    _check_types(stage, params, columns)
    _name_outputs(stage, params, columns)
    return Wired(stage, {name: _in_spark(name, value, columns) for name, value in params.items()})


def _ids(stage: Stage, params: Mapping[str, Any], columns: _Columns) -> dict[str, str]:
    """The columns of a recommender's users and items: those of the config, else the two features that there are."""
    if not set(_IDS) <= spark_params(stage.type).keys():
        return {}
    unset = [name for name in _IDS if name not in params]
    found = dict(zip(_IDS, columns.given, strict=False))
    if unset and len(columns.given) != len(_IDS):
        there = ", ".join(columns.given)
        raise ExperimentError(
            f"{stage.key}.{unset[0]} must be set where there are not two features, got {there}; name the two: "
            f"{override('data.features', list(columns.given)[:2])}, the users first"
        )
    ids = {name: columns.stand_in(str(params.get(name, found.get(name)))) for name in _IDS}
    texts = [name for name in ids.values() if columns.features.get(name) == "string"]
    if texts:
        raise ExperimentError(
            f"{stage.key} must read ids that are numbers, got {', '.join(texts)} (string); have them numbered: "
            "preprocessing=index"
        )
    return ids


def _in_spark(param: str, value: Any, columns: _Columns) -> Any:
    """Names of columns as Spark takes them, to whom a dot is a path into a struct; what is spelt so already stays."""
    if param in ("inputCol", "featuresCol", *_IDS) and isinstance(value, str):
        return columns.in_spark(value)
    return [columns.in_spark(name) for name in value] if param == "inputCols" else value


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
    if wanted is not None and len(fitting) > 1:
        way_out = f"choose one: {' or '.join(override(f'{stage.key}.{param}', name) for name in fitting[:5])}"
    elif wanted is None or len(fitting) > 1:
        way_out = "set it, or put a stage before it that makes one of them: "
        way_out += "'model.stages.features.class=pyspark.ml.feature.VectorAssembler'"
    elif were := [name for name, kind in columns.given.items() if kind == wanted]:
        way_out = f"{stage.type.__name__} reads {wanted}, of which a stage before it has made something else "
        way_out += f"({', '.join(were)}): leave that out of preprocessing"
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
    found = ", ".join(f"{name} ({kind})" for name, kind in wrong.items())
    way_out = f"leave them out: {override('data.exclude', wrong)}"
    if set(wrong.values()) <= {"string", *DATES}:
        way_out = f"preprocessing=auto makes numbers of texts and dates; or {way_out}"
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
