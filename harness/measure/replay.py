"""A training that replays a published one: it starts as that did, and tells the losses that it told."""

from __future__ import annotations

import numpy as np

from levelfield.adapters.adapter import Adapter, Setting
from levelfield.harness.measure.learning import Learning, LearningWatch, evaluate
from levelfield.tasks import score
from levelfield.tasks.mlp import Layer
from levelfield.tasks.replay import Convergence, Draws, StepOrder
from levelfield.tasks.task import Task


def initial_weights(setting: Setting) -> list[Layer]:
    """The seed's own, or those of the program that is replayed."""
    if setting.replays is None:
        return setting.model.initial_weights(setting.seed)
    return Draws(setting.model, setting.seed).layers


class ReplayWatch(LearningWatch):
    """Sees the weights before each step, since to the adapter each batch is an epoch (see `tasks.replay.StepOrder`).

    `losses`: of each whole epoch, computed from the adapter's own logits and weights.
    """

    def __init__(self, model: Adapter, task: Task, setting: Setting, order: StepOrder, how: Learning) -> None:
        super().__init__(model, task, setting.recipe.epochs, how)
        self.order, self.l2 = order, setting.model.l2
        self.losses: list[float] = []
        self.converged = Convergence()
        self.sum = self.weighed(0)

    def weighed(self, step: int) -> float:
        """The loss of the batch of a step as weights are now, times its samples.

        The penalty is as large for the sum of a whole batch and of a smaller last one: MLPClassifier divides it by the
        samples of each.
        """
        rows = self.order.epoch(step)
        logits = self.model.predict(self.task.train.x[rows])
        squares = sum(float(np.square(kernel).sum()) for kernel, _ in self.model.get_weights()) if self.l2 else 0.0
        loss = score.loss(logits, self.task.train.y[rows], self.task.kind)
        return loss * len(rows) + self.l2 * self.order.batch_size * squares

    def epoch_end(self, step: int) -> bool:
        self.calls.epoch_end(step)
        self.model.synchronize()
        done, within = divmod(step + 1, self.order.steps_of_pass)
        if within == 0:
            self.losses.append(self.sum / self.order.samples)
            self.sum = 0.0
            ends = self.converged.reached(self.losses[-1]) or not np.isfinite(self.losses[-1])
            if ends or done % self.every == 0 or done == self.last:
                self.epochs.append(evaluate(self.model.predict, self.task, done))
            self.calls.goes_on = not ends
        if self.calls.goes_on and step + 1 < self.order.epochs:
            self.sum += self.weighed(step + 1)
        return self.calls.goes_on
