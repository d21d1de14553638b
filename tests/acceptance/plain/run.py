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
from itertools import pairwise
from time import perf_counter

import numpy as np

from levelfield.adapters.registry import find
from levelfield.tasks import digits
from levelfield.tasks.mlp import MLP
from levelfield.tasks.recipe import BatchOrder

WIDTHS, BATCH = (64, 128, 10), 32


class Epochs(Iterator[np.ndarray]):
    """The order of the samples of each epoch, whole batches only, while another is wanted.

    `epochs` of them, or as many as make `seconds` of steady ones, three at least. `wait` is called between two epochs;
    the seconds that it answers are in neither.
    """

    def __init__(self, samples: int, seed: int, seconds: float, epochs: int | None, wait: Callable[[], float]) -> None:
        self.order = BatchOrder(samples, BATCH, epochs=0, seed=seed, partial=False)
        self.seconds, self.epochs, self.wait = seconds, epochs, wait
        self.marks: list[float] = []
        self.waited: list[float] = []
        self.waited_in_all = 0.0

    def __next__(self) -> np.ndarray:
        self.marks.append(perf_counter())
        done = len(self.marks) - 1
        if self.epochs is not None:
            goes_on = done < self.epochs
        else:
            goes_on = done < 4 or self.marks[-1] - self.marks[1] - self.waited_in_all < self.seconds
        self.waited.append(self.wait() if done else 0.0)
        self.waited_in_all += self.waited[-1]
        if not goes_on:
            raise StopIteration
        return self.order.epoch(done)

    @property
    def steady(self) -> list[float]:
        """Seconds of every epoch but the first."""
        return [b - a - wait for (a, b), wait in zip(pairwise(self.marks[1:]), self.waited[1:], strict=False)]


def main(words: Sequence[str], wait: Callable[[], float] = lambda: 0.0) -> None:
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
    epochs = Epochs(len(data.x), options.seed, options.seconds, options.epochs, wait)
    mode = {"mode": options.mode or info.modes[0]} if "mode" in inspect.signature(script.train).parameters else {}
    w1, b1, w2, b2 = map(np.asarray, script.train(data.x, data.y, weights, epochs, **mode))
    for epoch, seconds in enumerate(epochs.steady, 1):
        print(json.dumps({"epoch": epoch, "seconds": seconds}))
    z = np.maximum(data.x @ w1 + b1, 0) @ w2 + b2
    z -= z.max(axis=1, keepdims=True)
    losses = np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(z)), data.y]
    print(json.dumps({"loss": float(losses.mean())}))


if __name__ == "__main__":
    main(sys.argv[1:])
