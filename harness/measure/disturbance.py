"""What else the machine did while a launch was timed, and the rules, fixed beforehand, by which that voids it.

All shares are of wall time × cores. What a machine does not tell is absent, never zero.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from levelfield.harness.probes.cpu import below

# A launch is marked when one of these shares is exceeded; it is then repeated, at most MOST_REPEATS times.
RULES: Mapping[str, float] = {
    "steal": 0.02,  # the hypervisor gave the core to another guest
    "foreign": 0.10,  # other processes of this machine ran; the counters tick in 10 ms, so this cannot be finer
    "throttled": 0.0,  # the control group's CPU quota stopped us
}
MOST_REPEATS = 3
# Recorded, but no rule: a framework's own threads cause these too.
#   pressure     share of wall time in which some runnable task had to wait (Linux' pressure stall information)
#   involuntary  involuntary context switches of the process per second


@dataclass(frozen=True)
class Snapshot:
    """Counters at one moment; None where the system does not have them. Times in seconds."""

    wall: float
    own: float
    busy: float | None
    steal: float | None
    pressure: float | None
    switches: int
    throttled: float | None


def snapshot(family: int | None = None) -> Snapshot:
    """`family`: the process below which all are this launch's own, where there are others than this one."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    busy, steal = _stat()
    return Snapshot(
        wall=time.monotonic(),
        own=usage.ru_utime + usage.ru_stime + (below(family) if family is not None else 0.0),
        busy=busy,
        steal=steal,
        pressure=parse_pressure(_read(Path("/proc/pressure/cpu"))),
        switches=usage.ru_nivcsw,
        throttled=parse_throttled(_read(_cpu_stat())),
    )


def between(before: Snapshot, after: Snapshot, cores: int) -> dict[str, float]:
    """Name → share, or rate, of what happened between two moments."""
    wall = max(after.wall - before.wall, 1e-9)
    found: dict[str, float] = {"involuntary": (after.switches - before.switches) / wall}
    if before.busy is not None and after.busy is not None:
        foreign = (after.busy - before.busy) - (after.own - before.own)
        found["foreign"] = max(foreign, 0.0) / (wall * cores)
    if before.steal is not None and after.steal is not None:
        found["steal"] = (after.steal - before.steal) / (wall * cores)
    if before.pressure is not None and after.pressure is not None:
        found["pressure"] = (after.pressure - before.pressure) / wall
    if before.throttled is not None and after.throttled is not None:
        found["throttled"] = (after.throttled - before.throttled) / wall
    return found


def verdict(shares: Mapping[str, float]) -> str | None:
    """Why a launch is void, by the rules; None when it is clean."""
    broken = [
        f"{name} {shares[name]:.0%} (more than {most:.0%})"
        for name, most in RULES.items()
        if shares.get(name, 0) > most
    ]
    return "disturbed: " + ", ".join(broken) if broken else None


def parse_stat(text: str, tick: float) -> tuple[float | None, float | None]:
    """Busy and stolen seconds of all cores together, from ``/proc/stat``."""
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["cpu"]:
            fields = [int(word) for word in words[1:9]]
            if len(fields) < 8:
                return None, None
            user, nice, system, _idle, _wait, interrupts, soft, steal = fields
            return (user + nice + system + interrupts + soft) * tick, steal * tick
    return None, None


def parse_pressure(text: str) -> float | None:
    """Seconds in which some task waited for a CPU, from ``/proc/pressure/cpu``."""
    for line in text.splitlines():
        if line.startswith("some "):
            total = line.rpartition("total=")[2]
            return int(total) / 1e6 if total.isdigit() else None
    return None


def parse_throttled(text: str) -> float | None:
    """Seconds for which the control group was throttled, from ``cpu.stat`` of version 2 or 1."""
    units = {"throttled_usec": 1e6, "throttled_time": 1e9}
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if name in units and value.strip().isdigit():
            return int(value) / units[name]
    return None


def cpu_controller(cgroup: str, mountinfo: str) -> Path | None:
    """This process' folder of the CPU controller, from ``/proc/self/cgroup`` and ``/proc/self/mountinfo``.

    Version 1 where it has the CPU controller, else version 2.
    """
    groups = {}  # controllers → path; version 2 has the empty name
    for line in cgroup.splitlines():
        if line.count(":") >= 2:
            _, controllers, path = line.split(":", 2)
            groups[controllers] = path
    unified = None
    for line in mountinfo.splitlines():
        left, dash, right = line.partition(" - ")
        if not dash or len(left.split()) < 5 or len(right.split()) < 3:
            continue
        root, mount = left.split()[3:5]
        kind, _, options = right.split()[:3]
        for controllers, path in groups.items():
            inside = path.removeprefix(root) if root != "/" else path
            if kind == "cgroup" and "cpu" in controllers.split(",") and "cpu" in options.split(","):
                return Path(mount + inside)
            if kind == "cgroup2" and controllers == "":
                unified = Path(mount + inside)
    return unified


@cache
def _cpu_stat() -> Path:
    folder = cpu_controller(_read(Path("/proc/self/cgroup")), _read(Path("/proc/self/mountinfo")))
    return (folder or Path("/nonexistent")) / "cpu.stat"


def _stat() -> tuple[float | None, float | None]:
    return parse_stat(_read(Path("/proc/stat")), 1 / os.sysconf("SC_CLK_TCK"))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
