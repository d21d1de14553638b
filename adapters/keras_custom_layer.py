"""Low level inside high level: a dense layer written with TensorFlow operations, in a model trained by fit."""

from __future__ import annotations

import keras
import tensorflow as tf

from adapters.keras_fit import KerasFit


class TensorDense(keras.layers.Layer):
    def __init__(self, units: int, l2: float, activation: str | None) -> None:
        super().__init__()
        self.units, self.l2 = units, l2
        self.activation = getattr(tf.nn, activation) if activation else tf.identity

    def build(self, shape: tuple[int, ...]) -> None:
        self.kernel = self.add_weight(shape=(shape[-1], self.units), initializer="glorot_uniform")
        self.bias = self.add_weight(shape=(self.units,), initializer="zeros")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        if self.l2:
            self.add_loss(self.l2 * tf.reduce_sum(tf.square(self.kernel)))
        return self.activation(tf.matmul(x, self.kernel) + self.bias)


class KerasCustomLayer(KerasFit):
    name = "keras-custom-layer"
    framework = "keras"
    backend = "tensorflow"
    api = "mixed"
    modes = ("default",)
    feed = "loader"
    notes = ("Adam and AdamW are a patched optimizer: a subclass puts epsilon after the bias correction.",)
    dense = staticmethod(TensorDense)
