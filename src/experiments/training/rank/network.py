"""A Keras model from what a config says of it, and the loss that goes with it. Needs TensorFlow."""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from experiments.training.spec import TrainingSpec


def build_network(spec: TrainingSpec) -> Any:
    """The model with weights of the spec's seed.

    Layers are made by Keras's own deserialisation, in safe mode, which refuses code in a config. The last layer is not
    in the config, as the data says what it must be: a sigmoid for two classes, a softmax for more, else a number.

    Raises:
        ValueError: a function that returns no model of these inputs and outputs.
    """
    import keras

    keras.utils.set_random_seed(spec.seed)
    if "function" in spec.network:
        model = _by_function(spec)
    else:
        layers = [_layer(name, config) for entry in spec.network["layers"] for name, config in entry.items()]
        model = keras.Sequential([keras.Input((spec.inputs,)), *layers, _last_layer(spec)])
    if tuple(getattr(model, "output_shape", ())) != (None, spec.outputs):
        raise ValueError(
            f"the network must give {spec.outputs} numbers for each row, shape (None, {spec.outputs}), got "
            f"{getattr(model, 'output_shape', 'a model that does not say')}; add a Flatten or pooling layer, or have "
            "the function return a Sequential or functional model"
        )
    return model


def load_network(content: bytes) -> Any:
    """The model of a `.keras` file. Code that the file may hold is not run (Keras's safe mode)."""
    import keras

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        path.write_bytes(content)
        return keras.saving.load_model(path, compile=False, safe_mode=True)


def check_loading(model: Any, path: Path) -> None:
    """See before the training that what is saved of the model can be loaded where it is to score.

    Raises:
        ValueError: it has layers, or functions, that a process which only scores does not know.
    """
    import keras

    model.save(path)
    known = keras.saving.get_custom_objects()
    hidden = dict(known)
    known.clear()
    try:
        load_network(path.read_bytes())
    except Exception as error:  # Keras raises several kinds
        raise ValueError(
            "the network must be made of Keras's own layers, as nothing else is there where it scores; Keras says: "
            f"{str(error).rpartition('Exception encountered: ')[2].split('. Make sure')[0][:500]}"
        ) from error
    finally:
        known.update(hidden)
        path.unlink()


def _layer(name: str, config: Any) -> Any:
    import keras

    return keras.saving.deserialize_keras_object(
        {"module": "keras.layers", "class_name": name, "config": dict(config or {}), "registered_name": None},
        safe_mode=True,
    )


def _last_layer(spec: TrainingSpec) -> Any:
    import keras

    if not spec.is_classification:
        return keras.layers.Dense(1)
    return keras.layers.Dense(spec.outputs, activation="sigmoid" if spec.outputs == 1 else "softmax")


def _by_function(spec: TrainingSpec) -> Any:
    import keras

    path = spec.network["function"]
    module, _, name = path.partition(":")
    model = getattr(importlib.import_module(module), name)(spec.inputs, spec.outputs)
    if not isinstance(model, keras.Model):
        raise ValueError(f"network must be a function that returns a keras.Model, got {type(model).__name__} of {path}")
    return model


def build_optimizer(spec: TrainingSpec) -> Any:
    """Keras's optimizer; its learning rate is set at each step of the warm-up."""
    import keras

    config = {**spec.optimizer["config"], "learning_rate": spec.scaled_rate}
    return keras.optimizers.get({"class_name": spec.optimizer["class_name"], "config": config})


def row_losses(spec: TrainingSpec) -> Callable[[Any, Any], Any]:
    """The loss of each row, from labels and outputs, shape (rows,)."""
    import keras
    import tensorflow as tf

    function = keras.losses.get(spec.loss)
    is_sparse = "sparse" in spec.loss

    def losses(labels: Any, outputs: Any) -> Any:
        if spec.outputs == 1:
            wanted = labels[:, None]
        elif is_sparse:
            wanted = tf.cast(labels, tf.int32)
        else:
            wanted = tf.one_hot(tf.cast(labels, tf.int32), spec.outputs)
        found = function(wanted, outputs)
        if found.shape.rank != 1:
            raise ValueError(f"loss must be one that gives a number for each row, got {spec.loss}")
        return found

    return losses


def row_measures(spec: TrainingSpec) -> tuple[str, Callable[[Any, Any], Any]]:
    """A second number of each row that people know better than the loss, and its name."""
    import tensorflow as tf

    def hits(labels: Any, outputs: Any) -> Any:
        if spec.outputs == 1:
            guess = tf.cast(outputs[:, 0] > 0.5, labels.dtype)
        else:
            guess = tf.cast(tf.argmax(outputs, axis=1), labels.dtype)
        return tf.cast(guess == labels, tf.float32)

    def distances(labels: Any, outputs: Any) -> Any:
        return tf.abs(outputs[:, 0] - labels)

    return ("accuracy", hits) if spec.is_classification else ("mae", distances)


def layer_table(model: Any) -> list[dict[str, Any]]:
    """`layer`, `type`, `outputs`, `weights` of each layer."""
    return [
        {
            "layer": layer.name,
            "type": type(layer).__name__,
            "outputs": " x ".join(str(size) for size in getattr(layer.output, "shape", ())[1:]),
            "weights": int(layer.count_params()),
        }
        for layer in model.layers
    ]
