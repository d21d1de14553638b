"""The clock of the CPU, as the system tells it: a virtual machine shows its nominal clock."""

from __future__ import annotations

import time
from collections.abc import Mapping

import psutil

from levelfield.harness.probes.probe import Probe, Watched, Window, unavailable
from levelfield.harness.probes.samples import Samples, inside
from levelfield.harness.records.quantity import Measured, Quantity


class CpuClock(Probe):
    names = ("cpu_clock", "cpu_clock_max")
    kinds = ("cpu",)

    def __init__(self, watched: Watched) -> None:
        super().__init__(watched)
        self.samples: Samples = []
        self.most = 0.0

    def available(self) -> str | None:
        return None if getattr(psutil, "cpu_freq", lambda: None)() else "the system does not tell the CPU's clock"

    def sample(self) -> None:
        found = psutil.cpu_freq()
        self.samples.append((time.monotonic(), found.current))
        self.most = found.max

    def stop(self, window: Window) -> Mapping[str, Quantity]:
        values = inside(self.samples, window) or [value for _, value in self.samples]
        found = unavailable(self.names, "the system reads 0, which means that it does not tell")
        if (mean := sum(values) / len(values)) > 0:
            found["cpu_clock"] = Measured(value=1e6 * mean, unit="Hz", source="psutil.cpu_freq current, all cores")
        if self.most > 0:
            found["cpu_clock_max"] = Measured(value=1e6 * self.most, unit="Hz", source="psutil.cpu_freq max")
        return found
