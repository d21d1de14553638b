"""Low level inside high level: a dense layer written with TensorFlow operations, in a model trained by fit."""

from __future__ import annotations

import keras
import tensorflow as tf

from levelfield.adapters.keras.fit import KerasFit
from levelfield.adapters.keras.words import EPSILON, MASKS, SEEDLESS, UNEVEN
from levelfield.adapters.tensorflow.words import NO_TPU


class TensorDense(keras.layers.Layer):
    def __init__(self, units: int, l2: float, activation: str | None) -> None:
        super().__init__(autocast=False)  # what is cast, `call` says
        self.units, self.l2 = units, l2
        self.activation = getattr(tf.nn, activation) if activation else tf.identity

    def build(self, shape: tuple[int, ...]) -> None:
        self.kernel = self.add_weight(shape=(shape[-1], self.units), initializer="glorot_uniform")
        self.bias = self.add_weight(shape=(self.units,), initializer="zeros")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        x, kernel, bias = (tf.cast(a, self.compute_dtype) for a in (x, self.kernel, self.bias))
        if self.l2:
            self.add_loss(self.l2 * tf.reduce_sum(tf.square(self.kernel)))
        return self.activation(tf.matmul(x, kernel) + bias)


class KerasCustomLayer(KerasFit):
    name = "keras-custom-layer"
    backend = "tensorflow"
    api = "mixed"
    modes = ("default",)
    limits = (NO_TPU, UNEVEN, MASKS)
    notes = (EPSILON, SEEDLESS)
    replication = ("devices",)
    replicated = "levelfield.adapters.keras.custom_layer_replicas:KerasCustomLayerReplicas"
    dense = staticmethod(TensorDense)
