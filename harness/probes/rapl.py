"""Energy of the CPU from the counters that Linux shows under /sys/class/powercap (Intel and AMD)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from levelfield.harness.probes.probe import Probe, Watched, Window
from levelfield.harness.probes.samples import at, unwrapped
from levelfield.harness.records.quantity import Measured, Quantity


class Rapl(Probe):
    """The counters are the machine's, not the process': on a machine that is shared they count the others too."""

    names = ("energy",)
    kinds = ("cpu",)

    def __init__(self, watched: Watched, root: Path = Path("/sys/class/powercap")) -> None:
        super().__init__(watched)
        self.root = root
        self.times: list[float] = []
        self.readings: list[list[int]] = []  # for each sample µJ by package

    def available(self) -> str | None:
        self.packages = sorted(path.parent for path in self.root.glob("intel-rapl:*/name") if _is_package(path))
        if not self.packages:
            return f"this machine shows no RAPL counter: {self.root} has no package"
        try:
            self._read()
        except PermissionError:
            return f"the RAPL counters are not readable for this user: chmod a+r {self.packages[0]}/energy_uj"
        return None

    def sample(self) -> None:
        self.times.append(time.monotonic())
        self.readings.append(self._read())

    def stop(self, window: Window) -> Mapping[str, Quantity]:
        joules = 0.0
        for number, package in enumerate(self.packages):
            limit = int((package / "max_energy_range_uj").read_text())
            grown = unwrapped((reading[number] for reading in self.readings), limit)
            samples = list(zip(self.times, map(float, grown), strict=True))
            joules += (at(samples, window.end) - at(samples, window.begin)) / 1e6
        if joules <= 0:
            raise ValueError("the RAPL counters stood still")
        source = "RAPL of all packages, whole machine: holds where nothing else runs"
        return {"energy": Measured(value=joules, unit="J", source=source)}

    def _read(self) -> list[int]:
        return [int((package / "energy_uj").read_text()) for package in self.packages]


def _is_package(name: Path) -> bool:
    """Not a part of a package, which its package counts already, and not the platform, which counts packages again."""
    return name.read_text().startswith("package")
