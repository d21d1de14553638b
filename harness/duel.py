"""``levelfield duel A B``: is A faster than B? By launches that take turns on one core (see `harness.turns`).

The launches of a run follow one another, and on a machine whose speed changes between them many blocks are needed. A
duel answers one question about two adapters or modes with far fewer pairs, and nothing else: what a launch
uses of the machine cannot be told while another one waits beside it.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from adapters.registry import AdapterInfo
from harness.launch.local import LocalLauncher
from harness.plan import Launch
from harness.record import Cell, Machine, Record
from harness.statistics import (
    LEAST_BLOCKS,
    LEAST_BLOCKS_TO_STOP,
    Interval,
    Verdict,
    half_width,
    judge,
    paired_ratio,
    shared_confidence,
)
from harness.turns import SIDES, by_turn, compared, counted, together, turned
from tasks.task import Task

# One, so that both sides compute on the same core: of a guest's two, one can be half as fast as the other for a while,
# and which of them a side's first thread is on is chance. Nor do idle threads then spin while it is the other's turn
THREADS = 1


class LaunchFailed(RuntimeError):
    """A launch of a pair failed, for the reason that it tells."""


@dataclass(frozen=True)
class Side:
    """An adapter on some work, in launches of warm parents or `cold`."""

    info: AdapterInfo
    cell: Cell
    cold: bool = False


@dataclass(frozen=True)
class Pair:
    """A steady epoch of each side, s; the seconds that both launches took together; and their records."""

    first: float
    second: float
    wall: float
    records: tuple[Record, Record]


class Ground:
    """Where two sides meet: their launchers, kept from pair to pair."""

    def __init__(self, launchers: Sequence[LocalLauncher], folder: Path) -> None:
        self.launchers, self.folder = launchers, folder

    def pair(self, first: Side, second: Side, block: int, seconds: float) -> Pair | None:
        """A launch of each, `seconds` of steady epochs long; None where they had no whole turn each.

        Nothing is void: what disturbs some turns changes their ratios, and the median of all withstands that. Raises
        LaunchFailed.
        """
        sides, roles = (first, second), (SIDES[::-1] if block % 2 else SIDES)  # in every other pair the second begins
        begin = time.monotonic()
        parts = {
            role: partial(self._launch, i, role, side, block, seconds)
            for i, (role, side) in enumerate(zip(roles, sides, strict=True))
        }
        made = dict(zip(SIDES, together(self.folder, *(parts[role] for role in SIDES)), strict=True))
        wall = time.monotonic() - begin
        records = made[roles[0]], made[roles[1]]
        failed = [(side, r) for side, r in zip(sides, records, strict=True) if r.status != "ok"]
        # Who waited in vain for the other is not the one that failed
        for side, record in sorted(failed, key=lambda one: "did not pass the turn" in str(one[1].reason)):
            raise LaunchFailed(f"a launch of {side.info.name} failed: {record.reason}")
        turns = [by_turn(r.epoch_seconds, counted(self.folder, role)) for r, role in zip(records, roles, strict=True)]
        epochs = compared(*turns)
        return Pair(*epochs, wall, records) if epochs else None

    def _launch(self, i: int, role: str, side: Side, block: int, seconds: float) -> Record:
        launcher = self.launchers[i]
        own = turned(side.info, self.folder, role)
        launcher.adapters = {**launcher.adapters, own.name: own}
        cell = side.cell.model_copy(update={"adapter": own.name, "threads": THREADS})
        return launcher.launch(Launch(cell, block, seed=block, seconds=seconds))


@contextmanager
def ground(first: Side, second: Side, task: Task, machine: Machine, cores: list[int], limit: float) -> Iterator[Ground]:
    """Ends every process that was started; `limit` in seconds holds for each launch."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="levelfield-")))
        launchers = [
            stack.enter_context(
                # The adapter is among those known by its own name too, so that the warm parent imports its framework
                LocalLauncher(
                    {side.info.name: side.info}, {task.name: task}, machine, cores, limit, side.cold, probes=False
                )
            )
            for side in (first, second)
        ]
        yield Ground(launchers, folder)


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
