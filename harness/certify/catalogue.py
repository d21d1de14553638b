"""Which cases a certificate consists of: a quick form that proves what a run needs, and the full one."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

import numpy as np

from levelfield.adapters.adapter import Precision
from levelfield.harness.certify.behaviour import conduct, nan_trains, synchronize
from levelfield.harness.certify.cases import Case, choose, followable
from levelfield.harness.certify.dropout import dropout, masks_per_sample, seeds_differ
from levelfield.harness.certify.idiomatic import own_loader, own_start
from levelfield.harness.certify.observe import Subject
from levelfield.harness.certify.order import batch_order, readable, telling
from levelfield.harness.certify.rounded import VARIANTS
from levelfield.harness.certify.trajectory import in_force, trajectory
from levelfield.harness.records.certificate import Check
from levelfield.tasks.mlp import MLP, Activation
from levelfield.tasks.recipe import Optimizer, Recipe
from levelfield.tasks.task import Kind

Examine = Callable[[Subject, Case, Precision], list[Check]]

STEPS = 10
COARSE_STEPS = 4  # in low precision, where a ReLU must keep farther from its kink
LONG, MEDIUM, SHORT = 0.5, 2**-3, 2**-7
# In low precision Adam divides by a small gradient what rounding has left of it, unless epsilon is larger
COARSE_EPSILON = 2**-4


@dataclass(frozen=True)
class Item:
    """A case that is drawn when it is needed, how it is examined, and at which precision."""

    examine: Examine
    draw: Callable[[int], Case]
    precision: Precision
    proves: frozenset[str] = frozenset()


def recipe(optimizer: Optimizer, batch: int, epochs: int, rate: float = SHORT, epsilon: float = 2**-10) -> Recipe:
    """Constants of few bits. Epsilon is large enough that where it stands and what it is show in float32 too."""
    return Recipe(optimizer, rate, 0.875, 0.875, 1 - 2**-10, epsilon, 2**-6, batch, epochs)


@lru_cache
def steps(
    seed: int,
    *,
    optimizer: Optimizer = "sgd",
    activation: Activation = "relu",
    hidden: int = 1,
    kind: Kind = "classification",
    square: bool = False,
    l2: float = 0.0,
    outputs: int | None = None,
    epsilon: float = 2**-10,
    batch: int = 8,
    precision: Precision = "float32",
) -> Case:
    """Ten epochs of one step, each on other samples, so that the weights after every step can be read.

    Without Adam the steps are long: a step of float32 weights then shows many digits of the gradient.
    """

    coarse = precision != "float32"
    if coarse:
        epsilon = max(epsilon, COARSE_EPSILON)

    def draw(rng: np.random.Generator) -> Case:
        width = int(rng.integers(4, 7))
        widths = [width if square else int(rng.integers(3, 8)) for _ in range(hidden + 1)]
        widths.append(outputs or (width if square else int(rng.integers(3, 6))))
        rate = {"sgd": LONG, "momentum": MEDIUM, "nesterov": MEDIUM}.get(optimizer, SHORT)
        return Case(
            title=f"{optimizer}, {activation if hidden else 'no hidden layer'}, {kind}{', L2' if l2 else ''}",
            kind=kind,
            model=MLP(tuple(widths), activation=activation, l2=l2),
            recipe=recipe(optimizer, batch, COARSE_STEPS if coarse else STEPS, rate, epsilon),
            samples=batch + 5,
            partial=False,
            seed=int(rng.integers(2**31)),
        )

    words = (optimizer, activation, hidden, kind, square, l2, outputs, epsilon, batch)
    return choose(draw, seed, zlib.crc32(repr(words).encode()), good=partial(followable, precision=precision))


@lru_cache
def epochs(
    seed: int,
    *,
    optimizer: Optimizer,
    activation: Activation,
    kind: Kind = "classification",
    l2: float = 0.0,
    precision: Precision = "float32",
    batch: int = 4,
    rest: int = 2,
) -> Case:
    """Three epochs of four steps, the last of them on a partial batch of `rest` samples."""

    def draw(rng: np.random.Generator) -> Case:
        widths = tuple(int(rng.integers(3, 7)) for _ in range(3))
        return Case(
            title=f"{optimizer}, {activation}, {kind}{', L2' if l2 else ''}, three epochs",
            kind=kind,
            model=MLP(widths, activation=activation, l2=l2),
            recipe=recipe(optimizer, batch, 3, epsilon=2**-10 if precision == "float32" else COARSE_EPSILON),
            samples=3 * batch + rest,
            partial=True,
            seed=int(rng.integers(2**31)),
        )

    words = (optimizer, activation, kind, l2, *([] if (batch, rest) == (4, 2) else [batch, rest]))
    return choose(draw, seed, zlib.crc32(repr(words).encode()), good=partial(followable, precision=precision))


@lru_cache
def ordered(seed: int, precision: Precision, *, replicas: int = 1) -> Case:
    """For the order in low precision: long steps of single samples, so that an early one shows in all later ones."""

    def draw(rng: np.random.Generator) -> Case:
        return Case(
            title="sgd, no hidden layer, long steps",
            kind="classification",
            model=MLP((4, 3)),
            recipe=recipe("sgd", 2 * replicas, 3, 2.0),
            samples=5 * replicas,
            partial=True,
            seed=int(rng.integers(2**31)),
        )

    return choose(draw, seed, 7, good=partial(telling, precision=precision))


def broad(seed: int) -> Case:
    """For the precision in force: products of a size that every unit for low precision takes."""
    model = MLP((64, 128, 128, 8), activation="tanh")
    return Case("broad", "classification", model, recipe("sgd", 64, 1, LONG), 64, False, seed)


@lru_cache
def one_hot(seed: int, *, replicas: int = 1) -> Case:
    """For the order: 19 steps an epoch, more than the 16 that some modes run in one call, the last one partial.

    Each batch, the last one too, can be split over the replicas.
    """

    def draw(rng: np.random.Generator) -> Case:
        return Case(
            title="unit vectors, sgd, no hidden layer",
            kind="classification",
            model=MLP((37 * replicas, 3)),
            recipe=recipe("sgd", 2 * replicas, 3, 1.0),
            samples=37 * replicas,
            partial=True,
            seed=int(rng.integers(2**31)),
            one_hot=True,
        )

    return choose(draw, seed, good=readable)


def masks(seed: int, *, rate: float = 0.25, hidden: int = 2, batch: int = 1) -> Case:
    """For dropout: hidden layers of one width, six steps on the same batch."""
    rng = np.random.default_rng([seed, hidden, batch])
    model = MLP((6, *[48] * hidden, 3), activation="sigmoid", dropout=rate)
    title = f"dropout {rate}, sgd, sigmoid, classification"
    return Case(title, "classification", model, recipe("sgd", batch, 6, 2**-5), batch, True, int(rng.integers(2**31)))


def own_step(seed: int) -> Case:
    """For the idiomatic track: fewer samples than a batch holds, so that an epoch is one step on all of them."""
    rng = np.random.default_rng([seed, 7])
    model, title = MLP((6, 5, 3), activation="tanh"), "own weights, sgd, tanh, classification"
    return Case(
        title, "classification", model, recipe("sgd", 16, 1, LONG), 8, True, int(rng.integers(2**31)), track="idiomatic"
    )


def own_order(seed: int) -> Case:
    """For the idiomatic track: as `one_hot`, from whichever weights the framework has."""
    return replace(one_hot(seed), title="own loader, unit vectors, sgd, no hidden layer", track="idiomatic")


def wide(seed: int, *, width: int, batch: int) -> Case:
    """For synchronize: an epoch is four calls of far more arithmetic than it takes to queue them."""
    model = MLP((64, width, width, 3))
    return Case("long epochs", "classification", model, recipe("sgd", batch, 4), 4 * batch, True, seed)


def item(examine: Examine, draw: Callable[..., Case], precision: Precision, proves: str = "", **how: Any) -> Item:
    if draw in (steps, epochs, ordered) and precision in VARIANTS:
        how["precision"] = precision
    return Item(examine, partial(draw, **how), precision, frozenset(proves.split()))


def plan(
    *,
    quick: bool,
    needs: Collection[str] | None,
    dear: bool,
    precise: bool,
    device: str = "cpu",
    precision: Precision = "float32",
    replicas: int = 1,
) -> list[Item]:
    """What is examined, see `harness.records.certificate.needs` for the words.

    quick    a short list; with `needs`, only the basis and what proves the rest of them
    dear     each build compiles for seconds: the basis of the quick form is as small as can be
    precise  the framework computes in float64 too; much is then examined there, where a tolerance is 1e-10
    replicas are several: batches that they can share, beside those that they can only share unequally
    """
    best: Precision = "float64" if precise else precision
    size: dict[str, Any] = {"width": 384, "batch": 256} if device.startswith("cpu") else {"width": 4096, "batch": 4096}
    several = {"replicas": replicas} if replicas > 1 else {}
    whole = {"batch": 2 * replicas} if 8 % replicas else {}  # that can be shared equally
    basis = [item(conduct, steps, precision, "momentum relu", optimizer="momentum", **whole)]
    if precision in VARIANTS:
        basis += [item(trajectory, ordered, precision, "sgd", **several), item(in_force, broad, precision)]
    else:
        basis += [item(batch_order, one_hot, precision, "sgd", **several)]
    wait = item(synchronize, wide, precision, **size)
    deep: dict[str, Any] = {"activation": "tanh", "hidden": 3, "kind": "regression", "square": True, "l2": 2**-6}
    exact = item(trajectory, steps, best, "tanh L2 regression", **deep)
    special = [
        item(trajectory, steps, best, "nesterov sigmoid", optimizer="nesterov", activation="sigmoid", square=True),
        item(trajectory, steps, best, "adamw", optimizer="adamw", activation="tanh", kind="regression", epsilon=2**-27),
        item(trajectory, steps, best, "adam", optimizer="adam", activation="sigmoid", l2=2**-6),
        item(trajectory, steps, precision, "adam", optimizer="adam"),
        item(dropout, masks, precision, "dropout"),
        # One compiler was seen to go wrong here alone, on a batch of more than one sample
        item(masks_per_sample, masks, precision, "dropout", rate=0.5, hidden=1, batch=max(2, replicas)),
        item(own_start, own_step, "float64" if precise else "float32", "idiomatic"),
        item(own_loader, own_order, "float32", "idiomatic"),
    ]
    if replicas > 1:  # one sample cannot be split, and the idiomatic track has one device
        special = [i for i in special if i.examine not in (dropout, own_start, own_loader)]
        special += [
            item(trajectory, epochs, best, "uneven", optimizer="sgd", activation="tanh", batch=2 * replicas, rest=rest)
            for rest in (1, replicas + 1)
        ]
    if not quick:
        return [*basis, wait, exact, *special, *_rest(best, precision, replicas)]
    if dear:
        special.insert(0, exact)
    else:
        basis += [wait, exact]
    if needs is None:
        return basis + special
    proven = frozenset[str]().union(*(i.proves for i in basis))
    return basis + [i for i in special if i.proves & set(needs) - proven]


def _rest(best: Precision, low: Precision, replicas: int) -> list[Item]:
    """What the full form has more: every optimizer and activation in each precision, and the borders of the shapes."""
    found = [item(dropout, masks, best)] * (replicas == 1)
    found += [
        item(seeds_differ, masks, low, rate=0.5, hidden=1, batch=replicas),
        item(nan_trains, steps, low, activation="tanh"),
    ]
    for precision in dict.fromkeys((low, best)):
        found += [
            item(trajectory, steps, precision, hidden=0, batch=replicas),
            item(trajectory, steps, precision, kind="regression", outputs=1),
            item(trajectory, steps, precision, activation="sigmoid", outputs=2),
            item(trajectory, steps, precision, optimizer="momentum", activation="tanh", hidden=5, square=True),
            item(trajectory, steps, precision, optimizer="nesterov", kind="regression"),
            item(trajectory, steps, precision, optimizer="adam", activation="tanh", kind="regression", epsilon=2**-27),
            item(trajectory, steps, precision, optimizer="adamw", activation="sigmoid", l2=2**-6),
            item(trajectory, epochs, precision, optimizer="momentum", activation="relu", l2=2**-6),
            item(trajectory, epochs, precision, optimizer="adam", activation="tanh", kind="regression"),
        ]
    return found
