"""Keras' high level: Sequential, compile and fit, on each of its backends (one per process)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import redirect_stdout

import keras
import numpy as np

from levelfield.adapters import runtimes
from levelfield.adapters.adapter import Adapter, Setting, Watch
from levelfield.adapters.keras.data import Batches, Watcher
from levelfield.adapters.keras.model import build, dense, get_weights, loss, optimizer, set_weights
from levelfield.adapters.keras.replicas import Replicas
from levelfield.tasks.mlp import Layer
from levelfield.tasks.recipe import BatchOrder
from levelfield.tasks.task import Split


class KerasFit(Adapter):
    dense = staticmethod(dense)

    def __init__(self, setting: Setting) -> None:
        self.setting, self.replicas = setting, Replicas(setting)
        with self.replicas.scope():
            self.network = self.replicas.watched(build(setting, self.dense))
            self.network.compile(
                optimizer=optimizer(setting),
                loss=loss(setting.kind),
                steps_per_execution=16 if setting.mode == "steps-per-execution" else 1,
            )
        self.evaluate = self.replicas.predict(self.network)

    def set_weights(self, layers: Sequence[Layer]) -> None:
        set_weights(self.network, layers)

    def get_weights(self) -> list[Layer]:
        return get_weights(self.network)

    def fit(self, train: Split, order: BatchOrder | None, watch: Watch) -> None:
        x = train.x.astype(self.setting.dtype)
        y = train.y if self.setting.kind == "classification" else train.y.astype(self.setting.dtype)
        if order is None:
            r = self.setting.recipe
            with open(os.devnull, "w") as unseen, redirect_stdout(unseen):
                self.network.fit(x, y, batch_size=r.batch_size, epochs=r.epochs, callbacks=[Watcher(watch, None)])
            return
        batches = Batches(x, y, order)
        how = {"epochs": order.epochs, "shuffle": False, "verbose": 0}
        with self.replicas.scope():
            self.network.fit(batches, **how, callbacks=[Watcher(watch, batches)])

    def predict(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.evaluate(x.astype(self.setting.dtype, copy=False)))

    def synchronize(self) -> None:
        runtimes.load(keras.backend.backend()).synchronize(v.value for v in self.network.variables)

    def placement(self) -> dict[str, int]:
        return self.replicas.placement()


class KerasTensorFlow(KerasFit):
    name = "keras-tensorflow"
    framework = "keras"
    backend = "tensorflow"
    api = "high"
    modes = ("default", "steps-per-execution")
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
        {
            "replication": "devices",
            "mode": "steps-per-execution",
            "because": "several steps in one execution fail under MirroredStrategy (Keras 3.15)",
        },
    )
    notes = (
        "On the matched track Adam and AdamW are a subclass that puts epsilon after the bias correction.",
        "steps-per-execution runs 16 steps in one call.",
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


class KerasJax(KerasFit):
    name = "keras-jax"
    framework = "keras"
    backend = "jax"
    api = "high"
    modes = ("default",)
    feed = "loader"
    replication = ("devices",)
    limits = (
        {"precision": "float64", "because": "on this backend Keras promotes float64 to float32 in products"},
        {
            "replication": "devices",
            "uneven": True,
            "because": "keras.distribution puts a batch on JAX's devices in equal parts only",
        },
    )
    notes = ("On the matched track Adam and AdamW are a subclass that puts epsilon after the bias correction.",)
    defaults = {
        "initialiser": "kernels Glorot uniform, biases 0",
        "adam": "betas 0.9 and 0.999, epsilon 1e-7 before the bias correction",
        "adamw": "as adam, decoupled weight decay 0.004",
        "loader": "arrays given to fit, shuffled each epoch, the partial last batch kept",
        "fit": "jit_compile auto, progress bar (unseen)",
        "stopping": "EarlyStopping: patience 0, min_delta 0, best weights not restored",
    }
    stopping = {"patience": 0, "min_delta": 0.0, "restore_best": False}


class KerasTorch(KerasFit):
    name = "keras-torch"
    framework = "keras"
    backend = "torch"
    api = "high"
    modes = ("default",)
    feed = "loader"
    limits = (
        {"precision": "float64", "because": "on this backend Keras promotes float64 to float32 in products"},
        {"device": "tpu", "because": "torch reaches a TPU through torch_xla only"},
        {"replication": "devices", "because": "keras.distribution does not support torch"},
    )
    notes = ("On the matched track Adam and AdamW are a subclass that puts epsilon after the bias correction.",)
    defaults = {
        "initialiser": "kernels Glorot uniform, biases 0",
        "adam": "betas 0.9 and 0.999, epsilon 1e-7 before the bias correction",
        "adamw": "as adam, decoupled weight decay 0.004",
        "loader": "arrays given to fit, shuffled each epoch, the partial last batch kept",
        "fit": "jit_compile auto, progress bar (unseen)",
        "stopping": "EarlyStopping: patience 0, min_delta 0, best weights not restored",
    }
    stopping = {"patience": 0, "min_delta": 0.0, "restore_best": False}
