"""Carry out a plan: learning launches side by side, speed launches alone on their host; every one becomes a record."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Sequence

from levelfield.harness.launch.hosts import Host, HostLost
from levelfield.harness.launch.work_queue import Lane, side_by_side
from levelfield.harness.measure.disturbance import MOST_REPEATS
from levelfield.harness.plan.launches import Launch
from levelfield.harness.records.record import Record
from levelfield.harness.system.machine import MachineType
from levelfield.harness.system.numbers import counted
from levelfield.harness.system.stop import Stop
from levelfield.tasks.errors import UserError

LOST = "its host was lost before its block was complete"


def carry_out(
    launches: Sequence[Launch],
    hosts: Sequence[Host],
    finished: Callable[[Launch, Record], None],
    stop: Stop,
    enough: Callable[[], bool] = lambda: False,
) -> None:
    """Make all launches in order, on all hosts. `finished` is called for each record, from one thread at a time.

    The pieces that are dealt out are learning launches, which share a host's cores, and whole blocks of speed launches,
    each of which has a host to itself: a pair never lies on two machines. A speed launch that was disturbed is repeated
    at once, at most `disturbance.MOST_REPEATS` times; one that is not proved is not, since nothing disturbed it. When a
    host is lost in a block, the records of that block are written again as void, and the whole block is made on another
    one. `enough` is asked before each block but the first.
    """
    _check(launches, hosts)
    guard = threading.Lock()
    living = list(hosts)

    def tell(launch: Launch, record: Record) -> None:
        with guard:
            finished(launch, record)

    def learn(launch: Launch, lane: Lane) -> None:
        try:
            record = lane.host.launch(launch, lane.core)
        except HostLost:
            living[:] = [host for host in living if host is not lane.host]
            raise
        tell(launch, record)

    def home(launch: Launch) -> MachineType:
        """The type of machine on which a seed is learnt by all: what they learn is compared seed by seed."""
        types = list(dict.fromkeys(host.machine.type for host in hosts if _fits([launch], host)))
        return types[launch.block % len(types)]

    def at_home(launch: Launch, host: Host) -> bool:
        where = home(launch)
        return _fits([launch], host) and (
            host.machine.type == where or all(other.machine.type != where for other in living)
        )

    def time(block: Sequence[Launch], lane: Lane) -> None:
        made: dict[str, tuple[Launch, Record]] = {}
        try:
            for launch in block:
                for attempt in range(1 + MOST_REPEATS):
                    if stop.asked.is_set():
                        return
                    record = lane.host.launch(launch, attempt=attempt)
                    made[launch.id] = launch, record
                    tell(launch, record)
                    if record.contaminated is None or record.unproved is not None:
                        break
        except HostLost:
            for launch, record in made.values():
                tell(launch, record.model_copy(update={"contaminated": LOST}))
            raise

    def reached() -> bool:
        with guard:
            return enough()

    side_by_side(
        [launch for launch in launches if launch.cell.kind == "learning"],
        key=lambda launch: (hosts[0].key(launch.cell), home(launch)),
        work=learn,
        lanes=[Lane(host, core) for host in hosts for core in host.cores],
        stop=stop,
        fits=at_home,
    )
    blocks: dict[int, list[Launch]] = {}
    for launch in launches:
        if launch.cell.kind == "speed":
            blocks.setdefault(launch.block, []).append(launch)
    if blocks and not stop.asked.is_set():
        side_by_side(
            list(blocks.values()),
            key=_resources,
            work=time,
            lanes=[Lane(host, None) for host in hosts],
            stop=stop,
            fits=_fits,
            enough=reached,
        )


def _resources(block: Sequence[Launch]) -> Hashable:
    """What a host must have to make all of these launches."""
    return frozenset((launch.cell.device, launch.cell.cores) for launch in block if not launch.skip)


def _fits(block: Sequence[Launch], host: Host) -> bool:
    return all(launch.skip or host.offers(launch.cell) for launch in block)


def _check(launches: Sequence[Launch], hosts: Sequence[Host]) -> None:
    """Raises UserError when some launch fits no host."""
    for cell in {(one.cell.device, one.cell.cores): one.cell for one in launches if not one.skip}.values():
        if not any(host.offers(cell) for host in hosts):
            raise UserError(
                f"no host has {cell.device} and {counted(cell.cores, 'core')} for {cell.adapter}",
                "choose another --device, fewer --threads, or a cluster that has such hosts",
            )
