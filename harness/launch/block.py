"""A block: one launch of every cell, all alive at the same time.

Each is started and trains one epoch; then they take turns (see `harness.launch.rounds`); then they are ended. Those
whose start-up, prediction and use of the device are measured too come first, one after the other, while all others are
stopped; the rest are started and ended side by side, but for two of one runtime, whose threads would spin against each
other: with two of PyTorch on two cores a first epoch was seen to take 2.8 s instead of 42 ms.

Parents are started for the block and end with it. So blocks are independent, and what two parents differ by is inside
the intervals.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING, Literal

from levelfield.harness.launch.hosts import Stage
from levelfield.harness.launch.rounds import LEAST_TURNS, Alive, living, rounds
from levelfield.harness.launch.work_queue import Lane, side_by_side
from levelfield.harness.measure.wrap import Wrap
from levelfield.harness.plan.launches import Launch
from levelfield.harness.records.record import Record, steady_epoch

if TYPE_CHECKING:
    from levelfield.harness.launch.local import LocalHost

NEED = 400e6  # bytes of memory that a launch has of its own, about; its network's come besides


@dataclass(frozen=True)
class Participant:
    """A launch of a block. `wrap` goes around its training, the innermost first; in each `lane` it has a parent of its
    own. Alive together are those of a `group`, by default those of a workload."""

    launch: Launch
    wrap: tuple[Wrap, ...] = ()
    lane: int = 0
    group: str = ""


def make(host: LocalHost, participants: Sequence[Participant], room: float) -> list[Record]:
    """The records of all, in their order. Launches that need more than `room` bytes together are made in waves, each
    with the baseline, whose first record counts."""
    found: dict[int, Record] = {}
    for wave in waves(participants, room):
        made = [_with_enough_turns(one) for one in _wave(host, [participants[number] for number in wave])]
        if participants[wave[0]].launch.baseline:
            made = at_pace(made, found.get(wave[0], made[0]))
        for number, record in zip(wave, made, strict=True):
            found.setdefault(number, record)
    return [found.get(number) or host.skipped(one.launch) for number, one in enumerate(participants)]


def waves(participants: Sequence[Participant], room: float) -> Iterator[list[int]]:
    """The places of those that are alive together: of one workload or group, and with its baseline."""
    workloads: dict[object, list[int]] = {}
    for number, one in enumerate(participants):
        if not one.launch.skip:
            workloads.setdefault(one.group or one.launch.cell.workload, []).append(number)
    for places in workloads.values():
        base = [number for number in places if participants[number].launch.baseline][:1]
        others = [number for number in places if number not in base]
        most = max(int(room / NEED) - len(base), 1)
        for begin in range(0, max(len(others), 1), most):
            yield base + others[begin : begin + most]


def _wave(host: LocalHost, participants: Sequence[Participant]) -> list[Record]:
    launches = [host.alive(one.launch, one.wrap, one.lane) for one in participants]
    carry_through(host, launches)
    return [host.completed(one) for one in launches]


def carry_through(host: LocalHost, launches: Sequence[Alive]) -> None:
    """Start them, let them take their turns, and end them; whoever raises what, none is left."""
    block, cell = launches[0].launch.block, launches[0].launch.cell
    where = f"{cell.task} {cell.model.name}"
    shuffle = random.Random(block)  # noqa: S311 - an order, not a secret
    lanes = [Lane(host, core) for core in host.cores]

    def shuffled(some: Sequence[Alive]) -> list[Alive]:
        left = living(some)
        shuffle.shuffle(left)
        return left

    def each(
        what: Literal["started", "watched", "ended"], some: Sequence[Alive], work: Callable[[Alive], None]
    ) -> None:
        count, of = itertools.count(1), len(living(some))

        def make(one: Alive, lane: Lane | None = None) -> None:
            work(one)
            host.tell(Stage(where, what, next(count), of))

        for one in shuffled([one for one in some if one.launch.whole]):
            make(one)
        others = shuffled([one for one in some if not one.launch.whole])
        side_by_side(others, lambda one: one.job.runtime, make, lanes, Event())

    try:
        whole = [one for one in launches if one.launch.whole]
        each("started", launches, lambda one: one.start(host.parents))
        rounds(launches, block, lambda number, least: host.tell(Stage(where, "round", number, least)))
        each("watched", whole, lambda one: one.look(host.sampling, len(host.cores)))
        each("ended", launches, lambda one: one.take("end"))
    finally:
        for one in launches:
            one.close()


def at_pace(wave: Sequence[Record], first: Record) -> list[Record]:
    """The records of a wave, the baseline's ahead, with what it took over what it took in the `first` one."""
    base = wave[0]
    if not all(one.status == "ok" and one.turns for one in (base, first)):
        return list(wave)
    pace = steady_epoch(base) / steady_epoch(first)
    return [one.model_copy(update={"pace": pace}) for one in wave]


def _with_enough_turns(record: Record) -> Record:
    """The same, set aside if it has too few."""
    if record.status != "ok" or len(record.turns) >= LEAST_TURNS:
        return record
    return record.model_copy(update={"contaminated": f"it had {len(record.turns)} of at least {LEAST_TURNS} turns"})
