"""The parameters of Keras networks as Spark ML stages: what each takes, and what they say together."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pyspark.ml.param import Param, Params, TypeConverters
from pyspark.ml.param.shared import HasFeaturesCol, HasLabelCol, HasPredictionCol, HasSeed, HasWeightCol

from experiments.errors import suggest, wrong_choice
from experiments.training import keras_names

ENGINES = ("local", "tensorflow", "horovod")
SCALINGS = ("none", "linear", "sqrt")


def _to_layers(value: Any) -> list[dict[str, Any]]:
    """`[{Dense: {units: 64, activation: relu}}, {Dropout: {rate: 0.2}}]`, with names and arguments that Keras has.

    Raises:
        TypeError: others.
    """
    if not isinstance(value, list | tuple):
        raise TypeError("layers must be a list, as in [{Dense: {units: 64, activation: relu}}, {Dropout: {rate: 0.2}}]")
    return [_to_layer(entry) for entry in value]


def _to_layer(entry: Any) -> dict[str, Any]:
    if not isinstance(entry, Mapping) or len(entry) != 1:
        raise TypeError(f"a layer must be one name with its arguments, as {{Dense: {{units: 64}}}}, got {entry!r}")
    ((name, config),) = entry.items()
    config = dict(config or {})
    if keras_names.is_installed():
        _check_keras("layers", str(name), config)
    return {str(name): config}


def _to_optimizer(value: Any) -> dict[str, Any]:
    """`adam`, or `{SGD: {momentum: 0.9}}`.

    Raises:
        TypeError: another name or argument than Keras has.
    """
    if isinstance(value, str):
        value = {value: {}}
    if not isinstance(value, Mapping) or len(value) != 1:
        raise TypeError(f"an optimizer must be a name, or {{SGD: {{momentum: 0.9}}}}, got {value!r}")
    ((name, config),) = value.items()
    config = dict(config or {})
    if "learning_rate" in config:
        raise TypeError("the learning rate is set by learningRate")
    if keras_names.is_installed():
        by_lower = {each.lower(): each for each in keras_names.offered("optimizers")}
        name = by_lower.get(str(name).lower(), str(name))
        _check_keras("optimizers", name, config)
    return {str(name): config}


def _to_loss(value: Any) -> str:
    name = TypeConverters.toString(value)
    if keras_names.is_installed() and name not in keras_names.offered("losses"):
        raise TypeError(wrong_choice("a loss", name, keras_names.offered("losses")))
    return name


def _check_keras(kind: str, name: str, config: Mapping[str, Any]) -> None:
    names = keras_names.offered(kind)
    if name not in names:
        raise TypeError(f"Keras has no {kind.removesuffix('s')} '{name}'{suggest(name, names)}")
    known = keras_names.arguments(kind, name)
    for argument in config:
        if known is not None and argument not in known:
            raise TypeError(f"{name} takes {', '.join(sorted(known))}, not '{argument}'{suggest(argument, known)}")


def _one_of(choices: Sequence[str]) -> Any:
    def convert(value: Any) -> str:
        if value not in choices:
            raise TypeError(wrong_choice("it", value, choices))
        return str(value)

    return convert


def _at_least(least: float, convert: Any = TypeConverters.toInt) -> Any:
    def checked(value: Any) -> Any:
        number = convert(value)
        if not (math.isfinite(number) and number >= least):
            raise TypeError(f"it must be {least} or more")
        return number

    return checked


def _param(name: str, doc: str, converter: Any) -> Any:
    return Param(Params._dummy(), name, doc, converter)


class KerasParams(HasFeaturesCol, HasLabelCol, HasWeightCol, HasPredictionCol, HasSeed):
    """The parameters of both estimators, in Spark's spelling."""

    layers = _param("layers", "Keras layers between input and output, by name with their arguments", _to_layers)
    network = _param(
        "network",
        "package.module:function(inputs, outputs) that returns a keras.Model, in place of layers",
        TypeConverters.toString,
    )
    optimizer = _param("optimizer", "of Keras, by name, or {SGD: {momentum: 0.9}}", _to_optimizer)
    learningRate = _param("learningRate", "of one worker (> 0)", _at_least(0, TypeConverters.toFloat))
    learningRateScaling = _param(
        "learningRateScaling", "what numWorkers makes of the learning rate: none, linear or sqrt", _one_of(SCALINGS)
    )
    warmupEpochs = _param(
        "warmupEpochs", "epochs over which the rate grows to the scaled one", _at_least(0, TypeConverters.toFloat)
    )
    loss = _param("loss", "of Keras, by name; unset: what suits the label", _to_loss)
    batchSize = _param("batchSize", "rows of a step, over all workers", _at_least(1))
    epochs = _param("epochs", "passes over the rows", _at_least(1))
    validationFraction = _param(
        "validationFraction", "share of the rows that judges each epoch", _at_least(0, TypeConverters.toFloat)
    )
    earlyStoppingPatience = _param(
        "earlyStoppingPatience", "epochs without a better loss after which the best is taken; 0: never", _at_least(0)
    )
    engine = _param("engine", "how workers sum their gradients: local (one), tensorflow or horovod", _one_of(ENGINES))
    numWorkers = _param("numWorkers", "training processes, one in a task of Spark each", _at_least(1))
    checkpointDir = _param(
        "checkpointDir", "folder that all machines see, where each epoch is kept to go on from", TypeConverters.toString
    )
    stallTimeout = _param(
        "stallTimeout", "seconds without a step after which a worker is ended", _at_least(1, TypeConverters.toFloat)
    )


def held_out(rows: int, fraction: float, workers: int) -> int:
    """How many rows judge each epoch.

    Raises:
        ValueError: none where there should be some, or fewer left than workers.
    """
    judging = round(rows * fraction)
    if fraction and not judging:
        raise ValueError(f"validationFraction must hold out a row at least, got {fraction} of {rows} rows")
    if rows - judging < workers:
        raise ValueError(
            f"numWorkers must be at most the rows to train on, {rows - judging:,}, got {workers:,}; lower it, or add "
            "rows"
        )
    return judging


def loss_for(loss: str | None, classes: int) -> str:
    """The loss that is set, or the one that suits so many classes; 0 for a regression.

    Raises:
        ValueError: it does not suit two classes, which have one probability between them.
    """
    if loss is None:
        standard = {0: "mean_squared_error", 2: "binary_crossentropy"}
        return standard.get(classes, "sparse_categorical_crossentropy")
    if classes == 2 and ("categorical" in loss or loss == "kl_divergence"):
        raise ValueError(
            f"loss must be one of a single probability for two classes, got '{loss}'; leave it unset, or set "
            "binary_crossentropy"
        )
    return loss


def missing_packages(engine: str) -> list[str]:
    """What is not installed that an engine needs, with the command that installs it."""
    extra = "horovod" if engine == "horovod" else "tensorflow"
    way_out = f"`uv sync --extra {extra}` or `pip install 'spark-experiments[{extra}]'`"
    if not keras_names.is_installed():
        return [f"engine must have TensorFlow and Keras, which are not installed; {way_out}"]
    if engine != "horovod":
        return []
    found = importlib.util.find_spec("horovod")
    if found is None or found.origin is None:
        return [f"engine must have Horovod, which is not installed; {way_out}"]
    if not any((Path(found.origin).parent / "tensorflow").glob("mpi_lib*.so")):
        return [
            "engine must have a Horovod that was built with TensorFlow, which the installed one was not; "
            "`HOROVOD_WITH_TENSORFLOW=1 pip install --no-build-isolation --no-cache-dir --force-reinstall --no-deps "
            "horovod` while TensorFlow is installed"
        ]
    return []


def wrong_function(path: str, has_layers: bool, packages: Sequence[str]) -> list[str]:
    """What is wrong with the function that is to build the network. Nothing is imported."""
    module, colon, name = path.partition(":")
    if has_layers:
        return ["network must be alone, got layers too; leave one of them out"]
    if not colon or not name.isidentifier():
        return [f"network must be package.module:function, got '{path}'"]
    if not any(module == package or module.startswith(f"{package}.") for package in packages):
        return [
            f"network must lie in an allowed package ({', '.join(packages)}), got '{path}'; to trust another, add it: "
            "'allowed_packages=[that.package]'"
        ]
    return []
