"""The probes that a launch reads itself, outside its clocks: CPU time, memory, the framework's allocator."""

from __future__ import annotations

import os

from levelfield.adapters.adapter import Setting
from levelfield.adapters.runtime import Runtime
from levelfield.harness.measure.rank_group import Ranks
from levelfield.harness.probes.cpu import CpuTime, mask
from levelfield.harness.probes.memory import Memory
from levelfield.harness.probes.probe import Probe, Watched, Window, contained, unavailable, why
from levelfield.harness.records.quantity import Measured, Quantity
from levelfield.harness.system.clocks import monotonic

ALLOCATOR = "allocator_peak"


class Steady:
    """What is read around the steady epochs of one launch. Made just before the build.

    Of several ranks: the CPU time of all, the memory of the one that asks.
    """

    def __init__(self, runtime: Runtime, setting: Setting, ranks: Ranks | None = None) -> None:
        self.runtime, self.setting = runtime, setting
        self.family = ranks.family if ranks else None  # below which processes count as this launch's own
        self.window = Window(0.0, 0.0)
        self.found: dict[str, Quantity] = {}
        watched = Watched(os.getpid(), setting.device, mask())
        if ranks:
            watched = Watched(ranks.family, setting.device, ranks.cores, family=True)
        self.cpu_time, self.memory = CpuTime(watched), Memory(watched)
        self.reasons: dict[Probe, str | None] = {probe: probe.available() for probe in (self.cpu_time, self.memory)}
        self._start(self.memory)

    def begin(self) -> None:
        """The first epoch is over."""
        self._start(self.cpu_time)
        self._begin = monotonic()

    def end(self) -> None:
        """The last epoch is over, and `fit` has not yet begun to tidy up."""
        self.window = Window(self._begin, monotonic())
        self.found = {**self._stop(self.cpu_time), **self._stop(self.memory), **allocator(self.runtime, self.setting)}

    def _start(self, probe: Probe) -> None:
        if self.reasons[probe] is None:
            try:
                probe.start()
            except Exception as error:
                self.reasons[probe] = why(error)

    def _stop(self, probe: Probe) -> dict[str, Quantity]:
        if (reason := self.reasons[probe]) is not None:
            return unavailable(probe.names, reason)
        return contained(probe, lambda: probe.stop(self.window))


def allocator(runtime: Runtime, setting: Setting) -> dict[str, Quantity]:
    """The peak of the framework's own allocator so far, in bytes."""
    try:
        found = runtime.peak_memory(setting)
    except Exception as error:
        found = why(error)
    if isinstance(found, str):
        return unavailable([ALLOCATOR], found)
    value, source = found
    return {ALLOCATOR: Measured(value=value, unit="B", source=source)}
