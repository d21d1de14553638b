"""What the Keras adapters share: the model, the loss and the optimizers of the specification, in Keras' words."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from levelfield import Adapter, Layer, Setting


class SpecifiedAdam(keras.optimizers.Adam):
    """Adam with epsilon after the bias correction, as published. Keras' own adds it before."""

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        step = ops.cast(self.iterations + 1, variable.dtype)
        rate = ops.cast(learning_rate, variable.dtype)
        index = self._get_variable_index(variable)
        m, v = self._momentums[index], self._velocities[index]
        self.assign_add(m, (1 - self.beta_1) * (gradient - m))
        self.assign_add(v, (1 - self.beta_2) * (ops.square(gradient) - v))
        m_hat = m / (1 - self.beta_1**step)
        v_hat = v / (1 - self.beta_2**step)
        self.assign_sub(variable, rate * m_hat / (ops.sqrt(v_hat) + self.epsilon))


def dense(units: int, l2: float, activation: str | None) -> keras.layers.Layer:
    regularizer = keras.regularizers.L2(l2) if l2 else None
    return keras.layers.Dense(units, activation=activation, kernel_regularizer=regularizer)


def seed(number: int) -> None:
    """For initial weights and shuffling. keras.utils.set_random_seed would import TensorFlow on every backend.

    Not on TensorFlow the order: with a seed, `fit` draws the same permutation for every epoch (Keras 3.15).
    """
    random.seed(number)
    np.random.seed(number)  # noqa: NPY002 - what Keras draws from
    if keras.backend.backend() == "torch":
        import torch

        torch.manual_seed(number)


def build(setting: Setting, dense: Callable[[int, float, str | None], keras.layers.Layer] = dense) -> keras.Sequential:
    if setting.track == "idiomatic":
        seed(setting.seed)
    mixed = setting.precision == "bfloat16"
    keras.config.set_floatx(setting.dtype)
    keras.config.set_dtype_policy("mixed_bfloat16" if mixed else setting.dtype)  # floatx rules until the first layer
    model = setting.model
    layers: list[keras.layers.Layer] = [keras.Input((model.widths[0],))]
    for i, units in enumerate(model.widths[1:-1]):
        layers.append(dense(units, model.l2, model.activation))
        if model.dropout:
            # Seeded here: keras.utils.set_random_seed would import TensorFlow on every backend
            layers.append(keras.layers.Dropout(model.dropout, seed=(setting.seed * 1000 + i) % 2**32))
    layers.append(dense(model.widths[-1], model.l2, None))
    if mixed:
        layers.append(keras.layers.Activation("linear", dtype="float32"))  # the loss is computed in float32
    return keras.Sequential(layers)


def loss(kind: str) -> keras.losses.Loss:
    if kind == "classification":
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return keras.losses.MeanSquaredError()


def optimizer(setting: Setting) -> keras.optimizers.Optimizer:
    """By the specification on the matched track; Keras' own on the idiomatic one."""
    r = setting.recipe
    match r.optimizer:
        case "sgd":
            return keras.optimizers.SGD(r.learning_rate)
        case "momentum" | "nesterov":
            return keras.optimizers.SGD(r.learning_rate, r.momentum, nesterov=r.optimizer == "nesterov")
        case "adam" if setting.track == "idiomatic":
            return keras.optimizers.Adam(r.learning_rate)
        case "adamw" if setting.track == "idiomatic":
            return keras.optimizers.AdamW(r.learning_rate)
        case "adam" | "adamw":
            decay = r.weight_decay if r.optimizer == "adamw" else None
            return SpecifiedAdam(r.learning_rate, r.beta1, r.beta2, r.epsilon, weight_decay=decay)


class OverLayers(Adapter):
    """What the adapters over Keras' layers do alike: `network` has a kernel and a bias for each."""

    network: keras.Sequential

    def set_weights(self, layers: Sequence[Layer]) -> None:
        # Copies, since JAX on a CPU may share the memory of the arrays it is given
        self.network.set_weights([array.copy() for layer in layers for array in layer])

    def get_weights(self) -> list[Layer]:
        arrays = [ops.convert_to_numpy(w.value).copy() for w in self.network.trainable_weights]
        return [Layer(k, b) for k, b in zip(arrays[::2], arrays[1::2], strict=True)]
