"""JAX's low level: pure functions, value and gradient by transformation, and every update written out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from adapters.adapter import Adapter, Setting, Watch
from adapters.jax_replicas import Replicas
from tasks.mlp import Layer
from tasks.recipe import BatchOrder, Recipe
from tasks.task import Split

Parameters = list[tuple[jax.Array, jax.Array]]  # kernels and biases; a class would be rebuilt at each call


class State(NamedTuple):
    """What a step maps to its successor; None is what the setting does not need, for every leaf costs at each call."""

    parameters: Parameters
    first: Parameters | None
    second: Parameters | None
    steps: jax.Array | None
    key: jax.Array | None  # of the older, raw kind: a typed one takes every call off jit's fast path


def product(a: jax.Array, b: jax.Array, mixed: bool) -> jax.Array:
    return (a.astype(jnp.bfloat16) @ b.astype(jnp.bfloat16)).astype(a.dtype) if mixed else a @ b


def logits(setting: Setting, parameters: Parameters, x: jax.Array, key: jax.Array | None = None) -> jax.Array:
    model, mixed = setting.model, setting.precision == "bfloat16"
    activation = {"relu": jax.nn.relu, "tanh": jnp.tanh, "sigmoid": jax.nn.sigmoid}[model.activation]
    *hidden, (last_kernel, last_bias) = parameters
    for i, (kernel, bias) in enumerate(hidden):
        x = activation(product(x, kernel, mixed) + bias)
        if key is not None:
            keep = 1 - model.dropout
            x = jnp.where(jax.random.bernoulli(jax.random.fold_in(key, i), keep, x.shape), x / keep, 0)
    return product(x, last_kernel, mixed) + last_bias


def loss(
    parameters: Parameters, setting: Setting, replicas: Replicas, x: jax.Array, y: jax.Array, key: jax.Array | None
) -> jax.Array:
    model, z = setting.model, replicas.seen(logits(setting, parameters, x, key))
    if setting.kind == "classification":
        value = -jnp.take_along_axis(jax.nn.log_softmax(z), y[:, None], axis=1).mean()
    else:
        value = jnp.square(z - y).mean()
    return value + model.l2 * sum(jnp.square(kernel).sum() for kernel, _ in parameters) if model.l2 else value


def update(r: Recipe, state: State, gradients: Parameters) -> State:
    w, m, v, steps, key = state
    steps = None if steps is None else steps + 1
    if r.optimizer in ("momentum", "nesterov"):
        m = jax.tree.map(lambda m, g: r.momentum * m + g, m, gradients)
        gradients = jax.tree.map(lambda m, g: g + r.momentum * m, m, gradients) if r.optimizer == "nesterov" else m
    if r.optimizer in ("adam", "adamw"):
        assert steps is not None
        m = jax.tree.map(lambda m, g: m + (1 - r.beta1) * (g - m), m, gradients)
        v = jax.tree.map(lambda v, g: v + (1 - r.beta2) * (g * g - v), v, gradients)
        m_hat, v_hat = (1 - r.beta1**steps), (1 - r.beta2**steps)
        gradients = jax.tree.map(lambda m, v: m / m_hat / (jnp.sqrt(v / v_hat) + r.epsilon), m, v)
    decay = 1 - r.learning_rate * r.weight_decay if r.optimizer == "adamw" else 1
    w = jax.tree.map(lambda w, g: w * decay - r.learning_rate * g, w, gradients)
    return State(w, m, v, steps, key)


def step(setting: Setting, replicas: Replicas, x: jax.Array, y: jax.Array, state: State, indices: Any = ...) -> State:
    """One update on the samples `indices`, by default all."""
    key = None
    if state.key is not None and state.steps is not None:
        key = jax.random.fold_in(state.key, state.steps.astype(jnp.int32))
    gradients = jax.grad(loss)(state.parameters, setting, replicas, *replicas.batch(x, y, indices), key)
    return update(setting.recipe, state, gradients)


def scan_epoch(
    setting: Setting, replicas: Replicas, x: jax.Array, y: jax.Array, state: State, indices: jax.Array
) -> State:
    """All steps of one epoch in one call; the partial batch is one more step after the scan."""
    b = setting.recipe.batch_size
    whole = len(indices) - len(indices) % b
    batches = indices[:whole].reshape(-1, b)
    state, _ = jax.lax.scan(lambda s, batch: (step(setting, replicas, x, y, s, batch), None), state, batches)
    return step(setting, replicas, x, y, state, indices[whole:]) if whole < len(indices) else state


class JaxGrad(Adapter):
    name = "jax-grad"
    framework = "jax"
    api = "low"
    modes = ("jit", "scan")
    replication = ("devices", "ranks")
    limits = (
        {"track": "idiomatic", "mode": "scan", "because": "JAX's examples call a jitted step batch by batch, no scan"},
    )
    defaults = {
        "source": "JAX's example mnist_classifier_fromscratch; JAX has no networks of its own",
        "initialiser": "kernels and biases normal with deviation 0.1; 0.01 in JAX's tutorials with a data loader",
        "adam": "betas 0.9 and 0.999, epsilon 1e-8 after the bias correction (jax.example_libraries.optimizers)",
        "adamw": "not in JAX: as adam, weight decay of the recipe",
        "loader": "NumPy batches from a permutation drawn each epoch, the partial last batch kept",
        "stopping": "none",
    }

    def __init__(self, setting: Setting) -> None:
        self.mode, self.dtype, self.replicas = setting.mode, jnp.dtype(setting.dtype), Replicas(setting)
        if setting.track == "idiomatic":
            setting = replace(setting, recipe=replace(setting.recipe, beta1=0.9, beta2=0.999, epsilon=1e-8))
        self.order = BatchOrder(0, setting.recipe.batch_size, setting.recipe.epochs, setting.seed)
        random = np.random.default_rng(setting.seed)
        zeros = [(jnp.zeros((n, m), self.dtype), jnp.zeros(m, self.dtype)) for n, m in setting.model.shapes]
        start = jax.tree.map(lambda z: jnp.array(0.1 * random.normal(size=z.shape), self.dtype), zeros)
        moving, adam = setting.recipe.optimizer != "sgd", setting.recipe.optimizer in ("adam", "adamw")
        self.state = State(
            parameters=start,
            first=zeros if moving else None,
            second=zeros if adam else None,
            steps=jnp.zeros((), self.dtype) if adam or setting.model.dropout else None,
            key=jax.random.PRNGKey(setting.seed) if setting.model.dropout else None,
        )
        self.train = jax.jit(partial(scan_epoch if setting.mode == "scan" else step, setting, self.replicas))
        self.evaluate = jax.jit(partial(logits, setting))

    def set_weights(self, layers: Sequence[Layer]) -> None:
        parameters = [(jnp.array(kernel, self.dtype), jnp.array(bias, self.dtype)) for kernel, bias in layers]
        self.state = self.state._replace(parameters=parameters)

    def get_weights(self) -> list[Layer]:
        return [Layer(np.array(kernel), np.array(bias)) for kernel, bias in self.state.parameters]

    def fit(self, train: Split, order: BatchOrder | None, watch: Watch) -> None:
        x, y = train.x.astype(self.dtype), train.y
        if placed := order is not None:
            x, y, self.state = self.replicas.everywhere((jnp.array(x), jnp.array(y), self.state))
        order = order or replace(self.order, samples=len(x))
        watch.ready()
        for epoch in range(order.epochs):
            for indices in [order.epoch(epoch)] if self.mode == "scan" else order.batches(epoch):
                batch = (x, y, self.state, indices) if placed else (x[indices], y[indices], self.state)
                self.state = self.train(*batch)
            if not watch.epoch_end(epoch):
                break

    def predict(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.evaluate(self.replicas.here(self.state.parameters), jnp.asarray(x, self.dtype)))

    def synchronize(self) -> None:
        jax.block_until_ready(self.state)

    def placement(self) -> dict[str, int]:
        return self.replicas.found
