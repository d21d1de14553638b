"""Which cases a certificate consists of: the quick form, the full one, and the short one for dear compilers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from adapters.adapter import Precision
from harness.certify.behaviour import conduct, nan_trains, synchronize
from harness.certify.cases import Case, choose
from harness.certify.certificate import Check
from harness.certify.dropout import dropout
from harness.certify.observe import Subject
from harness.certify.order import batch_order, readable
from harness.certify.trajectory import trajectory
from tasks.mlp import MLP, Activation
from tasks.recipe import Optimizer, Recipe
from tasks.task import Kind

Examine = Callable[[Subject, Case, Precision], list[Check]]

STEPS = 10


@dataclass(frozen=True)
class Item:
    """A case, how it is examined, and whether in the precision of float64 where the framework has it."""

    examine: Examine
    case: Case
    precision: Precision


def recipe(optimizer: Optimizer, batch: int, epochs: int, rate: float = 2**-7, epsilon: float = 2**-10) -> Recipe:
    """Constants of few bits. SGD steps are long, so that a step of float32 weights shows the gradient's digits."""
    return Recipe(optimizer, rate, 0.875, 0.875, 1 - 2**-10, epsilon, 2**-6, batch, epochs)


def steps(
    optimizer: Optimizer,
    activation: Activation,
    *,
    hidden: int = 1,
    kind: Kind = "classification",
    square: bool = False,
    l2: float = 0.0,
    outputs: int | None = None,
    epsilon: float = 2**-10,
    batch: int = 8,
    seed: int = 0,
) -> Case:
    """Ten epochs of one step, each on another part of the samples: weights after every step can be read."""

    def draw(rng: np.random.Generator) -> Case:
        width = int(rng.integers(4, 7))
        widths = [width if square else int(rng.integers(3, 8)) for _ in range(hidden + 1)]
        widths.append(outputs or (width if square else int(rng.integers(3, 6))))
        title = f"{optimizer}, {activation if hidden else 'no hidden layer'}, {kind}{', L2' if l2 else ''}"
        rate = {"sgd": 0.5, "momentum": 2**-3, "nesterov": 2**-3}.get(optimizer, 2**-7)
        return Case(
            title,
            kind,
            MLP(tuple(widths), activation, 0.0, l2),
            recipe(optimizer, batch, STEPS, rate, epsilon),
            samples=batch + 5,
            partial=False,
            seed=int(rng.integers(2**31)),
        )

    return choose(draw, seed, hidden, len(activation), len(optimizer), bool(l2), len(kind), batch)


def epochs(
    optimizer: Optimizer, activation: Activation, *, kind: Kind = "classification", l2: float = 0.0, seed: int = 0
) -> Case:
    """Three epochs of four steps, the last of them partial."""

    def draw(rng: np.random.Generator) -> Case:
        widths = tuple(int(rng.integers(3, 8)) for _ in range(3))
        title = f"{optimizer}, {activation}, {kind}{', L2' if l2 else ''}, three epochs"
        model = MLP(widths, activation, 0.0, l2)
        return Case(title, kind, model, recipe(optimizer, 4, 3), 14, True, int(rng.integers(2**31)))

    return choose(draw, seed, 11, len(activation), len(optimizer))


def one_hot(seed: int = 0) -> Case:
    """For the order: 19 steps an epoch, more than the 16 that some modes run in one call, the last one partial."""

    def draw(rng: np.random.Generator) -> Case:
        model = MLP((37, 3), "tanh")
        seed = int(rng.integers(2**31))
        return Case("order, unit vectors", "classification", model, recipe("sgd", 2, 3, 1.0), 37, True, seed, True)

    return choose(draw, seed, 12, good=readable)


def masks(seed: int = 0, rate: float = 0.25) -> Case:
    """For dropout: two hidden layers of one width, six steps on one sample."""
    rng = np.random.default_rng([seed, 13])
    model = MLP((6, 48, 48, 3), "sigmoid", rate)
    return Case(
        f"dropout {rate}", "classification", model, recipe("sgd", 1, 6, 2**-5), 1, True, int(rng.integers(2**31))
    )


def wide(seed: int = 0) -> Case:
    """For synchronize: an epoch of some gigaflops in few calls, far more work than dispatch."""
    model = MLP((64, 384, 384, 3), "relu")
    return Case("long epochs", "classification", model, recipe("sgd", 256, 4, 2**-7), 1024, True, seed)


def plan(*, quick: bool, dear: bool, precise: bool, seed: int) -> list[Item]:
    """What is examined. `dear`: each build compiles for seconds; `precise`: the framework computes in float64."""
    best: Precision = "float64" if precise else "float32"
    short: list[Item] = [
        Item(conduct, steps("momentum", "tanh", seed=seed), "float32"),
        Item(batch_order, one_hot(seed), "float32"),
        Item(dropout, masks(seed), "float32"),
        Item(synchronize, wide(seed), "float32"),
        Item(trajectory, steps("adam", "relu", seed=seed), "float32"),
        Item(trajectory, steps("sgd", "tanh", hidden=3, kind="regression", square=True, l2=2**-6, seed=seed), best),
        Item(trajectory, steps("nesterov", "sigmoid", square=True, seed=seed), best),
        Item(trajectory, steps("adam", "sigmoid", l2=2**-6, seed=seed), best),
        Item(trajectory, steps("adamw", "tanh", kind="regression", epsilon=2**-27, seed=seed), best),
    ]
    return short


__all__ = ["Item", "nan_trains", "plan", "replace"]
