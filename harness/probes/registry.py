"""The probes that are sampled outside the worker: ours, and those of outside packages.

A package offers one under the entry-point group ``levelfield.probes``, with the value ``module:Class``: a subclass of
`harness.probes.probe.Probe`. Foreign code is loaded in the sampler's process only.
"""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

from levelfield.harness.probes.busy import Busy
from levelfield.harness.probes.clock import CpuClock
from levelfield.harness.probes.gpm import Gpm
from levelfield.harness.probes.nvml import Nvml
from levelfield.harness.probes.probe import Probe, unavailable, why
from levelfield.harness.probes.rapl import Rapl
from levelfield.harness.probes.tpu import Tpu
from levelfield.harness.records.quantity import Quantity

GROUP = "levelfield.probes"
OURS: tuple[type[Probe], ...] = (Busy, CpuClock, Rapl, Nvml, Gpm, Tpu)


def names(kind: str) -> list[str]:
    """Of the quantities that our own probes give on this kind of device."""
    return list(dict.fromkeys(name for probe in OURS if kind in probe.kinds for name in probe.names))


def folders() -> list[Path]:
    """Where the packages of outside probes are installed."""
    points = importlib.metadata.entry_points(group=GROUP)
    return [Path(str(point.dist.locate_file(""))) for point in points if point.dist is not None]


def load() -> tuple[list[type[Probe]], dict[str, Quantity]]:
    """Ours and the outside ones; for each that cannot be loaded, the reason under the name of its entry point."""
    found: list[type[Probe]] = list(OURS)
    problems: dict[str, Quantity] = {}
    for point in sorted(importlib.metadata.entry_points(group=GROUP), key=lambda p: p.name):
        try:
            found.append(_checked(point.load()))
        except BaseException as error:  # a plug-in may raise anything, SystemExit included
            problems |= unavailable([point.name], f"the probe cannot be loaded: {why(error)}")
    return found, problems


def _checked(probe: object) -> type[Probe]:
    if not (isinstance(probe, type) and issubclass(probe, Probe)):
        raise TypeError("it is no subclass of levelfield.harness.probes.probe.Probe")
    if not (isinstance(getattr(probe, "names", None), tuple) and all(isinstance(name, str) for name in probe.names)):
        raise TypeError("its names must be a tuple of strings")
    return probe
