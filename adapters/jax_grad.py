"""JAX's low level: pure functions, value and gradient by transformation, and every update written out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from adapters.adapter import Adapter, Setting, Watch
from tasks.mlp import MLP, Layer
from tasks.recipe import BatchOrder, Recipe
from tasks.task import Split

Parameters = list[Layer]


class State(NamedTuple):
    """What a step maps to its successor."""

    parameters: Parameters
    first: Parameters
    second: Parameters
    steps: jax.Array
    key: jax.Array


def logits(model: MLP, parameters: Parameters, x: jax.Array, key: jax.Array | None = None) -> jax.Array:
    activation = {"relu": jax.nn.relu, "tanh": jnp.tanh, "sigmoid": jax.nn.sigmoid}[model.activation]
    for i, layer in enumerate(parameters[:-1]):
        x = activation(x @ layer.kernel + layer.bias)
        if key is not None and model.dropout:
            keep = 1 - model.dropout
            x = jnp.where(jax.random.bernoulli(jax.random.fold_in(key, i), keep, x.shape), x / keep, 0)
    return x @ parameters[-1].kernel + parameters[-1].bias


def loss(parameters: Parameters, model: MLP, kind: str, x: jax.Array, y: jax.Array, key: jax.Array) -> jax.Array:
    z = logits(model, parameters, x, key)
    if kind == "classification":
        value = -jnp.take_along_axis(jax.nn.log_softmax(z), y[:, None], axis=1).mean()
    else:
        value = jnp.square(z - y).mean()
    return value + model.l2 * sum(jnp.square(layer.kernel).sum() for layer in parameters) if model.l2 else value


def update(r: Recipe, state: State, gradients: Parameters) -> State:
    steps = state.steps + 1

    def one(w: jax.Array, g: jax.Array, m: jax.Array, v: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        match r.optimizer:
            case "sgd":
                w = w - r.learning_rate * g
            case "momentum" | "nesterov":
                m = r.momentum * m + g
                w = w - r.learning_rate * (m if r.optimizer == "momentum" else g + r.momentum * m)
            case "adam" | "adamw":
                m = m + (1 - r.beta1) * (g - m)
                v = v + (1 - r.beta2) * (g * g - v)
                if r.optimizer == "adamw":
                    w = w * (1 - r.learning_rate * r.weight_decay)
                m_hat = m / (1 - r.beta1**steps)
                v_hat = v / (1 - r.beta2**steps)
                w = w - r.learning_rate * m_hat / (jnp.sqrt(v_hat) + r.epsilon)
        return w, m, v

    moved = jax.tree.map(one, state.parameters, gradients, state.first, state.second)
    parameters, first, second = jax.tree.transpose(
        jax.tree.structure(state.parameters), jax.tree.structure((0, 0, 0)), moved
    )
    return State(parameters, first, second, steps, state.key)


def step(setting: Setting, x: jax.Array, y: jax.Array, state: State, indices: jax.Array) -> State:
    key = jax.random.fold_in(state.key, state.steps.astype(jnp.int32))
    gradients = jax.grad(loss)(state.parameters, setting.model, setting.kind, x[indices], y[indices], key)
    return update(setting.recipe, state, gradients)


def scan_epoch(setting: Setting, x: jax.Array, y: jax.Array, state: State, indices: jax.Array) -> State:
    """All steps of one epoch in one call; the partial batch is one more step after the scan."""
    b = setting.recipe.batch_size
    whole = len(indices) - len(indices) % b
    batches = indices[:whole].reshape(-1, b)
    state, _ = jax.lax.scan(lambda s, batch: (step(setting, x, y, s, batch), None), state, batches)
    return step(setting, x, y, state, indices[whole:]) if whole < len(indices) else state


class JaxGrad(Adapter):
    name = "jax-grad"
    framework = "jax"
    api = "low"
    modes = ("jit", "scan")

    def __init__(self, setting: Setting) -> None:
        self.mode, self.dtype = setting.mode, jnp.dtype(setting.precision)
        zeros = [Layer(jnp.zeros((n, m), self.dtype), jnp.zeros(m, self.dtype)) for n, m in setting.model.shapes]
        self.state = State(zeros, zeros, zeros, jnp.zeros((), self.dtype), jax.random.key(setting.seed))
        self.train = jax.jit(partial(scan_epoch if setting.mode == "scan" else step, setting))
        self.evaluate = jax.jit(partial(logits, setting.model))

    def set_weights(self, layers: Sequence[Layer]) -> None:
        parameters = [Layer(*(jnp.array(a, self.dtype) for a in layer)) for layer in layers]
        self.state = self.state._replace(parameters=parameters)

    def get_weights(self) -> list[Layer]:
        return [Layer(*(np.array(a) for a in layer)) for layer in self.state.parameters]

    def fit(self, train: Split, order: BatchOrder, watch: Watch) -> None:
        x = jnp.array(train.x, self.dtype)
        y = jnp.array(train.y)
        watch.ready()
        for epoch in range(order.epochs):
            for indices in [order.epoch(epoch)] if self.mode == "scan" else order.batches(epoch):
                self.state = self.train(x, y, self.state, indices)
            if not watch.epoch_end(epoch):
                break

    def predict(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.evaluate(self.state.parameters, jnp.asarray(x, self.dtype)))

    def synchronize(self) -> None:
        jax.block_until_ready(self.state)
