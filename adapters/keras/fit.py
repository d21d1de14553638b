"""Keras' high level: Sequential, compile and fit, on each of its backends (one per process)."""

from __future__ import annotations

import os
from contextlib import redirect_stdout

import keras
import numpy as np

from levelfield import BatchOrder, Setting, Split, Watch
from levelfield.adapters.keras import model
from levelfield.adapters.keras.data import Batches, Watcher
from levelfield.adapters.keras.words import (
    ADAM,
    ADAMW,
    EPSILON,
    FLOAT64,
    INITIALISER,
    MASKS,
    SEEDLESS,
    STEPS_PER_EXECUTION,
    STOPPING,
    STOPPING_IN_WORDS,
    UNEVEN,
)
from levelfield.adapters.runtime import load, place
from levelfield.adapters.tensorflow.words import NO_TPU as NO_TPU_IN_TENSORFLOW
from levelfield.adapters.torch.words import NO_TPU as NO_TPU_IN_TORCH


class KerasFit(model.OverLayers):
    framework = "keras"
    feed = "loader"
    defaults = {
        "initialiser": INITIALISER,
        "adam": ADAM,
        "adamw": ADAMW,
        "loader": "arrays given to fit, shuffled each epoch, the partial last batch kept",
        "fit": "jit_compile auto, progress bar (unseen)",
        "stopping": STOPPING_IN_WORDS,
    }
    stopping = STOPPING
    dense = staticmethod(model.dense)

    def __init__(self, setting: Setting) -> None:
        self.recipe, self.kind, self.dtype = setting.recipe, setting.kind, setting.dtype
        self.network = self.build(setting)
        self.network.compile(
            optimizer=model.optimizer(setting),
            loss=model.loss(setting.kind),
            steps_per_execution=16 if setting.mode == "steps-per-execution" else 1,
            jit_compile=True if setting.mode == "jit_compile" else "auto",
        )
        self.runtime = load(place(self))

    def fit(self, train: Split, order: BatchOrder | None, watch: Watch) -> None:
        x = train.x.astype(self.dtype)
        y = train.y if self.kind == "classification" else train.y.astype(self.dtype)
        if order is None:
            r = self.recipe
            with open(os.devnull, "w") as unseen, redirect_stdout(unseen):
                self.network.fit(x, y, batch_size=r.batch_size, epochs=r.epochs, callbacks=[Watcher(watch, None)])
        else:
            batches = Batches(x, y, order)
            how = {"epochs": order.epochs, "shuffle": False, "verbose": 0}
            self.network.fit(batches, **how, callbacks=[Watcher(watch, batches)])

    def predict(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.network.predict_on_batch(x.astype(self.dtype, copy=False)))

    def synchronize(self) -> None:
        self.runtime.synchronize(v.value for v in self.network.variables)

    def fit_placed(self, train: Split, order: BatchOrder, watch: Watch) -> None:
        if keras.backend.backend() == "jax" or self.network.steps_per_execution > 1:
            raise NotImplementedError("its step is made of the loader's batches only on this backend, in this mode")
        y = train.y if self.kind == "classification" else train.y.astype(self.dtype)
        x, y = keras.ops.convert_to_tensor(train.x.astype(self.dtype)), keras.ops.convert_to_tensor(y)
        self.network.make_train_function()
        watch.ready()
        for epoch in range(order.epochs):
            self.network.reset_metrics()
            indices = order.epoch(epoch)
            parts = (keras.ops.split(keras.ops.take(a, indices, axis=0), order.steps) for a in (x, y))
            for batch in zip(*parts, strict=True):
                self.network.train_function([batch])
            if not watch.epoch_end(epoch):
                break

    def build(self, setting: Setting) -> keras.Sequential:
        return model.build(setting, self.dense)


class KerasTensorFlow(KerasFit):
    name = "keras-tensorflow"
    backend = "tensorflow"
    api = "high"
    modes = ("default", "steps-per-execution")
    limits = (
        NO_TPU_IN_TENSORFLOW,
        UNEVEN,
        MASKS,
        {
            "replication": "devices",
            "mode": "steps-per-execution",
            "because": "several steps in one execution fail under MirroredStrategy (Keras 3.15)",
        },
    )
    notes = (EPSILON, "steps-per-execution runs 16 steps in one call.", SEEDLESS)
    fast_modes = {
        "steps-per-execution": STEPS_PER_EXECUTION,
        "jit_compile": {
            "does": "compile(jit_compile=True): the step compiled by XLA",
            "page": "https://keras.io/api/models/model_training_apis/",
            "why_not_default": "Keras' 'auto' leaves XLA off where TensorFlow sees CPUs only.",
        },
    }
    replication = ("devices",)
    replicated = "levelfield.adapters.keras.fit_replicas:KerasTensorFlowReplicas"


class KerasJax(KerasFit):
    name = "keras-jax"
    backend = "jax"
    api = "high"
    modes = ("default",)
    limits = (
        FLOAT64,
        {
            "replication": "devices",
            "uneven": True,
            "because": "keras.distribution puts a batch on JAX's devices in equal parts only",
        },
    )
    notes = (EPSILON,)
    fast_modes = {"steps-per-execution": STEPS_PER_EXECUTION}
    replication = ("devices",)
    replicated = "levelfield.adapters.keras.fit_replicas:KerasJaxReplicas"


class KerasTorch(KerasFit):
    name = "keras-torch"
    backend = "torch"
    api = "high"
    modes = ("default",)
    limits = (
        FLOAT64,
        NO_TPU_IN_TORCH,
        {"replication": "devices", "because": "keras.distribution does not support torch"},
    )
    notes = (EPSILON,)
