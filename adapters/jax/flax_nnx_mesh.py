"""flax-nnx on several devices: the same step, with the samples of a batch divided among them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx

from levelfield import BatchOrder, Setting, Split, Watch
from levelfield.adapters.jax.flax_nnx import FlaxNNX
from levelfield.adapters.jax.mesh import Replicas, product


class Dense(nnx.Linear):
    """In lower precision its gradients are summed in float32, those of all devices too."""

    def __call__(self, x: jax.Array) -> jax.Array:
        if self.dtype is None:
            return super().__call__(x)
        y = product(x, self.kernel[...])
        return y + jnp.broadcast_to(self.bias[...], y.shape).astype(self.dtype)


class FlaxMesh(FlaxNNX):
    dense = Dense

    def __init__(self, setting: Setting) -> None:
        self.replicas = Replicas(setting)  # before the first array
        super().__init__(setting)
        self.place = self.replicas.place
        self.criterion = self.replicas.watched(self.criterion)

    def fit(self, train: Split, order: BatchOrder | None, watch: Watch) -> None:
        state = nnx.state((self.network, self.optimizer))
        nnx.update((self.network, self.optimizer), self.replicas.everywhere(state))
        super().fit(train, order, watch)

    def placement(self) -> dict[str, int]:
        return self.replicas.found

    def step(self, network: nnx.Module, optimizer: nnx.Optimizer, x: jax.Array, y: jax.Array, i: jax.Array) -> None:
        super().step(network, optimizer, x, y, self.replicas.split(i))
