"""Looking at a timed launch while its clock stands still: its weights after a few drawn epochs and at the end.

Which epochs, nobody knows before: they are drawn from the launch's seed and from the run's salt, as many as the launch
is long on a logarithmic scale, and the last ones by the time that is left. All launches of a block look at the same
ones, so that one reference serves them all. What was seen is judged by `certify.timed_proof`, outside the worker.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from levelfield.adapters.adapter import Adapter
from levelfield.harness.system.clocks import Pair, clock
from levelfield.tasks.mlp import Layer

WINDOW = 3  # weights after so many epochs in a row: what came before the second of them is told by the first two
GROWTH = 1.6, 3.2  # from one look to the next, drawn between these
MOST_EPOCHS = 1 << 20
PROBES = 32  # training samples whose logits are kept: a batch for which `predict` was compiled before
ENDING = 2.5  # epochs before the expected end from which on all are looked at, at most MOST_ENDING of them
MOST_ENDING = 8


def drawn(seed: int, salt: int) -> list[tuple[int, int]]:
    """(first, last) epochs, counted from 1, of every look of a launch of any length.

    The first two are single epochs that every launch reaches; the others are windows.
    """
    rng = np.random.default_rng([seed, salt, 0x100C])
    first, second = int(rng.integers(1, 3)), int(rng.integers(3, 5))
    found = [(first, first), (second, second)]
    while (last := found[-1][1]) < MOST_EPOCHS:
        begin = max(last + 1, int(last * rng.uniform(*GROWTH)))
        found.append((begin, begin + WINDOW - 1))
    return found


def flat(layers: Sequence[Layer]) -> np.ndarray:
    """All parameters in one vector, of their own type."""
    return np.concatenate([np.asarray(array).ravel() for layer in layers for array in layer])


def probes(x: np.ndarray) -> np.ndarray:
    """The samples whose logits are kept."""
    return np.resize(x, (PROBES, x.shape[1]))


@dataclass(frozen=True)
class Seen:
    """What was seen of one launch; times in seconds.

    `weights` (looks, parameters) after `epochs` (looks,), the last of them at the end; `final`: when `fit` had
    returned, `again`: after `predict` had been called; `logits` (PROBES, outputs) of the first training samples,
    repeated where there are fewer. `waited` (looks,): how much longer the weights took to read right after
    `synchronize` than once more; `since`: timed seconds since the look before. `told`, `least`,
    `most`: as `harness.system.clocks.Pair` has them.
    """

    epochs: np.ndarray
    weights: np.ndarray
    waited: np.ndarray
    since: np.ndarray
    final: np.ndarray
    again: np.ndarray
    logits: np.ndarray
    told: np.ndarray
    least: np.ndarray
    most: np.ndarray

    def save(self, path: Path) -> None:
        np.savez(path, **vars(self))

    @classmethod
    def load(cls, path: Path) -> Seen:
        with np.load(path, allow_pickle=False) as data:
            return cls(**{name: data[name] for name in data.files})


class Looks:
    """Takes the weights of a model after the epochs that are drawn; every call lies outside the launch's clock."""

    def __init__(self, model: Adapter, seed: int, salt: int) -> None:
        self.model = model
        self.seconds = 0.0  # spent
        self.epochs: list[int] = []
        self.weights: list[np.ndarray] = []
        self.waited: list[float] = []
        self.since: list[float] = []
        self._timed = 0.0
        self._ending = 0
        self._drawn: Iterator[tuple[int, int]] = iter(drawn(seed, salt))
        self._next = next(self._drawn)

    def after(self, epoch: int, took: float, left: float) -> None:
        """An epoch, counted from 1, has ended after `took` seconds, about `left` before the last one's end."""
        self._timed += took
        due = self._next[0] <= epoch <= self._next[1]
        if epoch >= self._next[1]:
            self._next = next(self._drawn, (MOST_EPOCHS + 1, MOST_EPOCHS + 1))
        if not due and left < ENDING * took and self._ending < MOST_ENDING:
            self._ending += 1
            due = True
        if due:
            self._look(epoch)

    def _look(self, epoch: int) -> None:
        begin = clock()
        weights = self.model.get_weights()
        read = clock()
        self.model.get_weights()
        again = clock()
        self.epochs.append(epoch)
        self.weights.append(flat(weights))
        self.waited.append(max((read - begin) - (again - read), 0.0))
        self.since.append(self._timed)
        self._timed = 0.0
        self.seconds += clock() - begin

    def end(self, epoch: int) -> None:
        """`fit` has returned, and nobody has predicted yet."""
        if not self.epochs or self.epochs[-1] != epoch:
            self._look(epoch)
        begin = clock()
        self.final = flat(self.model.get_weights())
        self.seconds += clock() - begin

    def seen(self, x: np.ndarray, pair: Pair) -> Seen:
        """Everything, after `predict` was timed; `x` are the training samples."""
        begin = clock()
        logits = self.model.predict(probes(x))
        again = flat(self.model.get_weights())
        self.seconds += clock() - begin
        return Seen(
            np.array(self.epochs, np.int64),
            np.array(self.weights),
            np.array(self.waited),
            np.array(self.since),
            self.final,
            again,
            np.asarray(logits),
            np.array(pair.told),
            np.array(pair.least),
            np.array(pair.most),
        )
