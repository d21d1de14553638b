"""Carry out a plan: learning launches side by side, speed launches in blocks; every one becomes a record."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from threading import Event

from levelfield.harness.launch import learner
from levelfield.harness.launch.hosts import Host, HostLost
from levelfield.harness.launch.work_queue import Lane, side_by_side
from levelfield.harness.plan.launches import Launch
from levelfield.harness.records.record import Record
from levelfield.harness.system.machine import MachineType
from levelfield.harness.system.numbers import counted
from levelfield.tasks.errors import UserError

Finished = Callable[[Launch, Record], None]


def carry_out(
    launches: Sequence[Launch],
    hosts: Sequence[Host],
    finished: Finished,
    stop: Event,
    enough: Callable[[], bool] = lambda: False,
    timing: Callable[[], None] = lambda: None,
) -> None:
    """Make all launches in order, on all hosts, until `stop` is set: what is under way finishes first.

    `finished` is called for each record, from one thread at a time, and so is `enough`, before each block of speed
    launches but the first; `timing` before the first.
    """
    check(launches, hosts)
    guard = threading.Lock()

    def told(launch: Launch, record: Record) -> None:
        with guard:
            finished(launch, record)

    def asked() -> bool:
        with guard:
            return enough()

    learn_all([one for one in launches if one.cell.kind == "learning"], hosts, told, stop)
    if not stop.is_set():
        timing()
        time_blocks([one for one in launches if one.cell.kind == "speed"], hosts, told, stop, asked)


def learn_all(launches: Sequence[Launch], hosts: Sequence[Host], finished: Finished, stop: Event) -> None:
    """Learning launches, one on each core of every host; see `seeds_together` for their order."""
    homes = Homes(launches, hosts)
    side_by_side(
        seeds_together(launches, lambda launch: hosts[0].key(launch.cell)),
        key=lambda launch: (hosts[0].key(launch.cell), homes.of[launch.id]),
        work=partial(_learn, homes=homes, finished=finished),
        lanes=[Lane(host, core) for host in hosts for core in host.cores],
        stop=stop,
        fits=homes.fits,
    )


def seeds_together(launches: Sequence[Launch], key: Callable[[Launch], Hashable]) -> list[Launch]:
    """Up to `learner.MOST` seeds of a cell one after the other, which one child makes.

    Those of the key that has most come first: only one of a key is made at a time, and of a long row that was begun
    late the last ones would be made alone.
    """
    rows = Counter(map(key, launches))
    cells = {cell: place for place, cell in enumerate(dict.fromkeys(launch.cell.id for launch in launches))}
    return sorted(
        launches,
        key=lambda one: (one.block // learner.MOST, -rows[key(one)], cells[one.cell.id], one.block),
    )


def time_blocks(
    launches: Sequence[Launch],
    hosts: Sequence[Host],
    finished: Finished,
    stop: Event,
    enough: Callable[[], bool] = lambda: False,
) -> None:
    """Speed launches in whole blocks, each of which has a host to itself: its launches are compared with each other.

    A block whose host is lost is made on another one. `enough` is asked before each block but the first.
    """
    blocks: dict[int, list[Launch]] = {}
    for launch in launches:
        blocks.setdefault(launch.block, []).append(launch)
    side_by_side(
        list(blocks.values()),
        key=_resources,
        work=partial(_time, finished=finished),
        lanes=[Lane(host, None) for host in hosts],
        stop=stop,
        fits=_fits,
        enough=enough,
    )


def check(launches: Sequence[Launch], hosts: Sequence[Host]) -> None:
    """Raises UserError when some launch fits no host."""
    for cell in {(one.cell.device, one.cell.cores): one.cell for one in launches if not one.skip}.values():
        if not any(host.offers(cell) for host in hosts):
            raise UserError(
                f"no host has {cell.device} and {counted(cell.cores, 'core')} for {cell.adapter}",
                "choose another --device, fewer --threads, or a cluster that has such hosts",
            )


class Homes:
    """The type of machine on which a seed is learnt by all: what they learn is compared seed by seed.

    Where no host of that type is left, any other that fits will do.
    """

    def __init__(self, launches: Sequence[Launch], hosts: Sequence[Host]) -> None:
        self.living = list(hosts)
        self.of = {launch.id: self._home(launch) for launch in launches}

    def _home(self, launch: Launch) -> MachineType:
        types = list(dict.fromkeys(host.machine.type for host in self.living if _fits([launch], host)))
        return types[launch.block % len(types)]

    def fits(self, launch: Launch, host: Host) -> bool:
        home = self.of[launch.id]
        homeless = all(other.machine.type != home for other in self.living)
        return _fits([launch], host) and (host.machine.type == home or homeless)

    def lost(self, host: Host) -> None:
        self.living = [other for other in self.living if other is not host]


def _learn(launch: Launch, lane: Lane, *, homes: Homes, finished: Finished) -> None:
    try:
        record = lane.host.launch(launch, lane.core)
    except HostLost:
        homes.lost(lane.host)
        raise
    finished(launch, record)


def _time(block: Sequence[Launch], lane: Lane, *, finished: Finished) -> None:
    for launch, record in zip(block, lane.host.block(block), strict=True):
        finished(launch, record)


def _resources(block: Sequence[Launch]) -> Hashable:
    """What a host must have to make all of these launches."""
    return frozenset((launch.cell.device, launch.cell.cores) for launch in block if not launch.skip)


def _fits(block: Sequence[Launch], host: Host) -> bool:
    return all(launch.skip or host.offers(launch.cell) for launch in block)
