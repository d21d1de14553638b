"""keras-tensorflow with one thing changed: fit gets a tf.data pipeline instead of a PyDataset of NumPy arrays.

Same model, same optimizer, same callbacks, same order of samples. The data are tensors already; TensorFlow's threads
gather each batch, and no Python function runs for it.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from levelfield import BatchOrder, Split, Watch
from levelfield.adapters.keras.fit import KerasTensorFlow


class Orders(keras.callbacks.Callback):
    """Sets the order of each epoch before it begins, and tells when it has ended."""

    def __init__(self, watch: Watch, order: BatchOrder, rows: tf.Variable) -> None:
        super().__init__()
        self.watch, self.order, self.rows = watch, order, rows

    def on_train_begin(self, logs: Any = None) -> None:
        self.watch.ready()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.rows.assign(self.order.epoch(epoch))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.model.stop_training = not self.watch.epoch_end(epoch)


class KerasDataset(KerasTensorFlow):
    name = "keras-tensorflow-dataset"
    framework = "keras"
    backend = "tensorflow"
    api = "high"
    feed = "loader"
    modes = ("default",)
    notes = ("A copy of keras-tensorflow for an experiment: its batches come from tf.data.",)
    replication = ()

    def fit(self, train: Split, order: BatchOrder | None, watch: Watch) -> None:
        if order is None:  # by default it is fed as keras-tensorflow is
            super().fit(train, order, watch)
            return
        x = tf.constant(train.x.astype(self.dtype))
        y = tf.constant(train.y if self.kind == "classification" else train.y.astype(self.dtype))
        rows = tf.Variable(order.epoch(0))
        size = order.batch_size

        def batch(number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            own = rows[number * size : (number + 1) * size]
            return tf.gather(x, own), tf.gather(y, own)

        batches = tf.data.Dataset.range(order.steps).map(batch)
        how = {"epochs": order.epochs, "shuffle": False, "verbose": 0}
        self.network.fit(batches, **how, callbacks=[Orders(watch, order, rows)])
