"""The core-busy strip: how much of its cores the process used over time."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Mapping

from levelfield.harness.probes.cpu import seconds_of
from levelfield.harness.probes.probe import Probe, Watched, Window
from levelfield.harness.probes.samples import Samples, parts
from levelfield.harness.records.quantity import Quantity
from levelfield.harness.system.memory import children

MOST_PARTS = 100


class Busy(Probe):
    """Of the process' own threads, or of all ranks'; what processes below these do is in `cores_busy` alone."""

    names = ()
    every = 0.02

    def __init__(self, watched: Watched) -> None:
        super().__init__(watched)
        self.samples: Samples = []
        self.used: dict[int, float] = {}  # process → CPU seconds, also of one that has ended

    def available(self) -> str | None:
        return None if sys.platform == "linux" else "only Linux has a CPU clock for every process"

    def sample(self) -> None:
        pids = [self.watched.pid, *(children(self.watched.pid) if self.watched.family else ())]
        with contextlib.suppress(OSError):  # the launch has ended, and this is the last sample
            moment = time.monotonic()
            self.used |= {pid: seconds_of(pid) for pid in pids}
            self.samples.append((moment, sum(self.used.values())))

    def stop(self, window: Window) -> Mapping[str, Quantity]:
        return {}

    def strip(self, window: Window) -> list[float]:
        used = parts(self.samples, window, MOST_PARTS)
        return [round(seconds / (window.seconds / len(used) * self.watched.cores), 3) for seconds in used]
