"""Launches that are alive at the same time take turns on this machine.

In each round they train one after the other, a turn of some milliseconds, while all others are stopped, so that no
pool of idle threads spins beside the one that is timed. So each meets the quick and the slow moments of the machine.
What a launch took is told by its quickest turn (see `harness.records.record.steady_epoch`), and all have one in each
round. The baseline, which is in every ratio, has more, all along the round: its value is steadier so.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import ceil, sqrt
from pathlib import Path
from statistics import median

from levelfield.harness.launch.jobs import Job
from levelfield.harness.launch.parent_key import Key
from levelfield.harness.launch.parents import Doing, Done, WarmParents
from levelfield.harness.measure.turns import TURN, Command, Line, Said
from levelfield.harness.plan.launches import Launch
from levelfield.harness.probes.client import Sampled, Sampling
from levelfield.harness.probes.probe import Watched
from levelfield.harness.system import folders

LEAST_TURNS, MOST_TURNS = 5, 20  # that each launch of a block has, by the seconds that are asked for
SLOWEST = 20  # times these seconds may the turns of the slowest launch last, beyond `LEAST_TURNS`
AGREE = 0.02  # by which the two quickest turns of a launch differ at most, where more would say little
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
    a_round: int = 1  # turns that it has in each
    took: list[float] = field(default_factory=list)  # seconds of each of its turns, until it was stopped again
    epochs: list[float] = field(default_factory=list)  # of each of its turns the median, in seconds
    said: Said | None = None  # when it had done what it was told last
    sampled: Sampled | None = None

    @property
    def rounds(self) -> int | None:
        """In which it had its turns; None: it had none."""
        return len(self.epochs) // self.a_round or None

    @property
    def settled(self) -> bool:
        """Whether its two quickest turns agree."""
        quickest = sorted(self.epochs)[:2]
        return len(quickest) > 1 and quickest[1] <= (1 + AGREE) * quickest[0]

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


def wanted(seconds: float, epochs: Sequence[float]) -> int:
    """Turns of each launch of a block, for so many seconds that are asked for, by what an epoch of each takes: as many
    as last so long for the median launch. One that is far slower than the others is not to take all the time."""
    turns = [max(epoch, TURN) for epoch in epochs]
    if not turns:
        return LEAST_TURNS
    most = min(SLOWEST * seconds / max(turns), MOST_TURNS)
    return max(ceil(min(seconds / median(turns), most) - 1e-6), LEAST_TURNS)


def enough(launches: Sequence[Alive]) -> bool:
    """Whether the baseline, which is in every ratio, and most others are settled."""
    unsettled = [one for one in launches if not one.settled]
    return 2 * len(unsettled) <= len(launches) and not any(one.launch.baseline for one in unsettled)


def rounds(launches: Sequence[Alive], seed: int, tell: Callable[[int, int], None] = lambda number, least: None) -> None:
    """Let them take their turns, each round in another random order, until there were `enough`, or twice as many as
    were wanted; `tell` is given the number of each that is over, and how many there will be at least.

    For one turn of each of k others the baseline has √k, which makes their ratios most precise for the time (Dunnett
    1955).
    """
    shuffle = random.Random(seed)  # noqa: S311 - an order, not a secret
    bases = [one for one in launches if one.launch.baseline]
    for base in bases:
        base.a_round = max(round(sqrt(len(launches) - len(bases))), 1)

    def another(number: int, least: int) -> None:
        one_round(launches, shuffle)
        tell(number + 1, least)

    for number in range(LEAST_TURNS):
        another(number, LEAST_TURNS)
    there = [one for one in living(launches) if one.epochs]
    seconds = max((one.launch.seconds for one in there), default=0.0)
    least = wanted(seconds, [median(one.epochs) for one in there])
    for number in range(LEAST_TURNS, 2 * least):
        if number >= least and enough(living(launches)):
            break
        another(number, least)


def one_round(launches: Sequence[Alive], shuffle: random.Random) -> None:
    due = [one for one in living(launches) for _ in range(one.a_round)]
    shuffle.shuffle(due)
    for one in due:
        if one.done is None:
            one.take("turn")
