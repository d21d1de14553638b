"""What another program draws, so that the figures that it published can be replayed by every adapter.

``scikit-learn``: initial weights, orders and the end of training as `MLPClassifier(random_state=seed)` has them in
`fit`, with ``batch_size="auto"``. It draws kernel and bias of each layer in turn, both uniform on
±√(6/(inputs + outputs)), with sigmoid ±√(2/(inputs + outputs)); before each epoch it shuffles the last one's order.
Its loss is the mean over an epoch of each batch's loss before the update, penalty included; training ends when
that was not better by `TOLERANCE` for more than `PATIENCE` epochs in a row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import Literal

import numpy as np

from levelfield.tasks.mlp import MLP, Layer
from levelfield.tasks.recipe import BatchOrder, Recipe

Replay = Literal["scikit-learn"]
TOLERANCE, PATIENCE = 1e-4, 10  # its tol and n_iter_no_change, where nobody says otherwise


class Draws:
    """Of one seed, in the order in which they are drawn."""

    def __init__(self, network: MLP, seed: int) -> None:
        self.random = np.random.RandomState(seed)
        self.layers: list[Layer] = []  # float64
        for n, m in network.shapes:
            bound = np.sqrt((2.0 if network.activation == "sigmoid" else 6.0) / (n + m))
            kernel = self.random.uniform(-bound, bound, (n, m))
            self.layers.append(Layer(kernel, self.random.uniform(-bound, bound, m)))
        self.orders: list[np.ndarray] = []

    def order(self, epoch: int, samples: int) -> np.ndarray:
        """Of all samples in one epoch."""
        while len(self.orders) <= epoch:
            moved = np.arange(samples)
            self.random.shuffle(moved)
            self.orders.append(self.orders[-1][moved] if self.orders else moved)
        return self.orders[epoch]


@dataclass(frozen=True)
class StepOrder(BatchOrder):
    """Each batch is an epoch of its own, so that the watch sees the weights before each step: `epochs` counts steps.

    The last batch of every `steps_of_pass` may be smaller, so that the epochs of this order are of two lengths.
    """

    draws: Draws = field(kw_only=True)

    @property
    def samples_per_epoch(self) -> int:
        return min(self.batch_size, self.samples)

    @property
    def steps_of_pass(self) -> int:
        """Batches in which all samples are seen once."""
        return -(-self.samples // self.batch_size)

    def epoch(self, epoch: int) -> np.ndarray:
        passed, step = divmod(epoch, self.steps_of_pass)
        first = step * self.batch_size
        return self.draws.order(passed, self.samples)[first : first + self.batch_size]


def step_order(network: MLP, recipe: Recipe, samples: int, seed: int) -> StepOrder:
    """All steps of a recipe; of its batches none is larger than all samples, as with ``batch_size="auto"``."""
    size = min(recipe.batch_size, samples)
    steps = recipe.epochs * -(-samples // size)
    return StepOrder(samples, size, steps, seed, draws=Draws(network, seed))


class Convergence:
    """Tells from the losses of one epoch after another when training ends."""

    def __init__(self) -> None:
        self.best, self.worse = inf, 0

    def reached(self, loss: float) -> bool:
        self.worse = self.worse + 1 if loss > self.best - TOLERANCE else 0
        self.best = min(self.best, loss)
        return self.worse > PATIENCE
