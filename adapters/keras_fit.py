"""Keras' high level: Sequential, compile and fit, on each of its backends (one per process)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from adapters import runtimes
from adapters.adapter import Adapter, Setting, Watch
from adapters.keras_model import build, dense, get_weights, loss, optimizer, set_weights
from tasks.mlp import Layer
from tasks.recipe import BatchOrder
from tasks.task import Split


class Batches(keras.utils.PyDataset):
    """The batches of one epoch, gathered once when the epoch begins."""

    def __init__(self, x: np.ndarray, y: np.ndarray, order: BatchOrder) -> None:
        super().__init__()
        self.x, self.y, self.order, self.slices = x, y, order, order.slices()
        self.begin(0)

    def begin(self, epoch: int) -> None:
        indices = self.order.epoch(epoch)
        self.x_epoch, self.y_epoch = self.x[indices], self.y[indices]

    def __len__(self) -> int:
        return len(self.slices)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        return self.x_epoch[self.slices[index]], self.y_epoch[self.slices[index]]


class Watcher(keras.callbacks.Callback):
    def __init__(self, watch: Watch, batches: Batches) -> None:
        super().__init__()
        self.watch, self.batches = watch, batches

    def on_train_begin(self, logs: Any = None) -> None:
        self.watch.ready()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        # Not PyDataset.on_epoch_end: fit peeks at the first batches and fires it once before epoch 0
        self.batches.begin(epoch)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.model.stop_training = not self.watch.epoch_end(epoch)


class KerasFit(Adapter):
    dense = staticmethod(dense)

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.network = build(setting, self.dense)
        self.network.compile(
            optimizer=optimizer(setting),
            loss=loss(setting.kind),
            steps_per_execution=16 if setting.mode == "steps-per-execution" else 1,
        )

    def set_weights(self, layers: Sequence[Layer]) -> None:
        set_weights(self.network, layers)

    def get_weights(self) -> list[Layer]:
        return get_weights(self.network)

    def fit(self, train: Split, order: BatchOrder, watch: Watch) -> None:
        x = train.x.astype(self.setting.precision)
        y = train.y if self.setting.kind == "classification" else train.y.astype(self.setting.precision)
        batches = Batches(x, y, order)
        self.network.fit(batches, epochs=order.epochs, shuffle=False, verbose=0, callbacks=[Watcher(watch, batches)])

    def predict(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.network.predict_on_batch(x.astype(self.setting.precision, copy=False)))

    def synchronize(self) -> None:
        runtimes.load(keras.backend.backend()).synchronize(v.value for v in self.network.variables)


class KerasTensorFlow(KerasFit):
    name = "keras-tensorflow"
    framework = "keras"
    backend = "tensorflow"
    api = "high"
    modes = ("default", "steps-per-execution")
    feed = "loader"
    notes = (
        "Adam and AdamW are a patched optimizer: a subclass puts epsilon after the bias correction.",
        "steps-per-execution runs 16 steps in one call.",
    )


class KerasJax(KerasFit):
    name = "keras-jax"
    framework = "keras"
    backend = "jax"
    api = "high"
    modes = ("default",)
    feed = "loader"
    limits = ({"precision": "float64", "because": "on this backend Keras promotes float64 to float32 in products"},)
    notes = ("Adam and AdamW are a patched optimizer: a subclass puts epsilon after the bias correction.",)


class KerasTorch(KerasFit):
    name = "keras-torch"
    framework = "keras"
    backend = "torch"
    api = "high"
    modes = ("default",)
    feed = "loader"
    limits = ({"precision": "float64", "because": "on this backend Keras promotes float64 to float32 in products"},)
    notes = ("Adam and AdamW are a patched optimizer: a subclass puts epsilon after the bias correction.",)
