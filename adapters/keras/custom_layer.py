"""Low level inside high level: a dense layer written with TensorFlow operations, in a model trained by fit."""

from __future__ import annotations

import keras
import tensorflow as tf

from levelfield.adapters.keras.fit import KerasFit


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
    framework = "keras"
    backend = "tensorflow"
    api = "mixed"
    modes = ("default",)
    feed = "loader"
    replication = ("devices",)
    limits = (
        {"device": "tpu", "because": "TensorFlow reaches a TPU through the distribution tensorflow-tpu only"},
        {
            "replication": "devices",
            "uneven": True,
            "because": "under MirroredStrategy Keras counts the replicas alike, however many samples each has",
        },
        {
            "replication": "devices",
            "dropout": True,
            "because": "under MirroredStrategy Keras' dropout draws the same masks on every replica (Keras 3.15)",
        },
    )
    notes = (
        "On the matched track Adam and AdamW are a subclass that puts epsilon after the bias correction.",
        "On the idiomatic track fit's order follows no seed: with one, it would shuffle every epoch alike.",
    )
    defaults = {
        "initialiser": "kernels Glorot uniform, biases 0",
        "adam": "betas 0.9 and 0.999, epsilon 1e-7 before the bias correction",
        "adamw": "as adam, decoupled weight decay 0.004",
        "loader": "arrays given to fit, shuffled each epoch, the partial last batch kept",
        "fit": "jit_compile auto, progress bar (unseen)",
        "stopping": "EarlyStopping: patience 0, min_delta 0, best weights not restored",
    }
    stopping = {"patience": 0, "min_delta": 0.0, "restore_best": False}
    dense = staticmethod(TensorDense)
