"""High and low level together: a Keras model and optimizer in one's own GradientTape loop."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from adapters.adapter import Adapter, Setting, Watch
from adapters.keras_model import build, get_weights, loss, optimizer, set_weights
from adapters.runtimes import tensorflow as runtime
from tasks.mlp import Layer
from tasks.recipe import BatchOrder
from tasks.task import Split


class KerasLoop(Adapter):
    name = "keras-loop"
    framework = "keras"
    backend = "tensorflow"
    api = "mixed"
    modes = ("graph", "eager")
    notes = ("Adam and AdamW are a patched optimizer: a subclass puts epsilon after the bias correction.",)

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.dtype = tf.as_dtype(setting.precision)
        self.network = build(setting)
        self.loss = loss(setting.kind)
        self.optimizer = optimizer(setting)
        self.optimizer.build(self.network.trainable_variables)
        self.step, self.evaluate = self.step_eager, self.network
        if setting.mode == "graph":
            self.step = tf.function(self.step_eager)
            self.evaluate = tf.function(self.network)

    def set_weights(self, layers: Sequence[Layer]) -> None:
        set_weights(self.network, layers)

    def get_weights(self) -> list[Layer]:
        return get_weights(self.network)

    def fit(self, train: Split, order: BatchOrder, watch: Watch) -> None:
        x = tf.constant(train.x, self.dtype)
        y = tf.constant(train.y, None if self.setting.kind == "classification" else self.dtype)
        sizes = [s.stop - s.start for s in order.slices()]
        watch.ready()
        for epoch in range(order.epochs):
            indices = order.epoch(epoch)
            x_batches = tf.split(tf.gather(x, indices), sizes)
            y_batches = tf.split(tf.gather(y, indices), sizes)
            for x_batch, y_batch in zip(x_batches, y_batches, strict=True):
                self.step(x_batch, y_batch)
            if not watch.epoch_end(epoch):
                break

    def predict(self, x: np.ndarray) -> np.ndarray:
        return self.evaluate(tf.constant(x, self.dtype), training=False).numpy()

    def synchronize(self) -> None:
        runtime.synchronize()

    def step_eager(self, x: tf.Tensor, y: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            loss = self.loss(y, self.network(x, training=True)) + sum(self.network.losses)
        variables = self.network.trainable_variables
        self.optimizer.apply(tape.gradient(loss, variables), variables)
