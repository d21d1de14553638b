"""Train a plain script (`adapters/*/plain_*.py`) as its adapter is trained; print the time of every steady epoch.

A script is what a user of the framework writes, and imports nothing of ours: ``train(x, y, weights, epochs)``. It is
given the adapters' data, initial weights and, by the iterator `epochs`, the order of the samples of each epoch. The
clock is read where the script asks for the next epoch, so that nothing is timed but the script and the order.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from time import perf_counter

import numpy as np

from levelfield.adapters.registry import find
from levelfield.tasks import digits
from levelfield.tasks.mlp import MLP
from levelfield.tasks.recipe import BatchOrder

WIDTHS, BATCH = (64, 128, 10), 32


class Epochs(Iterator[np.ndarray]):
    """The order of the samples of each epoch, whole batches only, as long as `goes_on`, which is asked between two
    epochs and given the seconds of all so far; what it takes is in none of them."""

    def __init__(self, samples: int, seed: int, goes_on: Callable[[list[float]], bool]) -> None:
        self.order = BatchOrder(samples, BATCH, epochs=0, seed=seed, partial=False)
        self.goes_on = goes_on
        self.seconds: list[float] = []
        self.began: float | None = None

    def __next__(self) -> np.ndarray:
        now = perf_counter()
        if self.began is not None:
            self.seconds.append(now - self.began)
        if self.seconds and not self.goes_on(self.seconds):
            raise StopIteration
        self.began = perf_counter()
        return self.order.epoch(len(self.seconds))


def so_many(epochs: int) -> Callable[[list[float]], bool]:
    return lambda seconds: len(seconds) < epochs


def so_long(least: float) -> Callable[[list[float]], bool]:
    """For so many seconds of steady epochs, three at least."""
    return lambda seconds: len(seconds) < 4 or sum(seconds[1:]) < least


def main(words: Sequence[str], goes_on: Callable[[list[float]], bool] | None = None) -> None:
    """One JSON line for each steady epoch, and one with the training loss of the final weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("adapter", help="whose script is to be run")
    parser.add_argument("mode", nargs="?", help="as its adapter's; the first of them unless given")
    parser.add_argument("--seconds", type=float, default=1.0, help="of steady epochs, three at least")
    parser.add_argument("--epochs", type=int, help="exactly so many instead")
    parser.add_argument("--rate", type=float, help="of learning; the script's own unless given")
    parser.add_argument("--seed", type=int, default=0, help="of initial weights and batches; 0 unless given")
    options = parser.parse_args(words)
    info = find().adapters[options.adapter]
    if info.plain is None:
        parser.error(f"{info.name} has no plain script")
    sys.path.append(str(info.plain.parent))  # last: it has modules of its frameworks' names
    script = importlib.import_module(info.plain.stem)
    if options.rate is not None:
        vars(sys.modules.get("plain_fit", script))["RATE"] = options.rate
    data = digits.load().train
    weights = [array for layer in MLP(WIDTHS).initial_weights(seed=options.seed) for array in layer]
    asked = so_long(options.seconds) if options.epochs is None else so_many(options.epochs)
    epochs = Epochs(len(data.x), options.seed, goes_on or asked)
    mode = {"mode": options.mode or info.modes[0]} if "mode" in inspect.signature(script.train).parameters else {}
    w1, b1, w2, b2 = map(np.asarray, script.train(data.x, data.y, weights, epochs, **mode))
    for epoch, seconds in enumerate(epochs.seconds[1:], 1):
        print(json.dumps({"epoch": epoch, "seconds": seconds}))
    z = np.maximum(data.x @ w1 + b1, 0) @ w2 + b2
    z -= z.max(axis=1, keepdims=True)
    losses = np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(z)), data.y]
    print(json.dumps({"loss": float(losses.mean())}))


if __name__ == "__main__":
    main(sys.argv[1:])
