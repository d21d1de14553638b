"""``levelfield duel A B``: is A faster than B? A run of two cells, whose blocks are its pairs.

Both sides have parents of their own: what lies where in the memory of a parent, all its launches inherit. Two parents
of the same adapter were seen to differ by some two per cent, which no number of pairs from them would tell from a
difference.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

from levelfield.adapters.registry import AdapterInfo
from levelfield.harness.judge.statistics import (
    LEAST_BLOCKS,
    LEAST_BLOCKS_TO_STOP,
    Interval,
    Verdict,
    half_width,
    judge,
    paired_ratio,
    shared_confidence,
)
from levelfield.harness.launch.block import Participant
from levelfield.harness.launch.local import LocalHost
from levelfield.harness.measure.delay import Delay
from levelfield.harness.plan.environments import DEFAULT, own
from levelfield.harness.plan.launches import Launch
from levelfield.harness.records.cell import Cell
from levelfield.harness.records.record import Record, epoch_seconds
from levelfield.harness.system.machine import Machine
from levelfield.harness.system.variables import Passed
from levelfield.tasks.task import Task

# One, so that both sides compute on the same core: of a guest's two, one can be half as fast as the other for a while,
# and which of them a side's first thread is on is chance
THREADS = 1
SECONDS = 0.5  # of turns in a launch: a process of its own costs several, so that shorter ones gain nothing


class LaunchFailed(RuntimeError):
    """A launch of a pair failed, for the reason that it tells."""


@dataclass(frozen=True)
class Side:
    """An adapter on some work."""

    info: AdapterInfo
    cell: Cell
    wrap: tuple[Delay, ...] = ()  # around the training of its launches


@dataclass(frozen=True)
class Pair:
    """A steady epoch of each side, s; the seconds that both launches took together; and their records."""

    first: float
    second: float
    wall: float
    records: tuple[Record, Record]


class Ground:
    """Where two sides meet."""

    def __init__(self, host: LocalHost, seconds: float) -> None:
        self.host, self.seconds = host, seconds

    def pair(self, first: Side, second: Side, block: int) -> Pair | None:
        """A launch of each; None where they had too few turns.

        Nothing else is void: what disturbs some turns changes their ratios, and the median of all withstands that.
        Raises LaunchFailed.
        """
        begin = time.monotonic()
        sides = (first, second)
        both = [self._participant(side, lane, block) for lane, side in enumerate(sides)]
        # Who starts first changes, should that be an advantage
        order = (1, 0) if block % 2 else (0, 1)
        made = self.host.together([both[place] for place in order])
        one, other = (made[place] for place in order)
        wall = time.monotonic() - begin
        for side, record in zip(sides, (one, other), strict=True):
            if record.status != "ok":
                raise LaunchFailed(f"a launch of {side.info.name} failed: {record.reason}")
            if record.unproved:
                raise LaunchFailed(f"a launch of {side.info.name} was not proved while timed: {record.unproved}")
        if one.contaminated or other.contaminated:
            return None
        return Pair(median(epoch_seconds(one)), median(epoch_seconds(other)), wall, (one, other))

    def _participant(self, side: Side, lane: int, block: int) -> Participant:
        cell = side.cell.model_copy(update={"threads": THREADS})
        launch = Launch(cell, block, seed=block, seconds=self.seconds, baseline=lane == 1)
        return Participant(launch, side.wrap, lane)


@contextmanager
def ground(
    first: Side,
    second: Side,
    task: Task,
    machine: Machine,
    cores: list[int],
    limit: float,
    seconds: float = SECONDS,
    passed: Passed = (),
) -> Iterator[Ground]:
    """Ends every process that was started.

    `limit` in seconds holds for each launch, `seconds` are those of its turns. Both sides get the variables `passed`.
    """
    infos = {side.info.name: side.info for side in (first, second)}
    environments = {DEFAULT: own(passed)}
    with LocalHost(infos, {task.name: task}, machine, cores, limit, environments=environments, probes=False) as host:
        yield Ground(host, seconds)


def ratio(pairs: Sequence[Pair]) -> Interval:
    """First / second of at least one pair; its confidence pays for stopping on its width."""
    return paired_ratio([p.first for p in pairs], [p.second for p in pairs], shared_confidence(1))


def verdict(pairs: Sequence[Pair], margin: float) -> Verdict:
    """The word about the first side against the second."""
    if len(pairs) < LEAST_BLOCKS:
        return Verdict("not judged", False, None, margin, f"n = {len(pairs)}, not judged")
    return judge(ratio(pairs), margin)


def decided(pairs: Sequence[Pair], precision: float) -> bool:
    """Whether the interval is within ±`precision`, whatever it says."""
    return len(pairs) >= LEAST_BLOCKS_TO_STOP and half_width(ratio(pairs)) <= precision
