"""The process' resident memory: the peak from before the build to the last steady epoch, and the floor it began from.

Not ``ru_maxrss``: that survives a fork and cannot be reset, so that it would tell of the warm parent's past.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from levelfield.harness.probes.probe import Probe, Watched, Window
from levelfield.harness.records.quantity import Measured, Quantity


class Memory(Probe):
    """In the worker. A child forked from a warm parent begins with the parent's pages: compare `memory_above_floor`."""

    names = ("memory_peak", "memory_floor", "memory_above_floor")

    def __init__(self, watched: Watched, proc: Path = Path("/proc/self")) -> None:
        super().__init__(watched)
        self.status, self.clear = proc / "status", proc / "clear_refs"

    def available(self) -> str | None:
        if not self.status.exists():
            return "this system has no /proc/self/status"
        return None if self.clear.exists() else "this kernel cannot reset VmHWM: it has no /proc/self/clear_refs"

    def start(self) -> None:
        self.clear.write_text("5")  # proc(5): the peak becomes what is resident now
        self.floor = self._bytes("VmRSS")

    def stop(self, window: Window) -> Mapping[str, Quantity]:
        peak, of = self._bytes("VmHWM"), " of rank 0 alone" if self.watched.family else ""
        above = max(peak - self.floor, 0)
        return {
            "memory_peak": Measured(value=peak, unit="B", source=f"VmHWM{of}, reset before the build"),
            "memory_floor": Measured(value=self.floor, unit="B", source=f"VmRSS{of} before the build"),
            "memory_above_floor": Measured(value=above, unit="B", source=f"VmHWM{of} less VmRSS before"),
        }

    def _bytes(self, field: str) -> int:
        found = re.search(rf"^{field}:\s*(\d+) kB$", self.status.read_text(), re.MULTILINE)
        if found is None:
            raise ValueError(f"{self.status} has no {field}")
        return int(found.group(1)) * 1024
