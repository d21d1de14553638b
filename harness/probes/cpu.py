"""CPU time: all threads of the process and of those below it, over the time and the cores that they had."""

from __future__ import annotations

import contextlib
import os
import resource
import sys
import time
from collections.abc import Mapping

from levelfield.harness.probes.probe import Probe, Window
from levelfield.harness.records.quantity import Measured, Quantity
from levelfield.harness.system.memory import descendants


def seconds_of(pid: int) -> float:
    """CPU seconds of all threads of a process so far, to the nanosecond, in half a microsecond.

    Linux gives every process a clock (clock_getcpuclockid(3)). Raises OSError when the process is gone.
    """
    return time.clock_gettime((~pid << 3) | 2)


def mask() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def below(pid: int) -> float:
    """CPU seconds so far of the processes below this one, without those of the process that asks."""
    total = 0.0
    for other in descendants(pid):
        with contextlib.suppress(OSError):  # gone meanwhile: then it is among those that ended
            total += seconds_of(other) if other != os.getpid() else 0.0
    return total


class CpuTime(Probe):
    """In the worker. A thread that spins is busy too, so it says nothing of useful work."""

    names = ("cpu_seconds", "cores_busy", "cpu_share")

    def available(self) -> str | None:
        return None

    def start(self) -> None:
        self.before = self._now()

    def stop(self, window: Window) -> Mapping[str, Quantity]:
        used = self._now() - self.before
        source = "process CPU clock, children included"
        return {
            "cpu_seconds": Measured(value=used, unit="s", source=source),
            "cores_busy": Measured(value=used / window.seconds, unit="cores", source=source),
            "cpu_share": Measured(value=used / window.seconds / self.watched.cores, unit="1", source=source),
        }

    def _now(self) -> float:
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        total = time.process_time() + ended.ru_utime + ended.ru_stime
        if sys.platform == "linux":
            total += below(self.watched.pid)
        return total
