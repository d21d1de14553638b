"""Sketches of cases: what is settled beforehand. Widths and data are drawn until the case can be followed.

Frozen: a sketch, the seed of a certificate and a precision always give the same case.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial

import numpy as np

from levelfield.adapters.adapter import Precision, Track
from levelfield.harness.certify.cases import Case, choose, followable
from levelfield.harness.certify.order import readable, telling
from levelfield.harness.certify.rounded import VARIANTS
from levelfield.tasks.mlp import MLP, Activation
from levelfield.tasks.recipe import Optimizer, Recipe
from levelfield.tasks.task import Kind

STEPS = 10
COARSE_STEPS = 4  # in low precision, where a ReLU must keep farther from its kink
LONG, MEDIUM, SHORT = 0.5, 2**-3, 2**-7
RATES: dict[Optimizer, float] = {"sgd": LONG, "momentum": MEDIUM, "nesterov": MEDIUM, "adam": SHORT, "adamw": SHORT}
EPSILON = 2**-10
# In low precision Adam divides by a small gradient what rounding has left of it, unless epsilon is larger
COARSE_EPSILON = 2**-4


def recipe(optimizer: Optimizer, batch: int, epochs: int, rate: float = SHORT, epsilon: float = EPSILON) -> Recipe:
    """Constants of few bits. Epsilon is large enough that where it stands and what it is show in float32 too."""
    return Recipe(optimizer, rate, 0.875, 0.875, 1 - 2**-10, epsilon, 2**-6, batch, epochs)


def _number(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))


@dataclass(frozen=True)
class Steps:
    """Ten epochs of one step, each on other samples, so that the weights after every step can be read.

    Without Adam the steps are long: a step of float32 weights then shows many digits of the gradient.
    """

    seed: int
    optimizer: Optimizer = "sgd"
    activation: Activation = "relu"
    kind: Kind = "classification"
    hidden: int = 1
    square: bool = False  # all layers of one width
    l2: float = 0.0
    outputs: int | None = None
    epsilon: float = EPSILON
    batch: int = 8

    def draw(self, rng: np.random.Generator, precision: Precision) -> Case:
        coarse = precision != "float32"
        width = int(rng.integers(4, 7))
        widths = [width if self.square else int(rng.integers(3, 8)) for _ in range(self.hidden + 1)]
        widths.append(self.outputs or (width if self.square else int(rng.integers(3, 6))))
        activation = self.activation if self.hidden else "no hidden layer"
        epsilon = max(self.epsilon, COARSE_EPSILON) if coarse else self.epsilon
        return Case(
            title=f"{self.optimizer}, {activation}, {self.kind}{', L2' if self.l2 else ''}",
            kind=self.kind,
            model=MLP(tuple(widths), activation=self.activation, l2=self.l2),
            recipe=recipe(
                self.optimizer, self.batch, COARSE_STEPS if coarse else STEPS, RATES[self.optimizer], epsilon
            ),
            samples=self.batch + 5,
            partial=False,
            seed=_number(rng),
        )


@dataclass(frozen=True)
class Epochs:
    """Three epochs of four steps, the last of them on a partial batch of `rest` samples."""

    seed: int
    optimizer: Optimizer
    activation: Activation
    kind: Kind = "classification"
    l2: float = 0.0
    batch: int = 4
    rest: int = 2

    def draw(self, rng: np.random.Generator, precision: Precision) -> Case:
        epsilon = EPSILON if precision == "float32" else COARSE_EPSILON
        widths = tuple(int(rng.integers(3, 7)) for _ in range(3))
        return Case(
            title=f"{self.optimizer}, {self.activation}, {self.kind}{', L2' if self.l2 else ''}, three epochs",
            kind=self.kind,
            model=MLP(widths, activation=self.activation, l2=self.l2),
            recipe=recipe(self.optimizer, self.batch, 3, epsilon=epsilon),
            samples=3 * self.batch + self.rest,
            partial=True,
            seed=_number(rng),
        )


@dataclass(frozen=True)
class Settled:
    """A case of which the data alone are drawn, until it is `good`."""

    seed: int
    case: Case
    good: Callable[[Case, Precision], bool] | None = None

    def draw(self, rng: np.random.Generator, precision: Precision) -> Case:
        return replace(self.case, seed=_number(rng))


def ordered(seed: int, replicas: int = 1) -> Settled:
    """For the order in low precision: long steps of single samples, so that an early one shows in all later ones."""
    long, title = recipe("sgd", 2 * replicas, 3, 2.0), "sgd, no hidden layer, long steps"
    return Settled(seed, Case(title, "classification", MLP((4, 3)), long, 5 * replicas, True, seed=0), telling)


def one_hot(seed: int, replicas: int = 1, track: Track = "matched") -> Settled:
    """For the order: 19 steps an epoch, more than the 16 that some modes run in one call, the last one partial.

    Each batch, the last one too, can be split over the replicas. On the idiomatic track the order is the loader's own,
    and so are the weights.
    """
    title = "own loader, unit vectors" if track == "idiomatic" else "unit vectors"
    model, steps = MLP((37 * replicas, 3)), recipe("sgd", 2 * replicas, 3, 1.0)
    case = Case(f"{title}, sgd, no hidden layer", "classification", model, steps, 37 * replicas, True, seed=0)
    return Settled(seed, replace(case, one_hot=True, track=track), _readable)


def masks(seed: int, rate: float = 0.25, hidden: int = 2, batch: int = 1) -> Settled:
    """For dropout: hidden layers of one width, six steps on the same batch."""
    model = MLP((6, *[48] * hidden, 3), activation="sigmoid", dropout=rate)
    title = f"dropout {rate}, sgd, sigmoid, classification"
    return Settled(seed, Case(title, "classification", model, recipe("sgd", batch, 6, 2**-5), batch, True, seed=0))


def own_step(seed: int) -> Settled:
    """For the idiomatic track: fewer samples than a batch holds, so that an epoch is one step on all of them."""
    model, title = MLP((6, 5, 3), activation="tanh"), "own weights, sgd, tanh, classification"
    step = recipe("sgd", 16, 1, LONG)
    return Settled(seed, Case(title, "classification", model, step, 8, True, seed=0, track="idiomatic"))


def broad(seed: int) -> Settled:
    """For the precision in force: products of a size that every unit for low precision takes."""
    model, step = MLP((64, 128, 128, 8), activation="tanh"), recipe("sgd", 64, 1, LONG)
    return Settled(seed, Case("broad", "classification", model, step, 64, False, seed=0))


def wide(seed: int, width: int, batch: int) -> Settled:
    """For synchronize: an epoch is four calls of far more arithmetic than it takes to queue them."""
    model, steps = MLP((64, width, width, 3)), recipe("sgd", batch, 4)
    return Settled(seed, Case("long epochs", "classification", model, steps, 4 * batch, True, seed=0))


Sketch = Steps | Epochs | Settled  # each with a seed, which tells them apart


@lru_cache(maxsize=256)
def drawn(sketch: Sketch, seed: int = 0, precision: Precision = "float32") -> Case:
    """The first case that will do at this precision; for float64 that for float32, so that both see the same."""
    coarse: Precision = precision if precision in VARIANTS else "float32"
    good = sketch.good if isinstance(sketch, Settled) else followable
    if good is None:
        return sketch.draw(np.random.default_rng([seed, sketch.seed]), coarse)
    return choose(partial(sketch.draw, precision=coarse), seed, sketch.seed, good=lambda case: good(case, coarse))


def _readable(case: Case, precision: Precision) -> bool:
    return readable(replace(case, track="matched"))  # with weights that are known
