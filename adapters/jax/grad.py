"""JAX's low level: pure functions, value and gradient by transformation, and every update written out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from levelfield import Adapter, BatchOrder, Layer, Setting, Split, Watch
from levelfield.adapters.jax.placed import by_samples

Arrays = list[jax.Array]  # kernel and bias of each layer in turn, or as many moments
# Parameters, moments, steps; nothing for what is not needed, since every call looks through the whole state
State = tuple[Arrays, Arrays, Arrays, jax.Array | None]


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
    place: Callable[[np.ndarray], jax.Array] = staticmethod(by_samples)

    def __init__(self, setting: Setting) -> None:
        self.setting, self.model, self.recipe, self.dtype = setting, setting.model, setting.recipe, setting.dtype
        if setting.track == "idiomatic":
            self.recipe = replace(self.recipe, beta1=0.9, beta2=0.999, epsilon=1e-8)
        self.mixed = setting.precision == "bfloat16"
        self.activation = getattr(jax.nn, self.model.activation)
        shapes = [s for n, m in self.model.shapes for s in ((n, m), (m,))]
        random = np.random.default_rng(setting.seed)
        start = [jnp.array(0.1 * random.normal(size=s), self.dtype) for s in shapes]
        zeros = [jnp.zeros(s, self.dtype) for s in shapes]
        adaptive = self.recipe.optimizer in ("adam", "adamw")
        steps = jnp.zeros((), self.dtype) if adaptive or self.model.dropout else None
        self.state: State = (start, [] if self.recipe.optimizer == "sgd" else zeros, zeros if adaptive else [], steps)
        self.train = jax.jit(self.scan if setting.mode == "scan" else self.step)
        self.evaluate = jax.jit(self.logits)

    def set_weights(self, layers: Sequence[Layer]) -> None:
        self.state = ([jnp.array(a, self.dtype) for layer in layers for a in layer], *self.state[1:])

    def get_weights(self) -> list[Layer]:
        arrays = [np.array(a) for a in self.state[0]]
        return [Layer(k, b) for k, b in zip(arrays[::2], arrays[1::2], strict=True)]

    def fit(self, train: Split, order: BatchOrder | None, watch: Watch) -> None:
        x, y, r = train.x.astype(self.dtype), train.y, self.recipe
        if placed := order is not None:
            x, y = self.place(x), self.place(y)
            self.state = jax.device_put(self.state, x.sharding)  # as firmly, or the second step would be compiled anew
        order = order or BatchOrder(len(x), r.batch_size, r.epochs, self.setting.seed)
        watch.ready()
        for epoch in range(order.epochs):
            for indices in [order.epoch(epoch)] if self.setting.mode == "scan" else order.batches(epoch):
                batch = (x, y, self.state, indices) if placed else (x[indices], y[indices], self.state)
                self.state = self.train(*batch)
            if not watch.epoch_end(epoch):
                break

    def predict(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.evaluate(self.state[0], jnp.asarray(x, self.dtype)))

    def synchronize(self) -> None:
        jax.block_until_ready(self.state)

    def logits(self, parameters: Arrays, x: jax.Array, steps: jax.Array | None = None) -> jax.Array:
        """With dropout if the number of the step is given, by which its masks differ."""
        *hidden, (kernel, bias) = zip(parameters[::2], parameters[1::2], strict=True)
        for i, (k, b) in enumerate(hidden):
            x = self.activation(self.product(x, k) + b)
            if self.model.dropout and steps is not None:
                keep, key = 1 - self.model.dropout, jax.random.key(self.setting.seed * 1000 + i)
                x = jnp.where(jax.random.bernoulli(jax.random.fold_in(key, steps), keep, x.shape), x / keep, 0)
        return self.product(x, kernel) + bias

    def product(self, a: jax.Array, b: jax.Array) -> jax.Array:
        return (a.astype(jnp.bfloat16) @ b.astype(jnp.bfloat16)).astype(a.dtype) if self.mixed else a @ b

    def criterion(self, z: jax.Array, y: jax.Array) -> jax.Array:
        if self.setting.kind == "classification":
            return -jnp.take_along_axis(jax.nn.log_softmax(z), y[:, None], axis=1).mean()
        return jnp.square(z - y).mean()

    def loss(self, parameters: Arrays, x: jax.Array, y: jax.Array, steps: jax.Array | None) -> jax.Array:
        loss = self.criterion(self.logits(parameters, x, steps), y)
        return loss + self.model.l2 * sum(jnp.square(k).sum() for k in parameters[::2]) if self.model.l2 else loss

    def update(self, w: Any, g: Any, m: Any, v: Any, steps: Any) -> tuple[Any, Any, Any]:
        """A parameter and its moments after one step."""
        r = self.recipe
        match r.optimizer:
            case "sgd":
                return w - r.learning_rate * g, m, v
            case "momentum" | "nesterov":
                m = r.momentum * m + g
                return w - r.learning_rate * (m if r.optimizer == "momentum" else g + r.momentum * m), m, v
            case "adam" | "adamw":
                m = m + (1 - r.beta1) * (g - m)
                v = v + (1 - r.beta2) * (g * g - v)
                if r.optimizer == "adamw":
                    w = w * (1 - r.learning_rate * r.weight_decay)
                m_hat = m / (1 - r.beta1**steps)
                v_hat = v / (1 - r.beta2**steps)
                return w - r.learning_rate * m_hat / (jnp.sqrt(v_hat) + r.epsilon), m, v

    def step(self, x: jax.Array, y: jax.Array, state: State, indices: Any = ...) -> State:
        """One update on the samples `indices`, by default all."""
        parameters, first, second, steps = state
        gradients = jax.grad(self.loss)(parameters, x[indices], y[indices], steps)
        steps = None if steps is None else steps + 1
        updated = [self.update(*each, steps) for each in zip_longest(parameters, gradients, first, second)]
        return (*([a for a in new if a is not None] for new in zip(*updated, strict=True)), steps)  # type: ignore[return-value]

    def scan(self, x: jax.Array, y: jax.Array, state: State, indices: jax.Array) -> State:
        """All steps of one epoch in one call; the partial batch is one more step after the scan."""
        b = self.recipe.batch_size
        whole = len(indices) - len(indices) % b
        batches = indices[:whole].reshape(-1, b)
        state, _ = jax.lax.scan(lambda s, batch: (self.step(x, y, s, batch), None), state, batches)
        return self.step(x, y, state, indices[whole:]) if whole < len(indices) else state
