"""How to train, specified once: five optimizers with one definition each, and the order of the samples.

With g the gradient of the batch loss, η the learning rate and t = 1, 2, … the step, per parameter w:

* ``sgd``       w ← w − η g
* ``momentum``  v ← μ v + g,  w ← w − η v
* ``nesterov``  v ← μ v + g,  w ← w − η (g + μ v)
* ``adam``      m ← β₁ m + (1−β₁) g,  v ← β₂ v + (1−β₂) g²,
                w ← w − η m̂ / (√v̂ + ε)  with m̂ = m / (1−β₁ᵗ), v̂ = v / (1−β₂ᵗ)      (Kingma & Ba, 2015)
* ``adamw``     adam, with w ← w − η λ w besides, from the same old w, on kernels and biases alike
                                                                      (decoupled; Loshchilov & Hutter, 2019)

All state starts at zero. An L2 penalty belongs to the loss (see `tasks.mlp`), never to the optimizer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Gt, Interval

from levelfield.tasks.early_stopping import EarlyStopping
from levelfield.tasks.numbers import Real, Whole

Optimizer = Literal["sgd", "momentum", "nesterov", "adam", "adamw"]
STATE: dict[Optimizer, int] = {"sgd": 0, "momentum": 1, "nesterov": 1, "adam": 2, "adamw": 2}  # arrays a parameter


@dataclass(frozen=True)
class Recipe:
    """How to train. Early stopping is the harness's: adapters ignore it."""

    optimizer: Optimizer = "momentum"
    learning_rate: Annotated[Real, Gt(0)] = 0.05
    momentum: Annotated[Real, Interval(ge=0, lt=1)] = 0.9
    beta1: Annotated[Real, Interval(ge=0, lt=1)] = 0.9
    beta2: Annotated[Real, Interval(ge=0, lt=1)] = 0.999
    epsilon: Annotated[Real, Gt(0)] = 1e-8
    weight_decay: Annotated[Real, Ge(0)] = 0.01
    batch_size: Annotated[Whole, Interval(ge=1, le=2**31 - 1)] = 32
    epochs: Annotated[Whole, Interval(ge=1, le=1_000_000)] = 20
    early_stopping: EarlyStopping | None = None


@dataclass(frozen=True)
class BatchOrder:
    """The sample indices of every batch of every epoch, the same for all adapters.

    `partial` keeps the smaller last batch (learning) or drops it (speed: every step has the same shape).
    """

    samples: int
    batch_size: int
    epochs: int
    seed: int
    partial: bool = True

    @property
    def samples_per_epoch(self) -> int:
        return self.samples if self.partial else self.samples - self.samples % self.batch_size

    @property
    def steps(self) -> int:
        """Steps per epoch."""
        return -(-self.samples_per_epoch // self.batch_size)

    def epoch(self, epoch: int) -> np.ndarray:
        """Indices (samples_per_epoch,) int64 in training order; each run of `batch_size` of them is a batch."""
        rng = np.random.default_rng([self.seed, 0xB47C4, epoch])
        return rng.permutation(self.samples)[: self.samples_per_epoch]

    def slices(self) -> list[slice]:
        """Where each batch lies within an epoch's indices."""
        n, b = self.samples_per_epoch, self.batch_size
        return list(map(slice, range(0, n, b), [*range(b, n, b), n]))

    def batches(self, epoch: int) -> Iterator[np.ndarray]:
        """The indices of each batch of one epoch, in order."""
        # Rows of an array, not a generator, which would cost each step too much, and not a list, which would live long
        indices = self.epoch(epoch)
        whole = len(indices) - len(indices) % self.batch_size
        rows = indices[:whole].reshape(-1, self.batch_size)
        return chain(rows, [indices[whole:]]) if whole < len(indices) else iter(rows)
