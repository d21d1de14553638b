"""What the control groups of this process allow: CPU time and memory, in version 1 and 2, on every level.

A limit on any group above a process' own binds as well, and a container sees none of them at the root of its tree.
"""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Literal

_NO_LIMIT = 2**60  # version 1 tells a number of this size where there is no limit of memory


def controller(name: str, cgroup: str, mountinfo: str) -> Path | None:
    """This process' folder of a controller, from ``/proc/self/cgroup`` and ``/proc/self/mountinfo``.

    Version 1 where it has that controller, else version 2.
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
            if kind == "cgroup" and name in controllers.split(",") and name in options.split(","):
                return Path(mount + inside)
            if kind == "cgroup2" and controllers == "":
                unified = Path(mount + inside)
    return unified


def levels(name: str, root: Path = Path("/")) -> list[Path]:
    """The folders of a controller that bind this process, its own first; files are read below `root`."""
    own = controller(name, read(root / "proc/self/cgroup"), read(root / "proc/self/mountinfo"))
    return [] if own is None else [root / str(group).lstrip("/") for group in (own, *own.parents)]


def quota(root: Path = Path("/")) -> float | None:
    """The cores' worth of CPU time that the control groups allow, the strictest of them; None: no limit."""
    groups = levels("cpu", root)
    limits = [parse_cpu_max(read(group / "cpu.max")) for group in groups]
    limits += [parse_cfs(read(group / "cpu.cfs_quota_us"), read(group / "cpu.cfs_period_us")) for group in groups]
    return min((limit for limit in limits if limit is not None), default=None)


def memory_limit(root: Path = Path("/")) -> int | None:
    """Bytes that the control groups allow, the strictest of them; None: no limit."""
    names = ("memory.max", "memory.limit_in_bytes")
    limits = [parse_bytes(read(group / name)) for group in levels("memory", root) for name in names]
    return min((limit for limit in limits if limit is not None), default=None)


def memory_kills(root: Path = Path("/")) -> int | None:
    """Processes of this group that the system has killed so far because memory was short; None: it does not tell."""
    for group in levels("memory", root)[:1]:
        for name in ("memory.events", "memory.oom_control"):
            for line in read(group / name).splitlines():
                match line.split():
                    case ["oom_kill", count] if count.isdecimal():
                        return int(count)
    return None


def ended(code: int, kills: int | None) -> tuple[str, Literal["exit", "signal", "memory"]]:
    """How a process ended, and of what kind that is; `kills` are the `memory_kills` before it did."""
    if code >= 0:
        return f"ended with exit code {code}", "exit"
    how, now = f"ended by {signal.Signals(-code).name}", memory_kills()
    if code != -signal.SIGKILL or now is None or kills is None or now <= kills:
        return how, "signal"
    limit = memory_limit()
    whose = "the machine's memory" if limit is None else f"the control group's {limit / 1e6:,.0f} MB of memory"
    return f"{how}: {whose} did not suffice", "memory"


def parse_bytes(text: str) -> int | None:
    """A limit of memory, where there is one ("max", and version 1's huge numbers, are none)."""
    word = text.strip()
    return int(word) if word.isdecimal() and len(word) < 20 and int(word) < _NO_LIMIT else None


def parse_cpu_max(text: str) -> float | None:
    """Cores allowed by version 2's ``cpu.max`` ("max 100000", "150000 100000"); None: no limit."""
    match text.split():
        case [allowed, period]:
            return parse_cfs(allowed, period)
    return None


def parse_cfs(allowed: str, period: str) -> float | None:
    """Cores allowed by version 1's quota and period in µs (a quota of −1 is none); None: no limit."""
    try:
        quota_us, period_us = int(allowed), int(period)
    except ValueError:
        return None
    return quota_us / period_us if quota_us > 0 and period_us > 0 else None


def read(path: Path) -> str:
    """The text of a file of the system; empty where there is none."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
