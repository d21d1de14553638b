"""``levelfield duel A B``: is A faster than B? By launches that take turns on one core (see `harness.measure.turns`).

The launches of a run follow one another, and on a machine whose speed changes between them many blocks are needed. A
duel answers one question about two adapters or modes with far fewer pairs, and nothing else: what a launch
uses of the machine cannot be told while another one waits beside it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

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
from levelfield.harness.launch.jobs import Wrapper
from levelfield.harness.launch.local import LocalHost
from levelfield.harness.measure import turns
from levelfield.harness.measure.turns import LEAST, SIDES, InTurns, by_turn, compared, counted, roles, together
from levelfield.harness.plan.environments import DEFAULT, own
from levelfield.harness.plan.launches import Launch
from levelfield.harness.records.cell import Cell
from levelfield.harness.records.record import Record
from levelfield.harness.system.folders import Temporary
from levelfield.harness.system.machine import Machine
from levelfield.harness.system.variables import Passed
from levelfield.tasks.task import Task

# One, so that both sides compute on the same core: of a guest's two, one can be half as fast as the other for a while,
# and which of them a side's first thread is on is chance. Nor do idle threads then spin while it is the other's turn
THREADS = 1
SECONDS = 0.5  # of steady epochs in a launch: a process of its own costs several, so that shorter ones gain nothing


class LaunchFailed(RuntimeError):
    """A launch of a pair failed, for the reason that it tells."""


@dataclass(frozen=True)
class Side:
    """An adapter on some work, in processes of their own or in launches of a `warm` parent.

    What lies where in the memory of a warm parent, all its launches inherit: two parents of the same adapter were seen
    to differ by some two per cent for as long as they lived, which no number of pairs would tell from a difference.
    """

    info: AdapterInfo
    cell: Cell
    warm: bool = False
    wrap: tuple[Wrapper, ...] = ()  # around the training of its launches


@dataclass(frozen=True)
class Pair:
    """A steady epoch of each side, s; the seconds that both launches took together; and their records."""

    first: float
    second: float
    wall: float
    records: tuple[Record, Record]


class Ground:
    """Where two sides meet: the host of each, kept from pair to pair."""

    def __init__(self, hosts: Sequence[LocalHost], folder: Path, cores: list[int], least: int, seconds: float) -> None:
        self.hosts, self.folder, self.cores, self.least, self.seconds = hosts, folder, cores, least, seconds

    def pair(self, first: Side, second: Side, block: int) -> Pair | None:
        """A launch of each; None where they had no whole turn each.

        Nothing is void: what disturbs some turns changes their ratios, and the median of all withstands that. Raises
        LaunchFailed.
        """
        own = roles(block)
        begin = time.monotonic()
        records = together(
            self.folder,
            own,
            partial(self._launch, self.hosts[0], own[0], first, block),
            partial(self._launch, self.hosts[1], own[1], second, block),
        )
        wall = time.monotonic() - begin
        failed = [(side, r) for side, r in zip((first, second), records, strict=True) if r.status != "ok"]
        # Who waited in vain for the other is not the one that failed
        for side, record in sorted(failed, key=lambda one: "did not pass the turn" in str(one[1].reason)):
            raise LaunchFailed(f"a launch of {side.info.name} failed: {record.reason}")
        for side, record in zip((first, second), records, strict=True):
            if record.unproved:
                raise LaunchFailed(f"a launch of {side.info.name} was not proved while timed: {record.unproved}")
        values = [by_turn(r.epoch_seconds, counted(self.folder, role)) for r, role in zip(records, own, strict=True)]
        epochs = compared(*values)
        return Pair(*epochs, wall, records) if epochs else None

    def _launch(self, host: LocalHost, role: turns.Side, side: Side, block: int) -> Record:
        # Each imports its framework on a core of its own, and they train on the same: who came from elsewhere, perhaps
        # with memory that is nearer there, changes with the roles
        elsewhere = self.cores[1:2] if role == SIDES[1] and len(self.cores) > 1 else self.cores[:1]
        launch = Launch(side.cell.model_copy(update={"threads": THREADS}), block, seed=block, seconds=self.seconds)
        wrap = (*side.wrap, InTurns(folder=self.folder, side=role, least=self.least))
        return host.launch(launch, self.cores[0], cores=elsewhere, wrap=wrap)


@contextmanager
def ground(
    first: Side,
    second: Side,
    task: Task,
    machine: Machine,
    cores: list[int],
    limit: float,
    least: int = LEAST,
    seconds: float = SECONDS,
    passed: Passed = (),
) -> Iterator[Ground]:
    """Ends every process that was started.

    `limit` in seconds holds for each launch, `seconds` are its steady epochs, `least` of which are a turn. Both sides
    get the variables `passed`.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(Temporary()).path
        hosts = [
            stack.enter_context(
                LocalHost(
                    {side.info.name: side.info},
                    {task.name: task},
                    machine,
                    cores,
                    limit,
                    not side.warm,
                    {DEFAULT: own(passed)},
                    probes=False,
                )
            )
            for side in (first, second)
        ]
        yield Ground(hosts, folder, cores, least, seconds)


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
