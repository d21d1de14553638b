"""``levelfield duel A B``: is A faster than B? A run of two cells, whose blocks are its pairs.

Both sides have parents of their own: what lies where in the memory of a parent, all its launches inherit. Two parents
of the same adapter were seen to differ by some two per cent, which no number of pairs from them would tell from a
difference.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import Event

from levelfield.harness.explain.rungs import Side
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
from levelfield.harness.plan.environments import Environment
from levelfield.harness.plan.launches import Launch, Surroundings
from levelfield.harness.records.certificate import Certificate
from levelfield.harness.records.record import steady_epoch
from levelfield.harness.run import certify_first
from levelfield.harness.run.certify_first import Request
from levelfield.harness.system import machine as here
from levelfield.harness.system.machine import Machine
from levelfield.tasks.task import Task

# Of the command's, so that both sides compute on the same core: of a guest's two, one can be half as fast as the other
# for a while, and which of them a side's first thread is on is chance
THREADS = 1
SECONDS = 0.5  # of turns in a launch: a process of its own costs several, so that shorter ones gain nothing


class LaunchFailed(RuntimeError):
    """A launch of a pair failed, for the reason that it tells."""


@dataclass(frozen=True)
class Pair:
    """A steady epoch of each side, s, and the seconds that both launches took together."""

    first: float
    second: float
    wall: float


def ground(
    first: Side,
    second: Side,
    task: Task,
    machine: Machine,
    limit: float,
    environments: Mapping[str, Environment] | None = None,
    cold: bool = False,
) -> LocalHost:
    """Where two sides meet.

    `limit` in seconds holds for each launch. `environments`: those of the sides' cells by name, by default the own one
    alone. If `cold`, launches are not forked.
    """
    infos = {side.info.name: side.info for side in (first, second)}
    return LocalHost(infos, {task.name: task}, machine, here.cores(), limit, cold, environments, probes=False)


def pair(host: LocalHost, first: Side, second: Side, block: int) -> Pair | None:
    """A launch of each; None where they had too few turns.

    Nothing else is void: what disturbs some turns changes their ratios, and the median of all withstands that.
    Raises LaunchFailed.
    """
    begin = time.monotonic()
    both = []
    for lane, side in enumerate((first, second)):
        launch = Launch(side.cell, block, seed=block, seconds=SECONDS, baseline=lane == 1)
        both.append(Participant(launch, side.wrap, lane))
    # Who starts first changes, should that be an advantage
    order = (1, 0) if block % 2 else (0, 1)
    made = host.together([both[place] for place in order])
    one, other = (made[place] for place in order)
    wall = time.monotonic() - begin
    for side, record in ((first, one), (second, other)):
        if record.status != "ok":
            raise LaunchFailed(f"a launch of {side.info.name} failed: {record.reason}")
        if record.unproved:
            raise LaunchFailed(f"a launch of {side.info.name} was not proved while timed: {record.unproved}")
    if one.contaminated or other.contaminated:
        return None
    return Pair(steady_epoch(one), steady_epoch(other), wall)


def meet(
    host: LocalHost, first: Side, second: Side, *, budget: float, precision: float, most: int = 1000, least: int = 0
) -> Iterator[list[Pair]]:
    """All pairs so far, after each block: until the ratio is as precise as asked for, there were `most` blocks, or the
    `budget` (seconds) is spent and there are at least so many pairs, if three times as many blocks can give them.
    Raises LaunchFailed."""
    pairs: list[Pair] = []
    end = time.monotonic() + budget
    for block in range(most):
        enough = len(pairs) >= least or block >= 3 * least
        if (enough and time.monotonic() >= end) or decided(pairs, precision):
            return
        if (found := pair(host, first, second, block)) is not None:
            pairs.append(found)
        yield pairs


def progress(pairs: Sequence[Pair]) -> str:
    """How far it is: never where the interval lies, or whoever looks would stop when he likes it."""
    width = f", the ratio within ± {half_width(ratio(pairs)):.1%}" if len(pairs) > 2 else ""
    return f"pair {len(pairs)}{width}"


def proofs(launches: Sequence[Launch], surroundings: Surroundings, fresh: bool = False) -> list[Certificate]:
    """Of the sides: those that are kept, unless they must be `fresh`, and new ones. Of a side that can get none there
    is one that says why."""
    adapters, where = surroundings.adapters, surroundings.environments
    request = Request(certify_first.needed(launches, surroundings.tasks), adapters, where, fresh=fresh)
    with LocalHost(
        adapters, {}, here.describe(True), here.cores(), certify_first.TIME_LIMIT, environments=where
    ) as host:
        return certify_first.obtain(request, [host], Event())


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


def unproved(launches: Sequence[Launch], surroundings: Surroundings) -> list[str]:
    """Who has no certificate for this work, and can get none now."""
    return [f"{one.adapter} ({one.mode})" for one in proofs(launches, surroundings) if not one.passed]
