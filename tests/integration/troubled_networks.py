"""Networks that go wrong on purpose, built by the training processes; sent to them as a user sends code."""

import itertools
import json
import os
import sys
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf


def rank():
    return json.loads((Path(sys.argv[1]) / "setup.json").read_text())["rank"]


def _network(inputs, outputs, act):
    """A network whose first layer does something at each call of a step; what is saved of it is plain."""
    calls = itertools.count(1)

    def passed(_):
        act(next(calls))
        return np.zeros((), np.float32)

    layer = keras.layers.Dense(outputs, "sigmoid" if outputs == 1 else "softmax")
    model = keras.Sequential([keras.Input((inputs,)), layer])
    original = layer.call

    def call(rows, *args, **kwargs):
        nothing = tf.ensure_shape(tf.numpy_function(passed, [rows], tf.float32), ())
        return original(rows + tf.stop_gradient(nothing), *args, **kwargs)

    layer.call = call
    return model


def raises(inputs, outputs):
    """On rank 1, at step 3."""

    def act(call):
        if call == 3 and rank() == 1:
            raise ArithmeticError("the third step went wrong")

    return _network(inputs, outputs, act)


def hangs(inputs, outputs):
    """On rank 1, at step 3, for ever."""

    def act(call):
        while call == 3 and rank() == 1:
            hanging_here()

    return _network(inputs, outputs, act)


def hanging_here():
    time.sleep(1)


def slow(inputs, outputs):
    """At every step, so that there is time to kill something."""
    return _network(inputs, outputs, lambda call: time.sleep(0.05))


def fails_once(inputs, outputs):
    """On rank 0, in the third epoch of 8 steps, unless it has before."""
    mark = Path(os.environ["TROUBLE_MARK"]) if "TROUBLE_MARK" in os.environ else None

    def act(call):
        if mark is not None and call == 2 * 8 + 3 and rank() == 0 and not mark.exists():
            mark.touch()
            raise ArithmeticError("the third epoch went wrong")

    return _network(inputs, outputs, act)


def unsynchronised(inputs, outputs):
    """Breaks the training process that it is built in: gradients stay what this rank has."""
    sys.modules["experiments.training.rank.loop"].Training._sum = lambda self, tensors: tensors
    return _network(inputs, outputs, lambda call: None)


def of_imports(inputs, outputs):
    """Refuses to be built where Spark, Hydra or MLflow are loaded."""
    wrong = {"pyspark", "hydra", "omegaconf", "mlflow"} & sys.modules.keys()
    if wrong:
        raise RuntimeError(f"a training process must not import {sorted(wrong)}")
    return _network(inputs, outputs, lambda call: None)


def normalised(inputs, outputs):
    """With statistics that move while it trains."""
    activation = "sigmoid" if outputs == 1 else "softmax"
    layers = [keras.layers.Dense(8, "relu"), keras.layers.BatchNormalization(), keras.layers.Dense(outputs, activation)]
    return keras.Sequential([keras.Input((inputs,)), *layers])


def not_a_model(inputs, outputs):
    return "a network"


@keras.saving.register_keras_serializable("mine")
class Twice(keras.layers.Layer):
    def call(self, rows):
        return 2 * rows


def own_layer(inputs, outputs):
    return keras.Sequential([keras.Input((inputs,)), Twice(), keras.layers.Dense(outputs, "sigmoid")])
