"""Which cases a certificate consists of: a quick form that proves what a run needs, and the full one."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from levelfield.adapters.adapter import Precision
from levelfield.harness.certify.behaviour import conduct, nan_trains, synchronize
from levelfield.harness.certify.cases import Case
from levelfield.harness.certify.dropout import dropout, masks_per_sample, seeds_differ
from levelfield.harness.certify.idiomatic import own_loader, own_start
from levelfield.harness.certify.observe import Subject
from levelfield.harness.certify.order import batch_order
from levelfield.harness.certify.rounded import VARIANTS
from levelfield.harness.certify.sketches import (
    Epochs,
    Sketch,
    Steps,
    broad,
    drawn,
    masks,
    one_hot,
    ordered,
    own_step,
    wide,
)
from levelfield.harness.certify.trajectory import in_force, trajectory
from levelfield.harness.records.certificate import Check

Examine = Callable[[Subject, Case, Precision], list[Check]]


@dataclass(frozen=True)
class Item:
    """A case, how it is examined, at which precision, and what that proves (see `records.certificate.needs`)."""

    examine: Examine
    sketch: Sketch
    precision: Precision
    words: str = ""

    @property
    def proves(self) -> frozenset[str]:
        return frozenset(self.words.split())

    def draw(self, seed: int) -> Case:
        return drawn(self.sketch, seed, self.precision)


EXACT = Steps(1, activation="tanh", hidden=3, kind="regression", square=True, l2=2**-6)
NESTEROV = Steps(2, "nesterov", "sigmoid", square=True)
ADAMW = Steps(3, "adamw", "tanh", "regression", epsilon=2**-27)
ADAM_L2 = Steps(4, "adam", "sigmoid", l2=2**-6)
ADAM = Steps(5, "adam")
PENALTY = Steps(26, "momentum", l2=2**-6)  # of a classifier: not every framework has regression
# What the full form has more: every optimizer and activation, and the borders of the shapes
REST = (
    Steps(12, "sgd", "relu", "regression", outputs=1),
    Steps(13, "sgd", "sigmoid", outputs=2),
    Steps(14, "momentum", "tanh", hidden=5, square=True),
    Steps(15, "nesterov", "relu", "regression"),
    Steps(16, "adam", "tanh", "regression", epsilon=2**-27),
    Steps(17, "adamw", "sigmoid", l2=2**-6),
    Epochs(18, "momentum", "relu", l2=2**-6),
    Epochs(19, "adam", "tanh", "regression"),
)


def plan(subject: Subject, *, quick: bool, needs: Collection[str] | None) -> list[Item]:
    """What is examined, see `harness.records.certificate.needs` for the words.

    The `quick` form is a short list; with `needs`, only the basis and what proves the rest of them. Where each build
    compiles for seconds, its basis is as small as can be. Much is examined in float64 where the framework computes in
    it, since a tolerance is 1e-10 there. Several replicas get batches that they can share, beside those that they can
    only share unequally.
    """
    precision, replicas = subject.precision, subject.replicas
    best: Precision = "float64" if subject.precise else precision
    basis, special = _basis(precision, replicas), _special(best, precision, replicas)
    long = wide(6, 384, 256) if subject.device.startswith("cpu") else wide(6, 4096, 4096)
    wait = Item(synchronize, long, precision)
    exact = Item(trajectory, EXACT, best, "tanh regression")
    if not quick:
        return [*basis, wait, exact, *special, *_rest(best, precision, replicas)]
    if subject.dear:
        special.insert(0, exact)
    else:
        basis += [wait, exact]
    if needs is None:
        return basis + special
    proven = frozenset[str]().union(*(item.proves for item in basis))
    return basis + [item for item in special if item.proves & set(needs) - proven]


def _basis(precision: Precision, replicas: int) -> list[Item]:
    """What every certificate has."""
    batch = 2 * replicas if 8 % replicas else 8  # that can be shared equally
    behaves = Item(conduct, Steps(7, "momentum", batch=batch), precision, "momentum relu")
    if precision in VARIANTS:
        order = Item(trajectory, ordered(8, replicas), precision, "sgd")
        return [behaves, order, Item(in_force, broad(9), precision)]
    return [behaves, Item(batch_order, one_hot(8, replicas), precision, "sgd")]


def _special(best: Precision, precision: Precision, replicas: int) -> list[Item]:
    """What proves one thing or two. One sample cannot be split, and the idiomatic track has one device."""
    found = [
        Item(trajectory, NESTEROV, best, "nesterov sigmoid"),
        Item(trajectory, ADAMW, best, "adamw"),
        Item(trajectory, ADAM_L2, best, "adam"),
        Item(trajectory, ADAM, precision, "adam"),
        Item(trajectory, PENALTY, best, "L2"),
    ]
    # One compiler was seen to go wrong here alone, on a batch of more than one sample
    per_sample = Item(masks_per_sample, masks(21, 0.5, hidden=1, batch=max(2, replicas)), precision, "dropout")
    if replicas > 1:
        uneven = [Epochs(10 + i, "sgd", "tanh", batch=2 * replicas, rest=n) for i, n in enumerate((1, replicas + 1))]
        return [*found, per_sample, *(Item(trajectory, sketch, best, "uneven") for sketch in uneven)]
    return [
        *found,
        Item(dropout, masks(20), precision, "dropout"),
        per_sample,
        Item(own_start, own_step(22), "float64" if best == "float64" else "float32", "idiomatic"),
        Item(own_loader, one_hot(8, track="idiomatic"), "float32", "idiomatic"),
    ]


def _rest(best: Precision, precision: Precision, replicas: int) -> list[Item]:
    found = [Item(dropout, masks(20), best)] * (replicas == 1)
    found += [
        Item(seeds_differ, masks(23, 0.5, hidden=1, batch=replicas), precision),
        Item(nan_trains, Steps(24, activation="tanh"), precision),
    ]
    for one in dict.fromkeys((precision, best)):
        no_hidden_layer = Steps(25, hidden=0, batch=replicas)
        found += [Item(trajectory, sketch, one) for sketch in (no_hidden_layer, *REST)]
    return found
