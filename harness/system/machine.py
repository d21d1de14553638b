"""What a run ran on: the facts that a reader needs to judge it, and none that identify its user."""

from __future__ import annotations

import os
import platform
import re
import socket
import subprocess
from pathlib import Path

import psutil

import levelfield
from levelfield.harness.records.record import Machine
from levelfield.harness.system.paths import ROOT


def cores() -> list[int]:
    """The cores that this process may use, in ascending order."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def cpu_name() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
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
    """Bytes that this process may use: the machine's, or less where its control group says so."""
    total = psutil.virtual_memory().total
    for limit in (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes")):
        try:
            total = min(total, int(limit.read_text()))
        except (OSError, ValueError):  # absent, or "max"
            continue
    return total


def describe(anonymous: bool = False) -> Machine:
    return Machine(
        host=None if anonymous else socket.gethostname(),
        system=f"{platform.system()} {platform.release()}",
        cpu=cpu_name(),
        cores=len(cores()),
        memory_bytes=psutil.virtual_memory().total,
        python=platform.python_version(),
        commit=commit(),
        levelfield=levelfield.__version__,
    )


def warnings() -> list[str]:
    """What about this machine, now, makes timings less trustworthy; one sentence each."""
    found = []
    load = os.getloadavg()[0]
    if load > 0.5 * len(cores()):
        found.append(f"The load average was {load:.1f} on {len(cores())} cores when the run started.")
    for governor in sorted(Path("/sys/devices/system/cpu/cpu0/cpufreq").glob("scaling_governor")):
        if (name := governor.read_text().strip()) != "performance":
            found.append(f"The CPU frequency governor is {name!r}, not 'performance'.")
    if "hypervisor" in _flags():
        found.append("This is a virtual machine: other guests may take time from it.")
    return found


def _flags() -> str:
    try:
        found = re.search(r"^flags\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found.group(1) if found else ""
