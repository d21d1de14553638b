"""The work that all tools measure: an epoch of `numpy-manual` on digits, as the doctor's launches make it.

The samplers get it by environment variables: VERSUS_DATA is the task as ``.npz``, VERSUS_DELAY the seconds that are
busily waited for in every step.
"""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path

from levelfield.adapters.adapter import Setting
from levelfield.adapters.numpy.manual import NumpyManual
from levelfield.harness.measure import delay
from levelfield.tasks.mlp import MLP
from levelfield.tasks.recipe import BatchOrder, Recipe
from levelfield.tasks.task import Task

RECIPE = Recipe("momentum", learning_rate=0.01, batch_size=32, epochs=10)


class Work:
    """A network that trains on, epoch after epoch."""

    def __init__(self, data: Path, seconds: float) -> None:
        self.train = Task.load(data).train
        setting = Setting(MLP((64, 128, 10)), RECIPE, mode="eager")
        self.model = NumpyManual(setting)
        self.model.update = delay.lengthened(self.model.update, seconds)
        self.model.set_weights(setting.model.initial_weights(0))
        self.order = BatchOrder(len(self.train.x), RECIPE.batch_size, 0, 0, partial=False)
        self.epochs = count()

    def epoch(self) -> None:
        """The inner loop of the adapter's `fit`."""
        indices = self.order.epoch(next(self.epochs))
        x, y = self.train.x[indices], self.train.y[indices]
        for batch in self.order.slices():
            self.model.update(self.model.gradients(x[batch], y[batch]))


def from_environment() -> Work:
    return Work(Path(os.environ["VERSUS_DATA"]), float(os.environ["VERSUS_DELAY"]))
