"""Keras networks as Spark ML estimators, trained by several processes inside Spark."""

from __future__ import annotations

import hashlib
import importlib.util
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pyspark import keyword_only
from pyspark.ml import Estimator, Model
from pyspark.ml.param import Param, Params, TypeConverters
from pyspark.ml.param.shared import (
    HasFeaturesCol,
    HasLabelCol,
    HasPredictionCol,
    HasProbabilityCol,
    HasSeed,
    HasWeightCol,
)
from pyspark.ml.util import (
    DefaultParamsReadable,
    DefaultParamsReader,
    DefaultParamsWritable,
    DefaultParamsWriter,
    MLReadable,
    MLReader,
    MLWritable,
    MLWriter,
)

from experiments.errors import suggest, wrong_choice
from experiments.training import keras_names
from experiments.training.devices import tensorflow_package
from experiments.training.spec import CHUNK_BYTES, TrainingSpec

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from experiments.training.handoff import Counted
    from experiments.training.launch import Summary

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


class _KerasParams(HasFeaturesCol, HasLabelCol, HasWeightCol, HasPredictionCol, HasSeed):
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


class _KerasEstimator(Estimator[Any], _KerasParams, DefaultParamsWritable):
    """What both estimators are."""

    is_classification: ClassVar[bool]

    @keyword_only
    def __init__(self, **params: Any) -> None:
        super().__init__()
        self._setDefault(
            layers=[],
            optimizer={"Adam": {}},
            learningRate=0.001,
            learningRateScaling="none",
            warmupEpochs=0.0,
            batchSize=32,
            epochs=10,
            validationFraction=0.0,
            earlyStoppingPatience=0,
            engine="local",
            numWorkers=1,
            stallTimeout=600.0,
            # Spark's own default differs from process to process.
            seed=0,
        )
        self._set(**self._input_kwargs)

    @classmethod
    def problems(cls, params: Mapping[str, Any], packages: Sequence[str]) -> list[str]:
        """What is wrong with values together, or with what is installed: each begins with a parameter's name."""
        found = _missing(str(params.get("engine", "local")))
        workers, batch = params.get("numWorkers", 1), params.get("batchSize", 32)
        if params.get("engine", "local") == "local" and workers > 1:
            found.append(f"numWorkers must be 1 with engine=local, got {workers}; set engine to tensorflow or horovod")
        if batch % workers:
            found.append(
                f"batchSize must be a multiple of numWorkers, as each has an equal share, got {batch} and {workers}; "
                f"set it to {batch // workers * workers or workers}"
            )
        if params.get("learningRate", 1.0) == 0:
            found.append("learningRate must be more than 0, got 0")
        if params.get("validationFraction", 0.0) >= 1:
            found.append(f"validationFraction must be below 1, got {params['validationFraction']}")
        folder = params.get("checkpointDir")
        if folder is not None and not Path(folder).is_absolute():
            found.append(
                f"checkpointDir must be an absolute path of a folder that all machines see, got '{folder}'; an object "
                "store or HDFS must be mounted"
            )
        if "network" in params:
            found += _wrong_function(params["network"], bool(params.get("layers")), packages)
        return found

    def _fit(self, dataset: DataFrame) -> Any:
        from experiments.training.handoff import counted
        from experiments.training.launch import train
        from experiments.training.package import ensure_package

        params = {param.name: self.getOrDefault(param) for param in self.params if self.isDefined(param)}
        wrong = type(self).problems(params, [str(params.get("network", "")).partition(":")[0]])
        if wrong:
            raise ValueError("; ".join(wrong))
        ensure_package(dataset.sparkSession.sparkContext)
        weight = params.get("weightCol") or None
        with counted(dataset, self.getFeaturesCol(), self.getLabelCol(), weight, self.is_classification) as rows:
            spec = self._spec(params, rows)
            content, summary = train(rows, spec)
        model = self._model_type()(content, spec.inputs)
        model.summary = summary
        return self._copyValues(model)

    def _spec(self, params: Mapping[str, Any], rows: Counted) -> TrainingSpec:
        """What the ranks are told.

        Raises:
            ValueError: too few rows, or a loss that does not fit their labels.
        """
        classes = max(2, int(rows.largest_label) + 1) if self.is_classification else 0
        held_out = _held_out(rows.count, params["validationFraction"], params["numWorkers"])
        ((optimizer, config),) = params["optimizer"].items()
        network = {"function": params["network"]} if "network" in params else {"layers": params["layers"]}
        return TrainingSpec(
            network=network,
            inputs=rows.inputs,
            outputs=classes if classes > 2 else 1,
            is_classification=self.is_classification,
            loss=_loss(params.get("loss"), classes),
            optimizer={"class_name": optimizer, "config": config},
            learning_rate=params["learningRate"],
            scaling=params["learningRateScaling"],
            warmup_epochs=params["warmupEpochs"],
            batch_size=params["batchSize"],
            epochs=params["epochs"],
            patience=params["earlyStoppingPatience"],
            train_rows=rows.count - held_out,
            validation_rows=held_out,
            seed=params["seed"] % 2**31,
            engine=params["engine"],
            world_size=params["numWorkers"],
            checkpoint_folder=params.get("checkpointDir"),
            stall_seconds=params["stallTimeout"],
        )

    def _model_type(self) -> Any:
        raise NotImplementedError


class KerasClassifier(_KerasEstimator, HasProbabilityCol, DefaultParamsReadable["KerasClassifier"]):
    """A Keras network that tells classes apart, trained by `numWorkers` processes to the weights that one comes to.

    Dropout and batch normalisation apart, which each process has of its own. The last layer is added to `layers`: a
    sigmoid for two classes, a softmax for more. Labels are 0, 1, 2 …
    """

    is_classification = True

    def _model_type(self) -> Any:
        return KerasClassificationModel


class KerasRegressor(_KerasEstimator, DefaultParamsReadable["KerasRegressor"]):
    """A Keras network that predicts a number, trained by `numWorkers` processes to the weights that one comes to.

    The last layer, of one unit, is added to `layers`.
    """

    is_classification = False

    def _model_type(self) -> Any:
        return KerasRegressionModel


class _KerasModel(Model, HasFeaturesCol, HasLabelCol, HasPredictionCol, MLReadable[Any], MLWritable):
    """A trained network.

    Attributes:
        content: of its `.keras` file.
        inputs: length of the feature vectors.
        summary: how the training went; None of a model that was loaded.
    """

    # What a saved model needs beside Spark.
    pip_requirements = (tensorflow_package(), "keras")

    def __init__(self, content: bytes = b"", inputs: int = 0) -> None:
        super().__init__()
        self.content, self.inputs = content, inputs
        self.summary: Summary | None = None
        # The Spark context whose workers have the content, and what they find it by.
        self._sent: tuple[Any, Any] | None = None

    @property
    def hasSummary(self) -> bool:
        return self.summary is not None

    def network(self) -> Any:
        """The Keras model itself, in this process. Needs TensorFlow."""
        from experiments.training.network import load_network

        return load_network(self.content)

    def write(self) -> MLWriter:
        return _KerasWriter(self)

    @classmethod
    def read(cls) -> MLReader[Any]:
        return _KerasReader(cls)

    def _scored(self, dataset: DataFrame, made: str, kind: str) -> DataFrame:
        """The rows with a column that a function of `scoring` makes of the network's outputs."""
        import pyarrow as pa
        from pyspark.sql import functions as F

        from experiments.training import scoring
        from experiments.training.handoff import floats
        from experiments.training.package import ensure_package

        context = dataset.sparkSession.sparkContext
        ensure_package(context)
        if self._sent is None or self._sent[0] is not context:
            self._sent = context, context.broadcast(self.content)
        content, inputs = self._sent[1], self.inputs
        checksum, shape = hashlib.sha256(self.content).hexdigest(), getattr(scoring, made)

        def score(batches: Iterator[pa.Array]) -> Iterator[pa.Array]:
            for found in scoring.outputs(batches, content.value, checksum, inputs):
                yield shape(found)

        score.__annotations__ = {"batches": Iterator[pa.Array], "return": Iterator[pa.Array]}
        scored = F.arrow_udf(score, kind)
        return dataset.withColumn(_SCORE, scored(floats(dataset, self.getFeaturesCol())))


_SCORE = "_score"


class KerasClassificationModel(_KerasModel, HasProbabilityCol):
    """Adds the probability of each class, and the most probable class as the prediction."""

    def _transform(self, dataset: DataFrame) -> DataFrame:
        from pyspark.ml.functions import array_to_vector
        from pyspark.sql import functions as F

        rows = self._scored(dataset, "classified", "probability array<double>, prediction double")
        probability = array_to_vector(F.col(f"{_SCORE}.probability"))
        rows = rows.withColumn(self.getProbabilityCol(), probability)
        return rows.withColumn(self.getPredictionCol(), F.col(f"{_SCORE}.prediction")).drop(_SCORE)


class KerasRegressionModel(_KerasModel):
    """Adds the prediction."""

    def _transform(self, dataset: DataFrame) -> DataFrame:
        return self._scored(dataset, "regressed", "double").withColumnRenamed(_SCORE, self.getPredictionCol())


class _KerasWriter(MLWriter):
    """Parameters as Spark has them, the network's file in parts of a Parquet file."""

    def __init__(self, model: _KerasModel) -> None:
        super().__init__()
        self.model = model

    def saveImpl(self, path: str) -> None:
        content = self.model.content
        about = {"inputs": self.model.inputs, "sha256": hashlib.sha256(content).hexdigest()}
        DefaultParamsWriter.saveMetadata(self.model, path, self.sparkSession, extraMetadata=about)
        parts = [
            (number, bytearray(content[start : start + CHUNK_BYTES]))
            for number, start in enumerate(range(0, len(content), CHUNK_BYTES))
        ]
        rows = self.sparkSession.createDataFrame(parts, "part INT, content BINARY")
        rows.coalesce(1).write.parquet(f"{path}/data")


class _KerasReader(MLReader[Any]):
    def __init__(self, model_type: type[_KerasModel]) -> None:
        super().__init__()
        self.model_type = model_type

    def load(self, path: str) -> Any:
        session: SparkSession = self.sparkSession
        metadata = DefaultParamsReader.loadMetadata(path, session)
        rows = sorted(session.read.parquet(f"{path}/data").collect(), key=lambda row: int(row["part"]))
        content = b"".join(bytes(row["content"]) for row in rows)
        if hashlib.sha256(content).hexdigest() != metadata["sha256"]:
            raise ValueError(f"the network in {path} must be as it was saved, but its checksum differs")
        model = self.model_type(content, metadata["inputs"])
        model._resetUid(metadata["uid"])
        DefaultParamsReader.getAndSetParams(model, metadata)
        return model


def _held_out(rows: int, fraction: float, workers: int) -> int:
    """How many rows judge each epoch.

    Raises:
        ValueError: none where there should be some, or fewer left than workers.
    """
    held_out = round(rows * fraction)
    if fraction and not held_out:
        raise ValueError(f"validationFraction must hold out a row at least, got {fraction} of {rows} rows")
    if rows - held_out < workers:
        raise ValueError(
            f"numWorkers must be at most the rows to train on, {rows - held_out:,}, got {workers:,}; lower it, or add "
            "rows"
        )
    return held_out


def _loss(loss: str | None, classes: int) -> str:
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


def _missing(engine: str) -> list[str]:
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


def _wrong_function(path: str, has_layers: bool, packages: Sequence[str]) -> list[str]:
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
