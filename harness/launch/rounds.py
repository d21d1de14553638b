"""Launches that are alive at the same time take turns on this machine.

In each round they train one after the other, a turn of some milliseconds, while all others are stopped, so that no
pool of idle threads spins beside the one that is timed. So each meets the quick and the slow moments of the machine,
and its quicker turns can be told (see `harness.records.record.steady_epoch`).
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import ceil
from pathlib import Path
from statistics import median

from levelfield.harness.launch.jobs import Job
from levelfield.harness.launch.parent_key import Key
from levelfield.harness.launch.parents import Doing, Done, WarmParents
from levelfield.harness.measure.turns import Command, Line, Said
from levelfield.harness.plan.launches import Launch
from levelfield.harness.probes.client import Sampled, Sampling
from levelfield.harness.probes.probe import Watched
from levelfield.harness.system import folders

LEAST_TURNS, MOST_TURNS = 5, 20  # that a launch has in a block; the baseline, in every ratio, has twice as many
AGREE = 0.02  # by which its two quickest turns differ at most; else it has more, up to as many again
SETTLE = 0.05  # seconds for the sampler to begin, before a window


@dataclass
class Alive:
    """A launch of a block, from before its start until it has ended (`done`)."""

    launch: Launch
    job: Job
    key: Key
    line: Line
    doing: Doing | None = None
    done: Done | None = None
    started: str = ""  # UTC, ISO 8601
    wall: float = 0.0  # seconds that it ran in all: from before it could until it was stopped, or had ended
    compiled: Path | None = None  # where it keeps that
    filled: bool = False  # whether anything was there before
    took: list[float] = field(default_factory=list)  # seconds of each of its turns, until it was stopped again
    epochs: list[float] = field(default_factory=list)  # of each of its turns the median, in seconds
    said: Said | None = None  # when it had done what it was told last
    sampled: Sampled | None = None

    @property
    def wanted(self) -> int:
        """Turns in a block: for as many seconds as are asked for, if all are like those that it had."""
        asked = ceil(self.launch.seconds / max(median(self.took), 1e-6)) if self.took else 0
        return min(max(asked, LEAST_TURNS), MOST_TURNS) * (2 if self.launch.baseline else 1)

    def start(self, parents: WarmParents) -> None:
        """Let it come to its first turn; it is stopped then."""
        self.started = now()
        begin = time.monotonic()
        self.filled = self.compiled is not None and folders.is_filled(self.compiled)
        begun = parents.begin(self.job, self.key, compiled=self.compiled)
        if isinstance(begun, Done):
            self.done = begun
        else:
            self.doing = begun
            self._wait(begun)
        self.wall += time.monotonic() - begin

    def look(self, sampling: Sampling, cores: int) -> None:
        """Let it train through a window, while `sampling` watches it; it uses at most so many `cores`."""
        assert self.doing is not None
        sampling.open()
        own = min(self.key.threads * self.key.replicas, cores)
        sampling.start(Watched(self.doing.pid, self.key.device, own, family=self.key.replicas > 1))
        time.sleep(SETTLE)
        self.take("window")
        self.sampled = sampling.stop(self.said.window if self.said else None)

    def take(self, command: Command) -> None:
        """Let it do this."""
        assert self.doing is not None
        begin = time.monotonic()
        self.line.tell(command)
        self.doing.running.resume()
        if command == "end":
            self.done = self.doing.ended()
        else:
            self._wait(self.doing)
        took = time.monotonic() - begin
        self.wall += took
        if command == "turn":
            self.took.append(took)
            if self.said is not None and self.said.epoch is not None:
                self.epochs.append(self.said.epoch)

    def _wait(self, doing: Doing) -> None:
        self.said, self.done = None, doing.wait(self.line.over)
        if self.done is None:
            self.said = self.line.heard()
            doing.running.stop()

    def close(self) -> None:
        """End it, where it has not ended."""
        if self.doing is not None and self.done is None:
            self.doing.running.kill()
        self.line.remove()


def now() -> str:
    """UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def living(launches: Sequence[Alive]) -> list[Alive]:
    return [one for one in launches if one.done is None]


def settled(epochs: Sequence[float], wanted: int) -> bool:
    """Whether more turns would say little, after turns with these `epochs`: the quickest two agree, or there were twice
    as many as were wanted."""
    first, second = sorted(epochs)[:2]
    return second <= (1 + AGREE) * first or len(epochs) >= 2 * wanted


def rounds(launches: Sequence[Alive], seed: int) -> None:
    """Let them take their turns, each round in another random order: as many as each wants, and more until it is
    `settled`."""
    shuffle = random.Random(seed)  # noqa: S311 - an order, not a secret
    one_round(launches, shuffle)
    total = max((one.wanted for one in living(launches)), default=0)
    for number in range(2, total + 1):
        # as many as each wants, evenly over the rounds
        due = [one for one in launches if number * one.wanted // total > (number - 1) * one.wanted // total]
        one_round(due, shuffle)
    while unsettled := [one for one in living(launches) if not settled(one.epochs, one.wanted)]:
        one_round(unsettled, shuffle)


def one_round(launches: Sequence[Alive], shuffle: random.Random) -> None:
    due = living(launches)
    shuffle.shuffle(due)
    for one in due:
        one.take("turn")
