"""Two processes on the same cores take turns: each trains for some epochs, while the other sleeps.

On a virtual machine, epochs of one program were seen to switch between two speeds, half as much apart, within tenths of
a second: its neighbours' doing, probably. Launches one after the other meet that by chance, turns of some milliseconds
meet it alike, so that their ratio says more (duet benchmarking: Bulej et al. 2020, whose pairs run at the same time on
cores of their own).

`turned` gives the registry's entry of an adapter that takes turns; its class is made on demand, when a warm parent asks
for it by module and name.
"""

from __future__ import annotations

import importlib
import json
import os
import select
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from itertools import accumulate, pairwise
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, TypeVar

from levelfield.adapters.adapter import Watch
from levelfield.adapters.registry import AdapterInfo
from levelfield.tasks.recipe import BatchOrder
from levelfield.tasks.task import Split

TURN = 0.02  # seconds at least: many times what it takes to wake up and to fill the caches
LEAST = 2  # epochs of a turn, unless told otherwise; the first of several only warms up
# For who compares the same with the same: a long epoch needs no warming up, and the one after it may, in Keras on
# TensorFlow, wait for a timer of tf.data's autotuner as long as it computes. Alone in a turn, it waits in the other's
ONE = 1
PATIENCE = 100.0  # seconds that a side waits for the other
SIDES = ("first", "second")

A = TypeVar("A")
B = TypeVar("B")
T = TypeVar("T")


class Turns:
    """One side's part, in its process: `epoch_end` after every epoch, the first of which belongs to no turn."""

    def __init__(self, folder: Path, side: str, least: int = LEAST) -> None:
        (other,) = set(SIDES) - {side}
        # Opened for both, a pipe with a name neither waits for the other end nor ends with it
        self.own, self.other = (os.open(folder / name, os.O_RDWR) for name in (side, other))
        self.begins, self.least = side == SIDES[0], least
        self.epochs: list[int] = []  # of each whole turn
        self.count = 0
        self.since: float | None = None
        self.alone = False

    def epoch_end(self) -> float:
        """Pass the turn on where it has lasted long enough, and wait for the next. Seconds waited."""
        start = perf_counter()
        if self.alone:
            return 0.0
        if self.since is None:
            if not self.begins:
                self._pass()  # both are ready once the side that begins has read this
        else:
            self.count += 1
            if self.count < self.least or start - self.since < TURN:
                return 0.0
            self.epochs.append(self.count)
            self.count = 0
            self._pass()
        self._wait()
        self.since = perf_counter()
        return self.since - start

    def _pass(self) -> None:
        os.write(self.other, b"t")

    def _wait(self) -> None:
        if not select.select([self.own], [], [], PATIENCE)[0]:
            raise TimeoutError(f"the other side did not pass the turn within {PATIENCE:g} s")
        self.alone = os.read(self.own, 1) == b"e"


@contextmanager
def pipes(folder: Path) -> Iterator[None]:
    """The named pipes of both sides, held open: what is written to one that nobody has open is lost."""
    for side in SIDES:
        os.mkfifo(folder / side)
    held = [os.open(folder / side, os.O_RDWR) for side in SIDES]
    try:
        yield
    finally:
        for side, pipe in zip(SIDES, held, strict=True):
            os.close(pipe)
            (folder / side).unlink()


def ended(folder: Path, side: str) -> None:
    """Tell the other side that `side` has ended, however it did."""
    (other,) = set(SIDES) - {side}
    pipe = os.open(folder / other, os.O_RDWR)
    os.write(pipe, b"e")
    os.close(pipe)


def roles(block: int) -> tuple[str, str]:
    """The sides that two parts of a pair take: to begin might be an advantage, so in every other the second does."""
    first, second = SIDES
    return (second, first) if block % 2 else (first, second)


def together(folder: Path, roles: tuple[str, str], first: Callable[[], A], second: Callable[[], B]) -> tuple[A, B]:
    """Do both parts at the same time, each as one side; whichever ends leaves the other to go on alone."""

    def told(side: str, part: Callable[[], T]) -> T:
        try:
            return part()
        finally:
            ended(folder, side)

    with pipes(folder), ThreadPoolExecutor(1) as pool:
        other = pool.submit(told, roles[1], second)
        return told(roles[0], first), other.result()


def compared(first: Sequence[float], second: Sequence[float]) -> tuple[float, float] | None:
    """An epoch of each side, s, from the values of their turns; None without a turn of both.

    The second's is the median, the first's that times the median ratio of the turns beside each other.
    """
    ratios = [a / b for a, b in zip(first, second, strict=False)]
    base = median(second) if second else 0.0
    return (base * median(ratios), base) if ratios else None


def by_turn(epoch_seconds: Sequence[float], epochs: Sequence[int]) -> list[float]:
    """The median steady epoch of each whole turn, in seconds, without the first of several, which only warms up."""
    bounds = [0, *accumulate(epochs)]
    turns = [list(epoch_seconds[a:b]) for a, b in pairwise(bounds)]
    return [median(turn[1:] or turn) for turn in turns]


def turned(info: AdapterInfo, folder: Path, side: str, least: int = LEAST) -> AdapterInfo:
    """The adapter as one side, with turns of `least` epochs; `counted` has the epochs of its turns afterwards."""
    label = f"{info.name} in turns"
    return replace(
        info.but(name=label), module=__name__, qualname=f"{info.module}:{info.qualname}:{side}:{least}:{folder}"
    )


def counted(folder: Path, side: str) -> list[int]:
    """How many epochs each whole turn of a launch had."""
    found: list[int] = json.loads((folder / f"{side}.json").read_text(encoding="utf-8"))
    return found


class TurnWatch:
    """Waits between two epochs, outside the clock."""

    def __init__(self, watch: Any, turns: Turns) -> None:
        self.watch, self.turns = watch, turns

    def ready(self) -> None:
        self.watch.ready()

    def epoch_end(self, epoch: int) -> bool:
        goes_on: bool = self.watch.epoch_end(epoch)
        if goes_on:
            waited = self.turns.epoch_end()
            self.watch.steady_start += waited  # the time that is asked for is of training
            self.watch.resume()
        return goes_on


def __getattr__(name: str) -> Any:
    """The class for ``module:class:side:least:folder``; the class may have a name of that kind too."""
    if name.count(":") < 4:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, rest = name.partition(":")
    qualname, side, least, place = rest.rsplit(":", 3)
    adapter, folder = getattr(importlib.import_module(module), qualname), Path(place)

    class InTurns(adapter):  # type: ignore[valid-type, misc]
        def fit(self, train: Split, order: BatchOrder | None, watch: Watch) -> None:
            turns = Turns(folder, side, int(least))
            super().fit(train, order, TurnWatch(watch, turns))
            (folder / f"{side}.json").write_text(json.dumps(turns.epochs), encoding="utf-8")

    return InTurns
