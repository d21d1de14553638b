"""JAX's low level: pure functions, value and gradient by transformation, and every update written out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from levelfield.adapters.adapter import Adapter, Setting, Watch
from levelfield.adapters.jax.mesh import Replicas
from levelfield.tasks.mlp import Layer
from levelfield.tasks.recipe import BatchOrder, Recipe
from levelfield.tasks.task import Split

# jit takes all of it apart and puts it together again at each call: so lists of arrays, without classes, pairs or None
Parameters = list[jax.Array]  # kernel and bias of each layer in turn
State = tuple[
    Any, ...
]  # parameters; as many moments as the optimizer has; then steps and key, where something needs them
MOMENTS = {"sgd": 0, "momentum": 1, "nesterov": 1, "adam": 2, "adamw": 2}


def product(a: jax.Array, b: jax.Array, mixed: bool) -> jax.Array:
    return (a.astype(jnp.bfloat16) @ b.astype(jnp.bfloat16)).astype(a.dtype) if mixed else a @ b


def logits(setting: Setting, parameters: Parameters, x: jax.Array, key: jax.Array | None = None) -> jax.Array:
    model, mixed = setting.model, setting.precision == "bfloat16"
    activation = {"relu": jax.nn.relu, "tanh": jnp.tanh, "sigmoid": jax.nn.sigmoid}[model.activation]
    *hidden, (last_kernel, last_bias) = zip(parameters[::2], parameters[1::2], strict=True)
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
    return value + model.l2 * sum(jnp.square(kernel).sum() for kernel in parameters[::2]) if model.l2 else value


def update(
    r: Recipe, w: Parameters, moments: list[Parameters], steps: jax.Array | None, gradients: Parameters
) -> tuple[Parameters, list[Parameters]]:
    """New parameters and moments; `steps` counts from 1, for those that need it."""
    if r.optimizer in ("momentum", "nesterov"):
        moments = [m := jax.tree.map(lambda m, g: r.momentum * m + g, *moments, gradients)]
        gradients = jax.tree.map(lambda m, g: g + r.momentum * m, m, gradients) if r.optimizer == "nesterov" else m
    if r.optimizer in ("adam", "adamw"):
        assert steps is not None
        m = jax.tree.map(lambda m, g: m + (1 - r.beta1) * (g - m), moments[0], gradients)
        v = jax.tree.map(lambda v, g: v + (1 - r.beta2) * (g * g - v), moments[1], gradients)
        m_hat, v_hat = (1 - r.beta1**steps), (1 - r.beta2**steps)
        gradients = jax.tree.map(lambda m, v: m / m_hat / (jnp.sqrt(v / v_hat) + r.epsilon), m, v)
        moments = [m, v]
    decay = 1 - r.learning_rate * r.weight_decay if r.optimizer == "adamw" else 1
    return jax.tree.map(lambda w, g: w * decay - r.learning_rate * g, w, gradients), moments


def step(setting: Setting, replicas: Replicas, x: jax.Array, y: jax.Array, state: State, indices: Any = ...) -> State:
    """One update on the samples `indices`, by default all."""
    n = 1 + MOMENTS[setting.recipe.optimizer]
    (w, *moments), (steps, key) = state[:n], (*state[n:], None, None)[:2]
    drawn = None if key is None else jax.random.fold_in(key, steps.astype(jnp.int32))
    gradients = jax.grad(loss)(w, setting, replicas, *replicas.batch(x, y, indices), drawn)
    steps = None if steps is None else steps + 1
    w, moments = update(setting.recipe, w, moments, steps, gradients)
    return (w, *moments, *(part for part in (steps, key) if part is not None))


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
        zeros = [jnp.zeros(shape, self.dtype) for n, m in setting.model.shapes for shape in ((n, m), (m,))]
        start = [jnp.array(0.1 * random.normal(size=z.shape), self.dtype) for z in zeros]
        dropout, moments = setting.model.dropout, MOMENTS[setting.recipe.optimizer]
        self.state: State = (start, *[zeros] * moments)
        if dropout or moments == 2:
            self.state += (jnp.zeros((), self.dtype),)
        if dropout:  # a key of the older, raw kind: a typed one takes every call off jit's fast path
            self.state += (jax.random.PRNGKey(setting.seed),)
        self.train = jax.jit(partial(scan_epoch if setting.mode == "scan" else step, setting, self.replicas))
        self.evaluate = jax.jit(partial(logits, setting))

    def set_weights(self, layers: Sequence[Layer]) -> None:
        self.state = ([jnp.array(a, self.dtype) for layer in layers for a in layer], *self.state[1:])

    def get_weights(self) -> list[Layer]:
        arrays = [np.array(a) for a in self.state[0]]
        return [Layer(k, b) for k, b in zip(arrays[::2], arrays[1::2], strict=True)]

    def fit(self, train: Split, order: BatchOrder | None, watch: Watch) -> None:
        x, y = train.x.astype(self.dtype), train.y
        if placed := order is not None:
            x, y, self.state = self.replicas.everywhere((jnp.array(x), jnp.array(y), self.state))
        order = order or replace(self.order, samples=len(x))
        step, state = self.train, self.state
        watch.ready()
        for epoch in range(order.epochs):
            for indices in [order.epoch(epoch)] if self.mode == "scan" else order.batches(epoch):
                state = step(x, y, state, indices) if placed else step(x[indices], y[indices], state)
            self.state = state
            if not watch.epoch_end(epoch):
                break

    def predict(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.evaluate(self.replicas.here(self.state[0]), jnp.asarray(x, self.dtype)))

    def synchronize(self) -> None:
        jax.block_until_ready(self.state)

    def placement(self) -> dict[str, int]:
        return self.replicas.found
