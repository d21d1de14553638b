"""A TPU through libtpu's monitoring library, ``libtpu.sdk.tpumonitoring``, beside the process that is at work."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from levelfield.harness.probes.probe import Probe, Watched, Window, unavailable, why
from levelfield.harness.probes.samples import Samples, inside
from levelfield.harness.records.quantity import Measured, Quantity

# quantity → the library's metric, what one of its units is, our unit; `tpu_duty_cycle` reads 100 % where the tensor
# core is 14 % busy, so prefer `tpu_tensorcore_util`
METRICS = {
    "tpu_tensorcore_util": ("tensorcore_util", 0.01, "1"),
    "tpu_duty_cycle": ("duty_cycle_pct", 0.01, "1"),
    "tpu_memory_used": ("hbm_capacity_usage", 1.0, "B"),
    "tpu_memory_total": ("hbm_capacity_total", 1.0, "B"),
}


class Tpu(Probe):
    """Metrics are lists of texts, one for each chip of this host (for memory and tensor cores: one for each core)."""

    names = tuple(METRICS)
    kinds = ("tpu",)
    every = 0.5

    def __init__(self, watched: Watched, dev: Path = Path("/dev")) -> None:
        super().__init__(watched)
        self.dev = dev
        self.samples: dict[str, Samples] = {name: [] for name in METRICS}
        self.reasons: dict[str, str] = {}

    def available(self) -> str | None:
        if not [*self.dev.glob("accel*"), *self.dev.glob("vfio/[0-9]*")]:
            # Asked without a chip, the library searches the network for minutes (libtpu 0.0.51)
            return "this machine shows no TPU: neither /dev/accel* nor /dev/vfio/N"
        try:
            from libtpu.sdk import tpumonitoring
        except ImportError as error:
            return f"libtpu's monitoring library is not there: {error}"
        self.library = tpumonitoring
        try:
            supported = tpumonitoring.list_supported_metrics()
        except Exception as error:  # the library has no class of its own for them
            return f"tpumonitoring: {why(error)}"
        for name, (metric, _, _) in METRICS.items():
            if metric not in supported:
                self.reasons[name] = f"tpumonitoring does not support {metric} here"
        return None if len(self.reasons) < len(METRICS) else "tpumonitoring supports none of the metrics here"

    def sample(self) -> None:
        for name, (metric, scale, _) in METRICS.items():
            if name not in self.reasons:
                try:
                    value = self._of_device(self.library.get_metric(metric).data())
                except Exception as error:
                    self.reasons[name] = f"tpumonitoring: {metric}: {why(error)}"
                    continue
                if value is not None:
                    self.samples[name].append((time.monotonic(), scale * value))

    def stop(self, window: Window) -> Mapping[str, Quantity]:
        found: dict[str, Quantity] = {}
        for name, (metric, _, unit) in METRICS.items():
            values = inside(self.samples[name], window)
            if name in self.reasons:
                found |= unavailable([name], self.reasons[name])
            elif not values:
                found |= unavailable([name], f"tpumonitoring gave no {metric} in the steady epochs")
            else:
                value = max(values) if unit == "B" else sum(values) / len(values)
                how = "the highest sample" if unit == "B" else "mean of the samples"
                found[name] = Measured(value=value, unit=unit, source=f"libtpu tpumonitoring {metric}, {how}")
        return found

    def _of_device(self, data: Sequence[str]) -> float | None:
        """The value of the device that is watched; the library gives an empty list while no program holds the chips."""
        number = int(self.watched.device.partition(":")[2] or 0)
        return float(data[number]) if number < len(data) else None
