"""Data parallelism in Keras: a MirroredStrategy on TensorFlow, `keras.distribution` on JAX.

`keras.distribution` on TensorFlow succeeds and distributes nothing, on torch it raises (Keras 3.15).
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import keras

from levelfield import Setting


class Seen(keras.layers.Layer):
    """Takes note of where the outputs of a network are computed when it trains."""

    def __init__(self, see: Any) -> None:
        super().__init__(autocast=False)
        self.see = see

    def call(self, x: Any, training: bool = False) -> Any:
        return self.see(x) if training else x


class OnTensorFlow:
    def __init__(self, setting: Setting) -> None:
        import tensorflow as tf

        from levelfield.adapters.tensorflow.mirrored import strategy

        self.tf, self.strategy = tf, strategy(setting)
        with self.strategy.scope():  # a copy for each replica, which no other one sees
            how = {"synchronization": tf.VariableSynchronization.ON_READ, "aggregation": tf.VariableAggregation.SUM}
            self.samples = tf.Variable(0, trainable=False, **how)

    def scope(self) -> AbstractContextManager[Any]:
        scope: AbstractContextManager[Any] = self.strategy.scope()
        return scope

    def see(self, logits: Any) -> Any:
        """Each replica counts the samples of the largest batch that it has had, on its device."""
        samples = self.tf.maximum(self.samples.read_value(), self.tf.shape(logits)[0])
        with self.tf.control_dependencies([self.samples.assign(samples)]):
            return self.tf.identity(logits)

    def placement(self) -> dict[str, int]:
        parts = self.strategy.experimental_local_results(self.samples)
        return {part.device: int(part.numpy()) for part in parts}


class OnJax:
    def __init__(self, setting: Setting) -> None:
        from levelfield.adapters.jax import mesh

        self.replicas = mesh.Replicas(setting)
        self.distribution = keras.distribution.DataParallel(devices=keras.distribution.list_devices())

    def scope(self) -> AbstractContextManager[Any]:
        scope: AbstractContextManager[Any] = self.distribution.scope()
        return scope

    def see(self, logits: Any) -> Any:
        return self.replicas.seen(logits)

    def placement(self) -> dict[str, int]:
        return self.replicas.found
