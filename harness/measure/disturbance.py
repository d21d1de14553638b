"""What else the machine did while something was measured, and the rules, fixed beforehand, by which that voids it.

They void what is measured alone: peaks, and how a launch used the device in its window. Times of launches that take
turns they do not void: what disturbs one disturbs all of its block.

Shares are of wall time × the cores that the launch may use, so that they mean the same on machines of any size. What a
machine does not tell is absent, never zero.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from levelfield.harness.probes.cpu import below
from levelfield.harness.system import control_groups
from levelfield.harness.system.clocks import monotonic

# Void when one of these shares is exceeded
RULES: Mapping[str, float] = {
    "steal": 0.02,  # the hypervisor gave the core to another guest
    "foreign": 0.10,  # other processes ran on the launch's cores; the counters tick in 10 ms: it cannot be finer
}
# Recorded, but no rule. A framework's own threads cause the first two; a quota stays when a launch is repeated: it is
# named when a run begins, and cores are planned by it.
#   pressure     share of wall time in which some runnable task had to wait (Linux' pressure stall information)
#   involuntary  involuntary context switches of the process per second
#   throttled    seconds, of all cores together, in which the control group's CPU quota stopped the launch, per second
#   elsewhere    share of the cores that the launch could not use which others kept busy


@dataclass(frozen=True)
class Snapshot:
    """Counters at one moment; None where the system does not have them. Times in seconds.

    `busy` and `steal` are those of the launch's own `cores`, so many; `all_busy` is that of the whole machine,
    `quota` the cores' worth of time that its control groups allow, None for any.
    """

    wall: float
    own: float
    busy: float | None
    steal: float | None
    pressure: float | None
    switches: int
    throttled: float | None
    cores: int = 1
    all_busy: float | None = None
    quota: float | None = None


def snapshot(family: int | None = None) -> Snapshot:
    """Of this process' cores; `family`: the process below which all are this launch's own, where there are several."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)  # what the launch has started itself is its own
    cores = cores_of(family or os.getpid())
    busy, steal = _stat(cores)
    times = (usage.ru_utime, usage.ru_stime, ended.ru_utime, ended.ru_stime)
    return Snapshot(
        wall=monotonic(),
        own=sum(times) + below(family or os.getpid()),
        busy=busy,
        steal=steal,
        pressure=parse_pressure(control_groups.read(Path("/proc/pressure/cpu"))),
        switches=usage.ru_nivcsw,
        throttled=parse_throttled(control_groups.read(_cpu_stat())),
        cores=len(cores),
        all_busy=_stat(None)[0],
        quota=control_groups.quota(),
    )


def between(before: Snapshot, after: Snapshot, machine: int | None = None) -> dict[str, float]:
    """Name → share, or rate, of what happened between two moments.

    With the number of cores of the whole `machine` also what others did on the cores that the launch could not use.
    """
    wall = max(after.wall - before.wall, 1e-9)
    room = wall * before.cores
    allowed = wall * min(before.cores, before.cores if before.quota is None else before.quota)
    found: dict[str, float] = {"involuntary": (after.switches - before.switches) / wall}
    throttled = _passed(before.throttled, after.throttled)
    busy, everywhere = _passed(before.busy, after.busy), _passed(before.all_busy, after.all_busy)
    own = after.own - before.own
    if busy is not None:
        # Who runs while a quota stops the launch takes nothing from it: at most what it was allowed and did not get
        found["foreign"] = max(min(busy, allowed) - own, 0.0) / allowed
    if (steal := _passed(before.steal, after.steal)) is not None:
        found["steal"] = steal / room
    if (pressure := _passed(before.pressure, after.pressure)) is not None:
        found["pressure"] = pressure / wall
    if throttled is not None:
        found["throttled"] = throttled / wall
    if busy is not None and everywhere is not None and machine is not None and machine > before.cores:
        # the counters tick in 10 ms: of a short launch they can tell a little more than there is
        found["elsewhere"] = min(max(everywhere - busy, 0.0) / (wall * (machine - before.cores)), 1.0)
    return found


def _passed(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before


def verdict(shares: Mapping[str, float]) -> str | None:
    """Why a launch is void, by the rules; None when it is clean."""
    broken = [
        f"{name} {_above(shares[name], most)} (more than {most:.0%})"
        for name, most in RULES.items()
        if shares.get(name, 0) > most
    ]
    return "disturbed: " + ", ".join(broken) if broken else None


def _above(share: float, most: float) -> str:
    """A share in as many digits as show that it is larger than `most`."""
    for digits in range(6):
        if float(f"{100 * share:.{digits}f}") > 100 * most:
            return f"{share:.{digits}%}"
    return "little more"


def parse_stat(text: str, tick: float, cores: Collection[int] | None = None) -> tuple[float | None, float | None]:
    """Busy and stolen seconds of these cores, or of all together, from ``/proc/stat``; None where one is not told."""
    wanted = {"cpu"} if cores is None else {f"cpu{core}" for core in cores}
    busy, stolen = 0.0, 0.0
    for line in text.splitlines():
        name, *words = line.split() or [""]
        if name in wanted:
            if len(words) < 8:
                return None, None
            user, nice, system, _idle, _wait, interrupts, soft, steal = (int(word) for word in words[:8])
            busy += (user + nice + system + interrupts + soft) * tick
            stolen += steal * tick
            wanted.remove(name)
    return (None, None) if wanted else (busy, stolen)


def parse_pressure(text: str) -> float | None:
    """Seconds in which some task waited for a CPU, from ``/proc/pressure/cpu``."""
    for line in text.splitlines():
        if line.startswith("some "):
            total = line.rpartition("total=")[2]
            return int(total) / 1e6 if total.isdecimal() else None
    return None


def parse_throttled(text: str) -> float | None:
    """Seconds for which the control group was throttled, from ``cpu.stat`` of version 2 or 1."""
    units = {"throttled_usec": 1e6, "throttled_time": 1e9}
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if name in units and value.strip().isdecimal():
            return int(value) / units[name]
    return None


@cache
def _cpu_stat() -> Path:
    return next(iter(control_groups.levels("cpu")), Path("/nonexistent")) / "cpu.stat"


@cache
def cores_of(pid: int) -> frozenset[int]:
    """The cores that a process might use when it was first asked for: some libraries bind its first thread later."""
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(pid))
    return frozenset(range(os.cpu_count() or 1))


def _stat(cores: Collection[int] | None) -> tuple[float | None, float | None]:
    return parse_stat(control_groups.read(Path("/proc/stat")), 1 / os.sysconf("SC_CLK_TCK"), cores)
