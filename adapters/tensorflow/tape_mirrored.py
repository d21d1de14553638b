"""tensorflow-tape on several devices of one process: variables mirrored, a batch divided among the replicas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from levelfield import Setting
from levelfield.adapters.tensorflow.mirrored import Replicas
from levelfield.adapters.tensorflow.tape import TensorFlowTape


class TapeMirrored(TensorFlowTape):
    def __init__(self, setting: Setting) -> None:
        self.replicas = Replicas(setting)
        with self.replicas.scope():
            super().__init__(setting)
        self.share, step = self.gradients_and_logits, self.shared_step
        if setting.mode == "xla":  # XLA compiles for one device: what each replica does
            self.share = tf.function(self.gradients_and_logits, jit_compile=True, autograph=False)
        if setting.mode != "eager":
            step = tf.function(self.shared_step, autograph=False)
        self.train = self.replicas.watched(step)

    def placement(self) -> dict[str, int]:
        return self.replicas.found

    def drawn(self) -> tf.Tensor:
        return self.replicas.own(super().drawn())

    def gradients_and_logits(self, x: tf.Tensor, y: tf.Tensor) -> tuple[Sequence[tf.Tensor], tf.Tensor]:
        with tf.GradientTape() as tape:
            logits = self.logits(x, training=True)
            loss = self.loss(logits, y)
        return tape.gradient(loss, self.parameters), logits

    def shared_step(self, x: tf.Tensor, y: tf.Tensor) -> Any:
        gradients, parts = self.replicas.run(self.share, x, y)
        self.update(gradients)
        return parts
