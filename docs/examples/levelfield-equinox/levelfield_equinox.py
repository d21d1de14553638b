"""Equinox: a model is a PyTree, trained by one's own loop over a jitted step with an optax optimizer."""

from __future__ import annotations

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

from levelfield import MLP, Adapter, BatchOrder, Layer, Recipe, Setting, Split, Watch


def build(model: MLP, dtype: jnp.dtype, key: jax.Array) -> eqx.nn.Sequential:
    activation = {"relu": jax.nn.relu, "tanh": jnp.tanh, "sigmoid": jax.nn.sigmoid}[model.activation]
    layers: list[eqx.Module] = []
    for (n, m), k in zip(model.shapes, jax.random.split(key, len(model.shapes)), strict=True):
        layers += [eqx.nn.Linear(n, m, dtype=dtype, key=k), eqx.nn.Lambda(activation), eqx.nn.Dropout(model.dropout)]
    return eqx.nn.Sequential(layers[:-2])


def optimizer(r: Recipe) -> optax.GradientTransformation:
    if r.optimizer in ("adam", "adamw"):
        decay = {"weight_decay": r.weight_decay} if r.optimizer == "adamw" else {}
        return getattr(optax, r.optimizer)(r.learning_rate, r.beta1, r.beta2, r.epsilon, **decay)
    return optax.sgd(r.learning_rate, None if r.optimizer == "sgd" else r.momentum, r.optimizer == "nesterov")


class Equinox(Adapter):
    name = "equinox"
    framework = "equinox"
    backend = "jax"
    api = "mixed"
    modes = ("filter_jit",)
    packages = ("optax",)
    limits = ({"precision": "bfloat16", "because": "eqx.nn.Linear computes in the type of its parameters"},)

    def __init__(self, setting: Setting) -> None:
        model, self.dtype, self.key = setting.model, jnp.dtype(setting.dtype), jax.random.PRNGKey(setting.seed)
        self.network, optim = build(model, self.dtype, self.key), optimizer(setting.recipe)
        self.state = optim.init(eqx.filter(self.network, eqx.is_array))
        cross_entropy = optax.softmax_cross_entropy_with_integer_labels
        criterion = cross_entropy if setting.kind == "classification" else optax.squared_error

        def loss(network: eqx.nn.Sequential, x: jax.Array, y: jax.Array, key: jax.Array) -> jax.Array:
            value = criterion(jax.vmap(network)(x, key=jax.random.split(key, len(x))), y).mean()
            return value + model.l2 * sum(jnp.square(m.weight).sum() for m in network[::3]) if model.l2 else value

        def step(network, state, key, x, y, indices):
            key, now = jax.random.split(key)
            gradients = eqx.filter_grad(loss)(network, x[indices], y[indices], now)
            updates, state = optim.update(gradients, state, eqx.filter(network, eqx.is_array))
            return eqx.apply_updates(network, updates), state, key

        self.step = eqx.filter_jit(step)
        self.evaluate = eqx.filter_jit(lambda network, x: jax.vmap(eqx.nn.inference_mode(network))(x))

    def set_weights(self, layers: Sequence[Layer]) -> None:
        values = [jnp.array(a, self.dtype) for kernel, bias in layers for a in (kernel.T, bias)]
        self.network = eqx.tree_at(lambda n: [a for m in n[::3] for a in (m.weight, m.bias)], self.network, values)

    def get_weights(self) -> list[Layer]:
        return [Layer(np.array(m.weight).T, np.array(m.bias)) for m in self.network[::3]]

    def fit(self, train: Split, order: BatchOrder, watch: Watch) -> None:
        x, y = jnp.array(train.x, self.dtype), jnp.array(train.y)
        watch.ready()
        for epoch in range(order.epochs):
            for indices in order.batches(epoch):
                self.network, self.state, self.key = self.step(self.network, self.state, self.key, x, y, indices)
            if not watch.epoch_end(epoch):
                break

    def predict(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.evaluate(self.network, jnp.asarray(x, self.dtype)))

    def synchronize(self) -> None:
        jax.block_until_ready((self.network, self.state))
