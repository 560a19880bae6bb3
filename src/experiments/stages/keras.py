"""Keras networks as Spark ML estimators, trained by several processes inside Spark."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pyspark import keyword_only
from pyspark.ml import Estimator, Model
from pyspark.ml.param.shared import HasFeaturesCol, HasLabelCol, HasPredictionCol, HasProbabilityCol
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

from experiments.stages.keras_params import KerasParams, held_out, loss_for, missing_packages, wrong_function
from experiments.training.spec import CHUNK_BYTES, TrainingSpec
from experiments.training.task.devices import tensorflow_package

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from experiments.training.driver.handoff import Counted
    from experiments.training.driver.launch import Summary


class _KerasEstimator(Estimator[Any], KerasParams, DefaultParamsWritable):
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
        found = missing_packages(str(params.get("engine", "local")))
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
            found += wrong_function(params["network"], bool(params.get("layers")), packages)
        return found

    @staticmethod
    def refused_settings(settings: Mapping[str, str]) -> list[str]:
        """What is wrong with Spark's settings for these stages: whole sentences."""
        from experiments.training.driver.launch import refused_settings

        return refused_settings(settings)

    def _fit(self, dataset: DataFrame) -> Any:
        from experiments.cluster.shipping import ensure_package
        from experiments.training.driver.handoff import counted
        from experiments.training.driver.launch import train

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
        judging = held_out(rows.count, params["validationFraction"], params["numWorkers"])
        ((optimizer, config),) = params["optimizer"].items()
        network = {"function": params["network"]} if "network" in params else {"layers": params["layers"]}
        return TrainingSpec(
            network=network,
            inputs=rows.inputs,
            outputs=classes if classes > 2 else 1,
            is_classification=self.is_classification,
            loss=loss_for(params.get("loss"), classes),
            optimizer={"class_name": optimizer, "config": config},
            learning_rate=params["learningRate"],
            scaling=params["learningRateScaling"],
            warmup_epochs=params["warmupEpochs"],
            batch_size=params["batchSize"],
            epochs=params["epochs"],
            patience=params["earlyStoppingPatience"],
            train_rows=rows.count - judging,
            validation_rows=judging,
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
        from experiments.training.rank.network import load_network

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

        from experiments.cluster.shipping import ensure_package
        from experiments.training.driver.handoff import floats
        from experiments.training.task import scoring

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
