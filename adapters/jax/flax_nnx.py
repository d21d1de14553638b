"""Flax NNX: modules that hold their state, trained with an optax optimizer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from levelfield import Adapter, BatchOrder, Layer, Setting, Split, Watch
from levelfield.adapters.jax.placed import by_samples


def build(setting: Setting, dense: type[nnx.Linear]) -> nnx.Module:
    """The network. What never changes is no attribute of it: each call of a jitted step looks at all of them."""
    model, dtype = setting.model, jnp.bfloat16 if setting.precision == "bfloat16" else None
    activation = {"relu": nnx.relu, "tanh": nnx.tanh, "sigmoid": nnx.sigmoid}[model.activation]

    class Network(nnx.Module):
        def __init__(self, rngs: nnx.Rngs) -> None:
            for i, (n, m) in enumerate(model.shapes):  # not an nnx.List, for the same reason
                setattr(self, f"linear{i}", dense(n, m, param_dtype=setting.dtype, dtype=dtype, rngs=rngs))
            if model.dropout:
                self.dropout = nnx.Dropout(model.dropout, rngs=rngs)

        linears = property(lambda self: [getattr(self, f"linear{i}") for i in range(len(model.shapes))])

        def __call__(self, x: jax.Array) -> jax.Array:
            given, (*hidden, last) = x.dtype, self.linears
            for linear in hidden:
                x = self.dropout(activation(linear(x))) if model.dropout else activation(linear(x))
            return last(x).astype(given)

    return Network(nnx.Rngs(setting.seed))


def optimizer(setting: Setting) -> optax.GradientTransformation:
    """By the specification on the matched track; as it comes on the idiomatic one."""
    r = setting.recipe
    match r.optimizer:
        case "sgd" | "momentum" | "nesterov":
            return optax.sgd(r.learning_rate, r.momentum if r.optimizer != "sgd" else None, r.optimizer == "nesterov")
        case "adam" | "adamw" if setting.track == "idiomatic":
            return getattr(optax, r.optimizer)(r.learning_rate)
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
    defaults = {
        "initialiser": "nnx.Linear's: kernels LeCun normal, biases 0",
        "adam": "optax's: betas 0.9 and 0.999, epsilon 1e-8 after the bias correction",
        "adamw": "optax's: as adam, decoupled weight decay 1e-4",
        "loader": "arrays on the device, jax.random.permutation each epoch (Flax's example mnist; its tutorial reads "
        "tf.data, shuffled in a buffer of 1024), the partial last batch kept, which both drop",
        "stopping": "EarlyStopping: patience 0, min_delta 0, best weights not restored",
    }
    stopping = {"patience": 0, "min_delta": 0.0, "restore_best": False}
    documented_feed = "resident"
    fast_modes = {
        "cached_partial": {
            "does": "nnx.cached_partial keeps network and optimizer traversed, which nnx.jit does at each call",
            "page": "https://flax.readthedocs.io/en/latest/guides/performance.html",
            "why_not_default": "Network and optimizer must keep their structure: a change of it raises.",
        },
        "split-merge": {
            "does": "jax.jit of a function of their state, which nnx.split gives and nnx.merge takes inside",
            "page": "https://flax.readthedocs.io/en/latest/guides/performance.html",
            "why_not_default": "The loop handles states; network and optimizer are out of date until nnx.update.",
        },
    }
    fast_class = "levelfield.adapters.jax.flax_nnx_fast:FlaxFast"
    replication = ("devices",)
    replicated = "levelfield.adapters.jax.flax_nnx_mesh:FlaxMesh"
    dense = nnx.Linear
    place: Callable[[np.ndarray], jax.Array] = staticmethod(by_samples)

    def __init__(self, setting: Setting) -> None:
        self.model, self.recipe, self.dtype = setting.model, setting.recipe, jnp.dtype(setting.dtype)
        self.key = jax.random.key(setting.seed)
        cross_entropy = optax.softmax_cross_entropy_with_integer_labels
        self.criterion = cross_entropy if setting.kind == "classification" else optax.squared_error
        self.network = build(setting, self.dense)
        self.optimizer = nnx.Optimizer(self.network, optimizer(setting), wrt=nnx.Param)
        self.train, self.evaluate = nnx.jit(self.step), nnx.jit(lambda network, x: network(x))

    def set_weights(self, layers: Sequence[Layer]) -> None:
        for linear, layer in zip(self.network.linears, layers, strict=True):
            linear.kernel[...], linear.bias[...] = (jnp.array(a, self.dtype) for a in layer)

    def get_weights(self) -> list[Layer]:
        return [Layer(np.array(m.kernel[...]), np.array(m.bias[...])) for m in self.network.linears]

    def fit(self, train: Split, order: BatchOrder | None, watch: Watch) -> None:
        x, y = self.place(train.x.astype(self.dtype)), self.place(train.y)
        trained = (self.network, self.optimizer)
        nnx.update(trained, jax.device_put(nnx.state(trained), x.sharding))  # as firmly, or step two is compiled anew
        watch.ready()
        for epoch in range(order.epochs if order else self.recipe.epochs):
            self.network.train()
            for indices in order.batches(epoch) if order else self.shuffled(len(x), epoch):
                self.train(self.network, self.optimizer, x, y, indices)
            if not watch.epoch_end(epoch):
                break

    def predict(self, x: np.ndarray) -> np.ndarray:
        self.network.eval()
        return np.asarray(self.evaluate(self.network, jnp.asarray(x, self.dtype)))

    def synchronize(self) -> None:
        jax.block_until_ready((nnx.state(self.network), nnx.state(self.optimizer)))

    def shuffled(self, samples: int, epoch: int) -> list[jax.Array]:
        order = jax.random.permutation(jax.random.fold_in(self.key, epoch), samples)
        return [order[i : i + self.recipe.batch_size] for i in range(0, samples, self.recipe.batch_size)]

    def loss(self, network: nnx.Module, x: jax.Array, y: jax.Array) -> jax.Array:
        loss = self.criterion(network(x), y).mean()
        return (
            loss + self.model.l2 * sum((m.kernel[...] ** 2).sum() for m in network.linears) if self.model.l2 else loss
        )

    def step(self, network: nnx.Module, optimizer: nnx.Optimizer, x: jax.Array, y: jax.Array, i: jax.Array) -> None:
        optimizer.update(network, nnx.grad(self.loss)(network, x[i], y[i]))
