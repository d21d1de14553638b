"""An NVIDIA GPU through NVML, the library of nvidia-smi; nvidia-ml-py is its official Python binding."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from levelfield.adapters.runtime import visible
from levelfield.harness.probes.probe import Probe, Watched, Window, unavailable, why
from levelfield.harness.probes.samples import Samples, at, inside
from levelfield.harness.records.quantity import Measured, Quantity

AVERAGING = 1.0  # seconds over which the driver averages utilization.gpu and the power, at most
LEAST_ENERGY = 3.0  # seconds; the counter moves in steps, of which a short window would show the edges
# Reasons for a lower clock that are no throttling: an idle device, and clocks that somebody has set
_NO_THROTTLING = 0x1 | 0x2 | 0x100  # nvmlClocksEventReasonGpuIdle, …ApplicationsClocksSetting, …DisplayClockSetting


# quantity → its unit, and what NVML calls it
_MEANING = {
    "gpu_kernel_share": ("1", "NVML utilization.gpu: time in which any kernel ran; an idle detector only"),
    "gpu_memory_used": ("B", "NVML memory.used of the whole board, the highest sample"),
    "gpu_power": ("W", "NVML power.draw of the whole board, mean of the samples"),
    "gpu_clock_sm": ("Hz", "NVML clocks.sm, mean of the samples"),
    "gpu_clock_memory": ("Hz", "NVML clocks.mem, mean of the samples"),
    "gpu_throttled": ("1", "NVML clocks_event_reasons: share of the samples with a cap on power or heat"),
    "energy": ("J", "NVML total energy of the whole board: holds where nobody else uses it"),
}


def open_device(device: str) -> tuple[Any, Any] | str:
    """The module pynvml and the handle of ``gpu:N``, counted as the workers count; or why there is none."""
    try:
        import pynvml
    except ImportError:
        return "nvidia-ml-py is not installed: pip install 'levelfield[nvidia]'"
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return f"NVML: {why(error)}"
    try:
        name = visible(int(device.partition(":")[2] or 0))
        if name.isdigit():
            return pynvml, pynvml.nvmlDeviceGetHandleByIndex(int(name))
        return pynvml, pynvml.nvmlDeviceGetHandleByUUID(name)
    except pynvml.NVMLError as error:
        pynvml.nvmlShutdown()
        return f"NVML: {why(error)}"


class Nvml(Probe):
    """`gpu_kernel_share` is the share of time in which any kernel ran: it finds idle time and says no more.

    `energy`, `gpu_power` and `gpu_memory_used` are the whole board's: they hold where nobody else uses it.
    """

    names = tuple(_MEANING)
    kinds = ("gpu",)

    def __init__(self, watched: Watched) -> None:
        super().__init__(watched)
        self.samples: dict[str, Samples] = {name: [] for name in self.names}
        self.reasons: dict[str, str] = {}

    def available(self) -> str | None:
        found = open_device(self.watched.device)
        if isinstance(found, str):
            return found
        self.nvml, self.handle = found
        return None

    def start(self) -> None:
        nvml, handle = self.nvml, self.handle
        self.queries: dict[str, Callable[[], float]] = {
            "gpu_kernel_share": lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100,
            "gpu_memory_used": lambda: nvml.nvmlDeviceGetMemoryInfo(handle).used,
            "gpu_power": lambda: nvml.nvmlDeviceGetPowerUsage(handle) / 1e3,  # it tells mW
            "gpu_clock_sm": lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM) * 1e6,  # it tells MHz
            "gpu_clock_memory": lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_MEM) * 1e6,
            "gpu_throttled": lambda: bool(nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle) & ~_NO_THROTTLING),
            "energy": lambda: nvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1e3,  # it tells mJ
        }
        self.sample()

    def sample(self) -> None:
        for name, query in self.queries.items():
            if name not in self.reasons:
                try:
                    value = float(query())
                    self.samples[name].append((time.monotonic(), value))
                except self.nvml.NVMLError as error:
                    self.reasons[name] = f"NVML: {why(error)}"

    def stop(self, window: Window) -> Mapping[str, Quantity]:
        self.nvml.nvmlShutdown()
        found: dict[str, Quantity] = {}
        for name in self.names:
            reason = self.reasons.get(name) or _too_short(name, window)
            try:
                value = None if reason else _over(name, self.samples[name], window)
            except ValueError as error:
                reason, value = str(error), None
            if value is None:
                found |= unavailable([name], reason or "no sample fell into the steady epochs")
            else:
                unit, source = _MEANING[name]
                found[name] = Measured(value=value, unit=unit, source=source)
        return found


def _too_short(name: str, window: Window) -> str | None:
    least = {"gpu_kernel_share": AVERAGING, "gpu_power": AVERAGING, "energy": LEAST_ENERGY}.get(name, 0.0)
    if window.seconds >= least:
        return None
    return f"needs steady epochs of {least:g} s, these lasted {window.seconds:.2g} s"


def _over(name: str, samples: Samples, window: Window) -> float | None:
    if name == "energy":
        return at(samples, window.end) - at(samples, window.begin)
    values = inside(samples, window)
    if not values:
        return None
    return max(values) if name == "gpu_memory_used" else sum(values) / len(values)
