"""What about this machine disturbs measurements, and how to change it; what it does not show is unknown."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from levelfield.harness.measure import disturbance
from levelfield.harness.system.control_groups import quota, read
from levelfield.harness.system.numbers import counted

State = Literal["good", "disturbs", "unknown"]
_CPUS = Path("sys/devices/system/cpu")
_HUGE_PAGES = "sys/kernel/mm/transparent_hugepage/enabled"


@dataclass(frozen=True)
class Condition:
    """One thing that may disturb; `remedy` says how to change it, where it does and somebody can."""

    name: str
    state: State
    found: str
    remedy: str | None = None


def conditions(root: Path = Path("/"), cores: Iterable[int] = ()) -> list[Condition]:
    """What the files below `root` tell (``/proc`` and ``/sys`` as they are) about the given cores."""
    own = sorted(cores)
    return [
        _governor(root),
        _turbo(root),
        _hyperthreads(root, own),
        _virtual(root),
        _load(root, len(own) or 1),
        _pressure(root),
        _swap(root),
        _huge_pages(root),
        _quota(root, len(own) or 1),
    ]


def others(seconds: float, cores: int) -> Condition:
    """What other processes and guests take of the cores while this one sleeps for `seconds`."""
    before = disturbance.snapshot()
    time.sleep(seconds)
    shares = disturbance.between(before, disturbance.snapshot())
    known = {name: shares[name] for name in disturbance.RULES if name in shares}
    if not known:
        return Condition("others", "unknown", "this system has no counters of CPU time")
    found = ", ".join(f"{name} {share:.0%}" for name, share in known.items()) + f" of the cores in {seconds:g} s"
    remedy = "end what else runs: it makes intervals wider, and voids peaks and the use of the device"
    return _judged("others", disturbance.verdict(shares) is None, found, remedy)


def _judged(name: str, good: bool, found: str, remedy: str) -> Condition:
    return Condition(name, "good", found) if good else Condition(name, "disturbs", found, remedy)


def parse_chosen(text: str) -> str | None:
    """Of "always [madvise] never": the word in brackets."""
    found = re.search(r"\[([a-z+_]+)\]", text)
    return found.group(1) if found else None


def parse_pressure_average(text: str) -> float | None:
    """Per cent of the last ten seconds in which some task waited for a CPU, from ``/proc/pressure/cpu``."""
    found = re.search(r"^some avg10=(\d+(?:\.\d+)?) ", text, re.MULTILINE)
    return float(found.group(1)) if found else None


def parse_kilobytes(text: str, name: str) -> int | None:
    """A line "SwapTotal:  1024 kB" of ``/proc/meminfo``, in kB."""
    found = re.search(rf"^{re.escape(name)}:\s+(\d+) kB$", text, re.MULTILINE)
    return int(found.group(1)) if found else None


def parse_cores(text: str) -> list[int]:
    """A list such as "0-2,5"; empty where it is none."""
    cores: list[int] = []
    for part in text.strip().split(","):
        if found := re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", part):
            first = int(found.group(1))
            cores += range(first, int(found.group(2) or first) + 1)
        else:
            return []
    return cores


def _governor(root: Path) -> Condition:
    found = {read(path).strip() for path in (root / _CPUS).glob("cpu[0-9]*/cpufreq/scaling_governor")} - {""}
    if not found:
        return Condition("governor", "unknown", "this system does not show its frequency governor (usual in a guest)")
    how = "sudo cpupower frequency-set --governor performance"
    return _judged("governor", found == {"performance"}, ", ".join(sorted(found)), how)


def _turbo(root: Path) -> Condition:
    for path, off in (("intel_pstate/no_turbo", "1"), ("cpufreq/boost", "0")):
        value = read(root / _CPUS / path).strip()
        if value:
            if value == off:
                return Condition("turbo", "good", "off")
            how = f"echo {off} | sudo tee /{_CPUS / path}"
            return Condition("turbo", "disturbs", "on: the clock follows temperature and neighbours", how)
    return Condition("turbo", "unknown", "this system does not show its turbo (usual in a guest)")


def _hyperthreads(root: Path, cores: list[int]) -> Condition:
    siblings = {core: parse_cores(read(root / _CPUS / f"cpu{core}/topology/thread_siblings_list")) for core in cores}
    if not any(siblings.values()):
        return Condition("hyperthreads", "unknown", "this system does not show which threads share a core")
    shared = [core for core, all_of_them in siblings.items() if len(all_of_them) > 1]
    if not shared:
        return Condition("hyperthreads", "good", "no two of the threads that it shows share a core")
    how = "echo off | sudo tee /sys/devices/system/cpu/smt/control, or keep the sibling threads idle"
    listed = " and ".join(str(core) for core in siblings[shared[0]])
    return Condition("hyperthreads", "disturbs", f"threads {listed} share a core", how)


def _virtual(root: Path) -> Condition:
    flags = re.search(r"^flags\s*:.*\bhypervisor\b", read(root / "proc/cpuinfo"), re.MULTILINE)
    busy, steal = disturbance.parse_stat(read(root / "proc/stat"), 1.0)
    if not flags:
        known = bool(read(root / "proc/cpuinfo"))
        return Condition("virtual machine", "good" if known else "unknown", "no" if known else "cannot be seen")
    if busy is None or steal is None:
        return Condition("virtual machine", "disturbs", "yes, and its stolen time cannot be seen", "use a real one")
    share = steal / (busy + steal) if busy + steal else 0.0
    found = f"yes; since its start {share:.1%} of its busy time went to other guests"
    return Condition("virtual machine", "disturbs", found, "a machine of its own, or a guest with dedicated cores")


def _load(root: Path, cores: int) -> Condition:
    words = read(root / "proc/loadavg").split()
    try:
        load = float(words[0])
    except (IndexError, ValueError):
        return Condition("load", "unknown", "this system does not show its load")
    found = f"{load:.1f} on {counted(cores, 'core')} over the last minute"
    return _judged("load", load <= 0.5 * cores, found, "end what else runs, or wait a minute")


def _pressure(root: Path) -> Condition:
    average = parse_pressure_average(read(root / "proc/pressure/cpu"))
    if average is None:
        return Condition("pressure", "unknown", "this kernel does not account for pressure (psi=1 at boot)")
    found = f"tasks waited for a CPU in {average:g} % of the last ten seconds"
    return _judged("pressure", average <= 5, found, "end what else runs")


def _swap(root: Path) -> Condition:
    memory = read(root / "proc/meminfo")
    total, free = parse_kilobytes(memory, "SwapTotal"), parse_kilobytes(memory, "SwapFree")
    if total is None or free is None:
        return Condition("swap", "unknown", "this system does not show its swap")
    if total - free <= 0:
        return Condition("swap", "good", "none in use")
    return Condition("swap", "disturbs", f"{(total - free) / 1024:.0f} MiB in use", "sudo swapoff --all")


def _huge_pages(root: Path) -> Condition:
    chosen = parse_chosen(read(root / _HUGE_PAGES))
    if chosen is None:
        return Condition("huge pages", "unknown", "this system does not show how it gives out huge pages")
    if chosen != "always":
        return Condition("huge pages", "good", chosen)
    how = f"echo madvise | sudo tee /{_HUGE_PAGES}"
    return Condition("huge pages", "disturbs", "always: launches differ by which arrays got them", how)


def _quota(root: Path, cores: int) -> Condition:
    if not read(root / "proc/self/cgroup"):
        return Condition("CPU quota", "unknown", "this system has no control groups")
    allowed = quota(root)
    if allowed is None:
        return Condition("CPU quota", "good", "none that its control groups show")
    found = f"{allowed:g} cores' worth of CPU time for the {counted(cores, 'core')} in use"
    how = "raise the limit, or pin: taskset --cpu-list 0 levelfield …"
    return _judged("CPU quota", allowed >= cores, found, how)
