"""Flax NNX: modules that hold their state, trained with an optax optimizer."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from adapters.adapter import Adapter, Setting, Watch
from tasks.mlp import MLP, Layer
from tasks.recipe import BatchOrder, Recipe
from tasks.task import Split


class Network(nnx.Module):
    def __init__(self, model: MLP, dtype: jnp.dtype, rngs: nnx.Rngs) -> None:
        self.linears = nnx.List([nnx.Linear(n, m, param_dtype=dtype, rngs=rngs) for n, m in model.shapes])
        self.dropout = nnx.Dropout(model.dropout, rngs=rngs)
        self.activation = {"relu": nnx.relu, "tanh": nnx.tanh, "sigmoid": nnx.sigmoid}[model.activation]

    def __call__(self, x: jax.Array) -> jax.Array:
        *hidden, last = self.linears
        for linear in hidden:
            x = self.dropout(self.activation(linear(x)))
        return last(x)


def optimizer(r: Recipe) -> optax.GradientTransformation:
    match r.optimizer:
        case "sgd":
            return optax.sgd(r.learning_rate)
        case "momentum" | "nesterov":
            return optax.sgd(r.learning_rate, r.momentum, nesterov=r.optimizer == "nesterov")
        case "adam":
            return optax.adam(r.learning_rate, r.beta1, r.beta2, r.epsilon)
        case "adamw":
            return optax.adamw(r.learning_rate, r.beta1, r.beta2, r.epsilon, weight_decay=r.weight_decay)


class FlaxNNX(Adapter):
    name = "flax-nnx"
    framework = "flax"
    backend = "jax"
    api = "high"
    modes = ("jit",)
    packages = ("optax",)

    def __init__(self, setting: Setting) -> None:
        model, classification = setting.model, setting.kind == "classification"
        self.dtype = jnp.dtype(setting.precision)
        self.network = Network(model, self.dtype, nnx.Rngs(setting.seed))
        self.optimizer = nnx.Optimizer(self.network, optimizer(setting.recipe), wrt=nnx.Param)

        def loss(network: Network, x: jax.Array, y: jax.Array) -> jax.Array:
            z = network(x)
            if classification:
                value = optax.softmax_cross_entropy_with_integer_labels(z, y).mean()
            else:
                value = optax.squared_error(z, y).mean()
            if model.l2:
                value += model.l2 * sum(jnp.square(linear.kernel[...]).sum() for linear in network.linears)
            return value

        @nnx.jit
        def step(network: Network, optimizer: nnx.Optimizer, x: jax.Array, y: jax.Array, i: jax.Array) -> None:
            optimizer.update(network, nnx.grad(loss)(network, x[i], y[i]))

        self.step = step
        self.evaluate = nnx.jit(lambda network, x: network(x))

    def set_weights(self, layers: Sequence[Layer]) -> None:
        for linear, layer in zip(self.network.linears, layers, strict=True):
            linear.kernel[...] = jnp.array(layer.kernel, self.dtype)
            linear.bias[...] = jnp.array(layer.bias, self.dtype)

    def get_weights(self) -> list[Layer]:
        return [Layer(np.array(m.kernel[...]), np.array(m.bias[...])) for m in self.network.linears]

    def fit(self, train: Split, order: BatchOrder, watch: Watch) -> None:
        x = jnp.array(train.x, self.dtype)
        y = jnp.array(train.y)
        watch.ready()
        for epoch in range(order.epochs):
            self.network.train()
            for indices in order.batches(epoch):
                self.step(self.network, self.optimizer, x, y, indices)
            if not watch.epoch_end(epoch):
                break

    def predict(self, x: np.ndarray) -> np.ndarray:
        self.network.eval()
        return np.asarray(self.evaluate(self.network, jnp.asarray(x, self.dtype)))

    def synchronize(self) -> None:
        jax.block_until_ready((nnx.state(self.network), nnx.state(self.optimizer)))
