"""What a rank computes in a step, as graphs of TensorFlow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from experiments.training.spec import TrainingSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Graphs:
    """What a rank computes, as graphs of TensorFlow. What they measure adds up beside, so that no step waits for it.

    Attributes:
        gradients: of the weighted sum of the losses, and the weight: what other ranks have can be added to it.
        apply: changes the weights by such sums.
        step: both, for a rank that is alone.
        judge: measures rows that are held out.
    """

    def __init__(self, spec: TrainingSpec, model: Any, optimizer: Any) -> None:
        import tensorflow as tf

        from experiments.training.rank.network import row_losses, row_measures

        self._model, self._optimizer = model, optimizer
        self._losses, (_, self._measures) = row_losses(spec), row_measures(spec)
        # Sums of loss, of the second measure, and of the weights.
        self._totals = tf.Variable(tf.zeros(3, tf.float64), trainable=False)
        row = tf.TensorSpec((None,), tf.float32)
        signature = (tf.TensorSpec((None, spec.inputs), tf.float32), row, row)
        self.gradients = tf.function(self._gradients, autograph=False)
        self.apply = tf.function(self._apply, autograph=False)
        self.step = tf.function(lambda *batch: self._apply(self._gradients(*batch)), autograph=False)
        self.judge = tf.function(self._judge, autograph=False, input_signature=signature)

    def measured(self) -> NDArray[np.float64]:
        """The sums since they were last asked for."""
        import tensorflow as tf

        sums: NDArray[np.float64] = self._totals.numpy()
        self._totals.assign(tf.zeros(3, tf.float64))
        return sums

    def _gradients(self, features: Any, labels: Any, weights: Any) -> list[Any]:
        import tensorflow as tf

        values = [variable.value for variable in self._model.trainable_variables]
        with tf.GradientTape() as tape:
            outputs = self._model(features, training=True)
            losses = self._losses(labels, outputs)
            weight = tf.reduce_sum(weights)
            objective = tf.reduce_sum(losses * weights)
            if self._model.losses:  # penalties, which are for each row alike
                objective += tf.add_n(self._model.losses) * weight
        found = tape.gradient(objective, values)
        self._measure(labels, outputs, weights, losses)
        dense = [
            tf.zeros_like(value) if gradient is None else tf.convert_to_tensor(gradient)
            for gradient, value in zip(found, values, strict=True)
        ]
        return [*dense, weight]

    def _apply(self, summed: list[Any]) -> None:
        import tensorflow as tf

        *totals, weight = summed
        gradients = [tf.math.divide_no_nan(total, weight) for total in totals]
        self._optimizer.apply(gradients, self._model.trainable_variables)

    def _judge(self, features: Any, labels: Any, weights: Any) -> None:
        outputs = self._model(features, training=False)
        self._measure(labels, outputs, weights, self._losses(labels, outputs))

    def _measure(self, labels: Any, outputs: Any, weights: Any, losses: Any) -> None:
        import tensorflow as tf

        sums = [tf.reduce_sum(each * weights) for each in (losses, self._measures(labels, outputs))]
        self._totals.assign_add(tf.cast(tf.stack([*sums, tf.reduce_sum(weights)]), tf.float64))
