"""The runs that timed launches are held against: the float64 reference's, and its doubles in lower precision.

A trajectory is made piece by piece, as far as there is time, and keeps the weights after the epochs that are looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from levelfield.adapters.adapter import Precision, Setting
from levelfield.adapters.numpy.manual import NumpyManual
from levelfield.harness.certify.observe import runs
from levelfield.harness.measure.looks import MOST_EPOCHS, flat
from levelfield.harness.system.clocks import clock
from levelfield.tasks import score
from levelfield.tasks.mlp import Layer
from levelfield.tasks.recipe import BatchOrder
from levelfield.tasks.task import Task

ALWAYS_KEPT = 16  # the first epochs, whether they are looked at or not: short launches end in them
MOST_SAMPLES = 1024  # that a loss is taken over
NOISY = 8  # doubles with noise
NOISE = (
    2.0**-12
)  # of a gradient at most: by itself it moves weights by 6e-5 of their way, a 16th of what is looked into


class Trajectory:
    """One training of the specification by NumPy, from the weights and in the order of a seed."""

    def __init__(
        self, setting: Setting, task: Task, make: Callable[[Setting], NumpyManual] | None = None, noise: int = 0
    ) -> None:
        """`make`: the model, in float64 where there is none; `noise`: where it is not 0, the seed of small changes of
        every gradient (NOISE)."""
        self.setting, self.task = setting, task
        dtype: Precision = "float32" if make else "float64"
        self.model = (make or NumpyManual)(replace(setting, precision=dtype, track="matched"))
        self.order = BatchOrder(len(task.train.x), setting.recipe.batch_size, MOST_EPOCHS, setting.seed, partial=False)
        self.noise = np.random.default_rng(noise) if noise else None
        self.model.set_weights(setting.model.initial_weights(setting.seed))
        self.epoch, self.finite = 0, True
        self.seconds, self.steps = 0.0, 0  # that all steps took
        self.kept = {0: self.weights()}
        self.others: dict[int, np.ndarray] = {}  # weights that launches had after epochs to which this has not come
        self._run = self._training()

    def weights(self) -> np.ndarray:
        return flat(self.model.get_weights()).astype(np.float64)

    def advance(self, until: int, keep: Container[int], seconds: float) -> bool:
        """Train to the end of epoch `until`, for at most so many seconds; whether it is there.

        `keep`: the epochs whose weights are kept.
        """
        begin = clock()
        with np.errstate(all="ignore"):
            while self.epoch < until and self.finite and clock() - begin < seconds:
                if next(self._run):
                    self.epoch += 1
                    if self.epoch <= ALWAYS_KEPT or self.epoch in keep or self.epoch == until:
                        self.kept[self.epoch] = self.weights()
                        self.finite = bool(np.isfinite(self.kept[self.epoch]).all())
        self.seconds += clock() - begin
        return self.epoch >= until and self.finite

    @property
    def epoch_seconds(self) -> float:
        """What an epoch takes; 0 before the first step."""
        return self.seconds / self.steps * self.order.steps if self.steps else 0.0

    def _training(self) -> Iterator[bool]:
        """One step each time; whether it was the last one of an epoch."""
        x, y = _arrays(self.model, self.task)
        for epoch in range(MOST_EPOCHS):
            batches = list(self.order.batches(epoch))
            for i, indices in enumerate(batches):
                gradients = self.model.gradients(x[indices], y[indices])
                if self.noise is not None:
                    gradients = [
                        (g * self.noise.uniform(1 - NOISE, 1 + NOISE, g.shape)).astype(g.dtype) for g in gradients
                    ]
                self.model.update(gradients)
                self.steps += 1
                yield i == len(batches) - 1


def doubles(setting: Setting, task: Task) -> Iterator[Trajectory]:
    """The same in the precision of the launch, in several ways: how far right runs may be from the reference.

    First as NumPy rounds, then with noise in every gradient. Frameworks round sums in other orders and have other
    exponentials, so each comes to another ReLU that is all but zero and falls to the other side; Adam makes a whole
    step of the first gradient of a unit that was dead until then. One double shows few of these places, so there
    are several.
    """
    for make in runs(setting.precision):
        yield Trajectory(setting, task, make)
    for seed in range(1, NOISY + 1):
        yield Trajectory(setting, task, runs(setting.precision)[0], seed)


def layers(weights: np.ndarray, shapes: Sequence[tuple[int, int]]) -> list[Layer]:
    """What `harness.measure.looks.flat` has made one vector of."""
    found, place = [], 0
    for n, m in shapes:
        kernel = weights[place : place + n * m].reshape(n, m)
        found.append(Layer(kernel, weights[place + n * m : place + n * m + m]))
        place += n * m + m
    return found


def loss(setting: Setting, task: Task, weights: np.ndarray) -> float:
    """Of the training split (at most MOST_SAMPLES of it), computed in float64 and without dropout."""
    x, y = task.train.x[:MOST_SAMPLES], task.train.y[:MOST_SAMPLES]
    return score.loss(logits(setting, weights, x), y, task.kind)


def logits(setting: Setting, weights: np.ndarray, x: np.ndarray) -> np.ndarray:
    """That these weights give, in float64."""
    model = NumpyManual(replace(setting, precision="float64", track="matched"))
    model.set_weights(layers(weights, setting.model.shapes))
    with np.errstate(all="ignore"):
        return model.predict(x)


def step_off(setting: Setting, task: Task, window: Sequence[np.ndarray], epoch: int) -> float | None:
    """How far the last epoch of a window is from what the specification makes of it, as a share of that epoch's way.

    `window`: the weights after three epochs, the first of them `epoch`. The velocity that the first ones begin with is
    not known; it is chosen so that the second is reached, and what is forgotten of it by then makes the answer coarse:
    right runs were seen to be off by up to 0.2. None where the optimizer has a state that cannot be told so.
    """
    recipe = setting.recipe
    if recipe.optimizer not in ("sgd", "momentum", "nesterov"):
        return None
    model = NumpyManual(replace(setting, precision="float64", track="matched"))
    order = BatchOrder(len(task.train.x), recipe.batch_size, MOST_EPOCHS, setting.seed, partial=False)
    train = partial(_epoch, model, order, *_arrays(model, task))
    shapes, k, mu = setting.model.shapes, order.steps, recipe.momentum
    first, second, third = (np.asarray(w, np.float64) for w in window)
    velocity = np.zeros_like(first)
    felt = 0.0 if recipe.optimizer == "sgd" else recipe.learning_rate * mu * (1 - mu**k) / (1 - mu)
    felt *= mu if recipe.optimizer == "nesterov" else 1
    with np.errstate(all="ignore"):
        for _ in range(1 + (2 if k < 30 else 1) * (felt > 0)):
            reached, carried = train(layers(first, shapes), layers(velocity, shapes), epoch)
            if felt:
                velocity = velocity - (second - reached) / felt
        right, _ = train(layers(second, shapes), carried, epoch + 1)
    way = float(np.linalg.norm(right - second))
    return float(np.linalg.norm(third - right)) / way if way else 0.0


def _epoch(
    model: NumpyManual,
    order: BatchOrder,
    x: np.ndarray,
    y: np.ndarray,
    before: Sequence[Layer],
    velocity: Sequence[Layer],
    epoch: int,
) -> tuple[np.ndarray, list[Layer]]:
    """The weights and the velocity after the epoch that follows `epoch` whole ones."""
    model.set_weights(before)
    for own, given in zip(model.first, (a for layer in velocity for a in layer), strict=True):
        own[...] = given
    for indices in order.batches(epoch):
        model.update(model.gradients(x[indices], y[indices]))
    moments = [a.copy() for a in model.first]
    carried = [Layer(k, b) for k, b in zip(moments[::2], moments[1::2], strict=True)]
    return flat(model.get_weights()), carried


def _arrays(model: NumpyManual, task: Task) -> tuple[np.ndarray, np.ndarray]:
    y = task.train.y if task.kind == "classification" else task.train.y.astype(model.dtype)
    return task.train.x.astype(model.dtype), y


def sgd_way(setting: Setting, task: Task, weights: np.ndarray) -> float:
    """How far, at most, one step on the first samples moves a weight, as a share of the largest weight's size."""
    model = NumpyManual(replace(setting, precision="float64", track="matched"))
    model.set_weights(layers(weights, setting.model.shapes))
    x, y = _arrays(model, task)
    size = setting.recipe.batch_size
    with np.errstate(all="ignore"):
        steps = model.gradients(x[:size], y[:size])
    largest = max(float(np.abs(weights).max(initial=0.0)), 1e-12)
    return max(float(np.abs(g).max()) for g in steps) * setting.recipe.learning_rate / largest
