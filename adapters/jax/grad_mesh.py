"""jax-grad on several devices, or ranks: the same step, with the samples of a batch divided among them."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from levelfield import BatchOrder, Setting, Split, Watch
from levelfield.adapters.jax.grad import JaxGrad, State
from levelfield.adapters.jax.mesh import Replicas, product


class GradMesh(JaxGrad):
    def __init__(self, setting: Setting) -> None:
        self.replicas = Replicas(setting)  # before the first array
        super().__init__(setting)
        self.place = self.replicas.place

    def fit(self, train: Split, order: BatchOrder | None, watch: Watch) -> None:
        self.state = self.replicas.everywhere(self.state)
        super().fit(train, order, watch)

    def predict(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.evaluate(self.replicas.here(self.state[0]), jnp.asarray(x, self.dtype)))

    def placement(self) -> dict[str, int]:
        return self.replicas.found

    def product(self, a: jax.Array, b: jax.Array) -> jax.Array:
        return product(a, b).astype(a.dtype) if self.mixed else a @ b

    def criterion(self, z: jax.Array, y: jax.Array) -> jax.Array:
        return super().criterion(self.replicas.seen(z), y)

    def step(self, x: jax.Array, y: jax.Array, state: State, indices: Any = ...) -> State:
        return super().step(x, y, state, self.replicas.split(indices))
