"""What a run ran on: the facts that a reader needs to judge it, and none that identify its user."""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import os
import platform
import re
import socket
import subprocess
from pathlib import Path
from typing import NamedTuple

from pydantic import Field

import levelfield
from levelfield.harness.system import control_groups
from levelfield.harness.system.frozen import Frozen
from levelfield.harness.system.numbers import counted
from levelfield.harness.system.paths import PACKAGE, ROOT


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
    commit: str | None = Field(description="of levelfield's checkout; None where it is an installed package")
    levelfield: str | None = Field(None, description="its version")
    package: str | None = Field(None, description="the digest of an installed package's files, see `package`")

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
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def _cpuinfo(field: str) -> str:
    """Of the first CPU, as the system tells it; empty where it does not."""
    found = re.search(rf"^{field}\s*:\s*(.+)$", control_groups.read(Path("/proc/cpuinfo")), re.MULTILINE)
    return found.group(1).strip() if found else ""


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


def package() -> str | None:
    """``sha256:`` and a digest of the files that a wheel installed, with ``+changes`` where one is not as it came.

    Two installs of one wheel have one digest. None for a checkout, and for what leaves no list of its files.
    """
    try:
        found = importlib.metadata.distribution("levelfield")
    except importlib.metadata.PackageNotFoundError:
        return None
    ours = [file for file in found.files or () if file.parts[0] == PACKAGE.name and file.hash is not None]
    if not ours or Path(str(found.locate_file(""))).resolve() != ROOT.resolve():
        return None
    came = {file.as_posix(): file.hash.value for file in ours if file.hash is not None}
    digest = hashlib.sha256("".join(f"{name} {came[name]}\n" for name in sorted(came)).encode()).hexdigest()
    changed = any(_digest(ROOT / name) != value for name, value in came.items())
    return f"sha256:{digest[:16]}" + ("+changes" if changed else "")


def _digest(path: Path) -> str | None:
    """As the list of an installed distribution's files writes it; None where the file cannot be read."""
    try:
        content = hashlib.sha256(path.read_bytes()).digest()
    except OSError:
        return None
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def memory() -> int:
    """Bytes that this process may use: the machine's, or less where a control group on any level says so."""
    limit = control_groups.memory_limit()
    return _installed() if limit is None else min(_installed(), limit)


def available() -> int:
    """Bytes of memory that new processes can have without others losing any."""
    import psutil

    free: int = psutil.virtual_memory().available
    return min(free, memory())


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
        package=package(),
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
    if "hypervisor" in _cpuinfo("flags"):
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
        if quota < 1:
            found[-1] += (
                " It stops that core for a part of each period. Ratios between epochs that fit between two stops and "
                f"longer ones are off by up to {1 / quota:.2g} times."
            )
    if limit is not None and limit < _installed():
        found.append(f"A control group limits memory to {limit / 1e6:,.0f} MB.")
    return found
