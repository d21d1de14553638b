"""JAX's low level: pure functions, value and gradient by transformation, and every update written out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from levelfield import Adapter, BatchOrder, Layer, Setting, Split, Watch
from levelfield.adapters.jax.placed import beside, by_samples

Arrays = list[jax.Array]  # kernel and bias of each layer in turn, or as many moments; of those not needed, none
State = tuple[Arrays, Arrays, Arrays, jax.Array | None, jax.Array | None]  # parameters, moments, steps, key of dropout


def cross_entropy(z: jax.Array, y: jax.Array) -> jax.Array:
    return -jnp.take_along_axis(jax.nn.log_softmax(z), y[:, None], axis=1).mean()


def squared_error(z: jax.Array, y: jax.Array) -> jax.Array:
    return jnp.square(z - y).mean()


class JaxGrad(Adapter):
    name = "jax-grad"
    framework = "jax"
    api = "low"
    modes = ("jit", "scan")
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
    fast_modes = {
        "donate": {
            "does": "jit, which may write the new parameters and moments where the old ones are (donate_argnums)",
            "page": "https://docs.jax.dev/en/latest/buffer_donation.html",
            "why_not_default": "Arrays that were given away can no longer be read.",
        },
    }
    fast_class = "levelfield.adapters.jax.grad_fast:GradFast"
    replication = ("devices", "ranks")
    replicated = "levelfield.adapters.jax.grad_mesh:GradMesh"

    def __init__(self, setting: Setting) -> None:
        self.mode, self.model, self.recipe, self.dtype = setting.mode, setting.model, setting.recipe, setting.dtype
        if setting.track == "idiomatic":
            self.recipe = replace(self.recipe, beta1=0.9, beta2=0.999, epsilon=1e-8)
        self.order = BatchOrder(0, self.recipe.batch_size, self.recipe.epochs, setting.seed)
        self.mixed = setting.precision == "bfloat16"
        self.activation = {"relu": jax.nn.relu, "tanh": jnp.tanh, "sigmoid": jax.nn.sigmoid}[self.model.activation]
        self.criterion = cross_entropy if setting.kind == "classification" else squared_error
        shapes = [s for n, m in self.model.shapes for s in ((n, m), (m,))]
        random = np.random.default_rng(setting.seed)
        start = [jnp.array(0.1 * random.normal(size=s), self.dtype) for s in shapes]
        zeros = [jnp.zeros(s, self.dtype) for s in shapes]
        adaptive, dropout = self.recipe.optimizer in ("adam", "adamw"), self.model.dropout > 0
        self.state: State = (
            start,
            zeros if self.recipe.optimizer != "sgd" else [],
            zeros if adaptive else [],
            jnp.zeros((), self.dtype) if adaptive or dropout else None,
            # Of the older, raw kind: a typed key takes every call off jit's fast path
            jax.random.PRNGKey(setting.seed) if dropout else None,
        )
        self.train = jax.jit(self.scan if self.mode == "scan" else self.step)
        self.evaluate = jax.jit(self.logits)

    def set_weights(self, layers: Sequence[Layer]) -> None:
        self.state = ([jnp.array(a, self.dtype) for layer in layers for a in layer], *self.state[1:])

    def get_weights(self) -> list[Layer]:
        arrays = [np.array(a) for a in self.state[0]]
        return [Layer(k, b) for k, b in zip(arrays[::2], arrays[1::2], strict=True)]

    def fit(self, train: Split, order: BatchOrder | None, watch: Watch) -> None:
        x, y = train.x.astype(self.dtype), train.y
        step, state = self.train, self.state
        if placed := order is not None:
            x, y = self.place(x), self.place(y)
            state = beside(x, state)
        order = order or replace(self.order, samples=len(x))
        watch.ready()
        for epoch in range(order.epochs):
            for indices in [order.epoch(epoch)] if self.mode == "scan" else order.batches(epoch):
                state = step(x, y, state, indices) if placed else step(x[indices], y[indices], state)
            self.state = state
            if not watch.epoch_end(epoch):
                break

    def predict(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.evaluate(self.state[0], jnp.asarray(x, self.dtype)))

    def synchronize(self) -> None:
        jax.block_until_ready(self.state)

    def place(self, array: np.ndarray) -> jax.Array:
        return by_samples(array)

    def logits(self, parameters: Arrays, x: jax.Array, key: jax.Array | None = None) -> jax.Array:
        *hidden, (kernel, bias) = zip(parameters[::2], parameters[1::2], strict=True)
        for i, (k, b) in enumerate(hidden):
            x = self.activation(self.product(x, k) + b)
            if key is not None:
                keep = 1 - self.model.dropout
                x = jnp.where(jax.random.bernoulli(jax.random.fold_in(key, i), keep, x.shape), x / keep, 0)
        return self.product(x, kernel) + bias

    def product(self, a: jax.Array, b: jax.Array) -> jax.Array:
        return (a.astype(jnp.bfloat16) @ b.astype(jnp.bfloat16)).astype(a.dtype) if self.mixed else a @ b

    def loss(self, parameters: Arrays, x: jax.Array, y: jax.Array, key: jax.Array | None) -> jax.Array:
        loss = self.criterion(self.logits(parameters, x, key), y)
        return loss + self.model.l2 * sum(jnp.square(k).sum() for k in parameters[::2]) if self.model.l2 else loss

    def update(
        self, parameters: Arrays, first: Arrays, second: Arrays, steps: Any, gradients: Arrays
    ) -> tuple[Arrays, Arrays, Arrays]:
        r = self.recipe
        if r.optimizer in ("momentum", "nesterov"):
            first = [r.momentum * m + g for m, g in zip(first, gradients, strict=True)]
            nesterov = [g + r.momentum * m for m, g in zip(first, gradients, strict=True)]
            gradients = nesterov if r.optimizer == "nesterov" else first
        if r.optimizer in ("adam", "adamw"):
            first = [m + (1 - r.beta1) * (g - m) for m, g in zip(first, gradients, strict=True)]
            second = [v + (1 - r.beta2) * (g * g - v) for v, g in zip(second, gradients, strict=True)]
            m_scale, v_scale = 1 - r.beta1**steps, 1 - r.beta2**steps
            moments = zip(first, second, strict=True)
            gradients = [m / m_scale / (jnp.sqrt(v / v_scale) + r.epsilon) for m, v in moments]
        decay = 1 - r.learning_rate * r.weight_decay if r.optimizer == "adamw" else 1
        return [w * decay - r.learning_rate * g for w, g in zip(parameters, gradients, strict=True)], first, second

    def step(self, x: jax.Array, y: jax.Array, state: State, indices: Any = ...) -> State:
        """One update on the samples `indices`, by default all."""
        parameters, first, second, steps, key = state
        now = None if key is None or steps is None else jax.random.fold_in(key, steps.astype(jnp.int32))
        gradients = jax.grad(self.loss)(parameters, x[indices], y[indices], now)
        steps = None if steps is None else steps + 1
        return (*self.update(parameters, first, second, steps, gradients), steps, key)

    def scan(self, x: jax.Array, y: jax.Array, state: State, indices: jax.Array) -> State:
        """All steps of one epoch in one call; the partial batch is one more step after the scan."""
        b = self.recipe.batch_size
        whole = len(indices) - len(indices) % b
        batches = indices[:whole].reshape(-1, b)
        state, _ = jax.lax.scan(lambda s, batch: (self.step(x, y, s, batch), None), state, batches)
        return self.step(x, y, state, indices[whole:]) if whole < len(indices) else state
