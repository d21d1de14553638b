"""What every plain script starts from: the data, initial weights and batch order that the adapters are given.

Nothing here runs inside the clock but `batch_order`, which is the adapters' too, and `goes_on` between two epochs.
`make acceptance` sets `wait`, so that a script and a launch of the harness take turns.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from levelfield.tasks import digits
from levelfield.tasks.mlp import MLP
from levelfield.tasks.recipe import BatchOrder

WIDTHS = (64, 128, 10)
BATCH = 32
MOMENTUM = 0.9

_work = argparse.ArgumentParser(add_help=False, allow_abbrev=False)  # scripts import RATE: it cannot wait for `begin`
_work.add_argument("--rate", type=float, default=0.01, help="of learning; 0.01 unless given, as the doctor's launches")
_work.add_argument("--seed", type=int, default=0, help="of initial weights and batches; 0 unless given")
_asked = _work.parse_known_args()[0]
RATE, SEED = _asked.rate, _asked.seed

_train = digits.load().train
_order = BatchOrder(len(_train.x), BATCH, epochs=0, seed=SEED, partial=False)
STEPS = _order.steps

wait: Callable[[], float] | None = None  # called between two epochs; the seconds that it took are in neither
_waited: dict[int, float] = {}  # by the epoch that followed


def begin(*modes: str) -> tuple[str, Callable[[list[float]], bool]]:
    """The mode to train in (the first by default), and ``goes_on(marks)``: whether another epoch is wanted.

    `marks` holds the clock at the start and after every epoch.
    """
    about = "Train on digits and print the time of every steady epoch."
    parser = argparse.ArgumentParser(description=about, parents=[_work])
    parser.add_argument("mode", nargs="?", choices=modes, default=modes[0])
    parser.add_argument("--seconds", type=float, default=1.0, help="of steady epochs, three at least")
    parser.add_argument("--epochs", type=int, help="exactly so many instead")
    options = parser.parse_args()

    def goes_on(marks: list[float]) -> bool:
        if wait is not None and len(marks) > 1:
            _waited[len(marks) - 1] = wait()
        if options.epochs is not None:
            return len(marks) <= options.epochs
        return len(marks) <= 4 or marks[-1] - marks[1] - sum(_waited.values()) < options.seconds

    return options.mode, goes_on


def training_data() -> tuple[np.ndarray, np.ndarray]:
    """Features (1257, 64) float32 and classes (1257,) int64."""
    return _train.x, _train.y


def initial_weights() -> list[np.ndarray]:
    """Kernel and bias of each layer in turn, float32."""
    return [array for layer in MLP(WIDTHS).initial_weights(seed=SEED) for array in layer]


def batch_order(epoch: int) -> np.ndarray:
    """The samples of an epoch in training order, whole batches only."""
    return _order.epoch(epoch)


def report(marks: Sequence[float], weights: Sequence[np.ndarray]) -> None:
    """One JSON line for each steady epoch, and one with the training loss of the final weights."""
    for epoch, (before, after) in enumerate(pairwise(marks[1:]), 1):
        print(json.dumps({"epoch": epoch, "seconds": after - before - _waited.get(epoch, 0.0)}))
    w1, b1, w2, b2 = (np.asarray(w, np.float64) for w in weights)
    z = np.maximum(_train.x @ w1 + b1, 0) @ w2 + b2
    z -= z.max(axis=1, keepdims=True)
    losses = np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(z)), _train.y]
    print(json.dumps({"loss": float(losses.mean())}))
