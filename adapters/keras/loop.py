"""High and low level together: a Keras model and optimizer in one's own GradientTape loop."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from levelfield import BatchOrder, Setting, Split, Watch
from levelfield.adapters.keras import model
from levelfield.adapters.keras.words import ADAM, ADAMW, EPSILON, INITIALISER, STOPPING, STOPPING_IN_WORDS
from levelfield.adapters.tensorflow.data import epochs
from levelfield.adapters.tensorflow.words import NO_TPU


class KerasLoop(model.OverLayers):
    name = "keras-loop"
    framework = "keras"
    backend = "tensorflow"
    api = "mixed"
    modes = ("graph", "eager")
    limits = (NO_TPU,)
    notes = (EPSILON,)
    defaults = {
        "initialiser": INITIALISER,
        "adam": ADAM,
        "adamw": ADAMW,
        "loader": "tf.data, shuffled in a buffer of 1024, the partial last batch kept",
        "stopping": STOPPING_IN_WORDS,
    }
    stopping = STOPPING

    def __init__(self, setting: Setting) -> None:
        self.setting, self.dtype = setting, tf.as_dtype(setting.dtype)
        self.network = model.build(setting)
        self.criterion = model.loss(setting.kind)
        self.optimizer = model.optimizer(setting)
        self.optimizer.build(self.network.trainable_variables)
        self.train, self.evaluate = self.step, self.network
        if setting.mode == "graph":
            self.train, self.evaluate = tf.function(self.step), tf.function(self.network)

    def fit(self, train: Split, order: BatchOrder | None, watch: Watch) -> None:
        x = tf.constant(train.x, self.dtype)
        y = tf.constant(train.y, None if self.setting.kind == "classification" else self.dtype)
        watch.ready()
        for epoch, batches in enumerate(epochs(x, y, order, self.setting, buffer=1024)):
            for x_batch, y_batch in batches:
                self.train(x_batch, y_batch)
            if not watch.epoch_end(epoch):
                break

    def predict(self, x: np.ndarray) -> np.ndarray:
        return self.evaluate(tf.constant(x, self.dtype), training=False).numpy()

    def synchronize(self) -> None:
        tf.test.experimental.sync_devices()

    def loss(self, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        loss = self.criterion(y, self.network(x, training=True))
        return loss + sum(self.network.losses) if self.setting.model.l2 else loss

    def step(self, x: tf.Tensor, y: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            loss = self.loss(x, y)
        variables = self.network.trainable_variables
        self.optimizer.apply(tape.gradient(loss, variables), variables)
