"""What a run ran on: the facts that a reader needs to judge it, and none that identify its user."""

from __future__ import annotations

import os
import platform
import re
import socket
import subprocess
from pathlib import Path
from typing import NamedTuple

import levelfield
from levelfield.harness.system import control_groups
from levelfield.harness.system.frozen import Frozen
from levelfield.harness.system.numbers import counted
from levelfield.harness.system.paths import ROOT


class MachineType(NamedTuple):
    """What two machines have in common when their times may stand in one comparison; the host's name is no part."""

    cpu: str
    cores: int
    memory_gib: int  # rounded: of two alike, one may keep a few MB more for itself
    system: str

    def __str__(self) -> str:
        return f"{self.cpu}, {self.cores} core{'' if self.cores == 1 else 's'}, {self.memory_gib} GiB, {self.system}"


class Machine(Frozen):
    """Where a launch ran. `host` is None when the user asked for anonymity."""

    host: str | None
    system: str
    cpu: str
    cores: int
    memory_bytes: int
    python: str
    commit: str | None
    levelfield: str | None = None  # its version; the commit is known of a checkout only

    @property
    def type(self) -> MachineType:
        return MachineType(self.cpu, self.cores, round(self.memory_bytes / 2**30), self.system)


def cores() -> list[int]:
    """The cores to plan with, in ascending order: those that this process may use, no more than its quota fills."""
    usable, quota = _usable(), control_groups.quota()
    return usable if quota is None else usable[: max(1, int(quota))]


def _usable() -> list[int]:
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def cpu_name() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", control_groups.read(Path("/proc/cpuinfo")), re.MULTILINE)
    return found.group(1).strip() if found else platform.processor() or platform.machine()


def commit() -> str | None:
    """Of levelfield's own checkout, with ``+changes`` when it is not clean; None for an installed package."""
    if not (ROOT / ".git").exists():
        return None
    try:
        git = ["git", "-C", str(ROOT)]
        revision = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10)
        state = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if revision.returncode or state.returncode:
        return None
    return revision.stdout.strip() + ("+changes" if state.stdout.strip() else "")


def memory() -> int:
    """Bytes that this process may use: the machine's, or less where a control group on any level says so."""
    limit = control_groups.memory_limit()
    return _installed() if limit is None else min(_installed(), limit)


def _installed() -> int:
    import psutil  # here: a worker under another interpreter needs no psutil

    total: int = psutil.virtual_memory().total
    return total


def describe(anonymous: bool = False) -> Machine:
    return Machine(
        host=None if anonymous else socket.gethostname(),
        system=f"{platform.system()} {platform.release()}",
        cpu=cpu_name(),
        cores=len(cores()),
        memory_bytes=memory(),
        python=platform.python_version(),
        commit=commit(),
        levelfield=levelfield.__version__,
    )


def warnings() -> list[str]:
    """What about this machine, now, makes timings less trustworthy; one sentence each."""
    found = []
    load = os.getloadavg()[0]
    if load > 0.5 * len(cores()):
        found.append(f"The load average was {load:.1f} on {counted(len(cores()), 'core')} when the run started.")
    found += limits()
    for governor in sorted(Path("/sys/devices/system/cpu/cpu0/cpufreq").glob("scaling_governor")):
        if (name := governor.read_text().strip()) != "performance":
            found.append(f"The CPU frequency governor is {name!r}, not 'performance'.")
    if "hypervisor" in _flags():
        found.append("This is a virtual machine: other guests may take time from it.")
    return found


def limits() -> list[str]:
    """What the control groups of this process take from the machine; one sentence each."""
    found = []
    quota, limit = control_groups.quota(), control_groups.memory_limit()
    usable = len(_usable())
    if quota is not None and quota < usable:
        found.append(
            f"A CPU quota allows {quota:.3g} of {counted(usable, 'core')}: {counted(len(cores()), 'core')} "
            f"{'is' if len(cores()) == 1 else 'are'} used, and launches that the quota stops count all the same."
        )
    if limit is not None and limit < _installed():
        found.append(f"A control group limits memory to {limit / 1e6:,.0f} MB.")
    return found


def _flags() -> str:
    found = re.search(r"^flags\s*:\s*(.+)$", control_groups.read(Path("/proc/cpuinfo")), re.MULTILINE)
    return found.group(1) if found else ""
