"""High and low level together: a Keras model and optimizer in one's own GradientTape loop."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from levelfield.adapters.adapter import Adapter, Setting, Watch
from levelfield.adapters.keras.model import build, get_weights, loss, optimizer, set_weights
from levelfield.adapters.tensorflow import runtime
from levelfield.adapters.tensorflow.data import epochs
from levelfield.tasks.mlp import Layer
from levelfield.tasks.recipe import BatchOrder
from levelfield.tasks.task import Split


class KerasLoop(Adapter):
    name = "keras-loop"
    framework = "keras"
    backend = "tensorflow"
    api = "mixed"
    modes = ("graph", "eager")
    limits = ({"device": "tpu", "because": "TensorFlow reaches a TPU through the distribution tensorflow-tpu only"},)
    notes = ("On the matched track Adam and AdamW are a subclass that puts epsilon after the bias correction.",)
    defaults = {
        "initialiser": "kernels Glorot uniform, biases 0",
        "adam": "betas 0.9 and 0.999, epsilon 1e-7 before the bias correction",
        "adamw": "as adam, decoupled weight decay 0.004",
        "loader": "tf.data, shuffled in a buffer of 1024, the partial last batch kept",
        "stopping": "EarlyStopping: patience 0, min_delta 0, best weights not restored",
    }
    stopping = {"patience": 0, "min_delta": 0.0, "restore_best": False}

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.dtype = tf.as_dtype(setting.dtype)
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

    def fit(self, train: Split, order: BatchOrder | None, watch: Watch) -> None:
        x = tf.constant(train.x, self.dtype)
        y = tf.constant(train.y, None if self.setting.kind == "classification" else self.dtype)
        watch.ready()
        for epoch, batches in enumerate(epochs(x, y, order, self.setting, buffer=1024)):
            for x_batch, y_batch in batches:
                self.step(x_batch, y_batch)
            if not watch.epoch_end(epoch):
                break

    def predict(self, x: np.ndarray) -> np.ndarray:
        return self.evaluate(tf.constant(x, self.dtype), training=False).numpy()

    def synchronize(self) -> None:
        runtime.synchronize()

    def step_eager(self, x: tf.Tensor, y: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            loss = self.loss(y, self.network(x, training=True))
            if self.setting.model.l2:
                loss += sum(self.network.losses)
        variables = self.network.trainable_variables
        self.optimizer.apply(tape.gradient(loss, variables), variables)
