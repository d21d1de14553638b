"""What the parts of an NVIDIA GPU did: GPU performance monitoring (GPM), on Hopper and later."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from levelfield.harness.probes.nvml import open_device
from levelfield.harness.probes.probe import Probe, Watched, Window, unavailable
from levelfield.harness.records.quantity import Measured, Quantity

# quantity → the metric's name in NVML, which tells per cent
METRICS = {
    "gpm_sm_util": "NVML_GPM_METRIC_SM_UTIL",
    "gpm_sm_occupancy": "NVML_GPM_METRIC_SM_OCCUPANCY",
    "gpm_tensor_util": "NVML_GPM_METRIC_ANY_TENSOR_UTIL",
    "gpm_dram_util": "NVML_GPM_METRIC_DRAM_BW_UTIL",
}


class Gpm(Probe):
    """Averages between two moments: the first and the last sample inside the steady epochs."""

    names = tuple(METRICS)
    kinds = ("gpu",)

    def __init__(self, watched: Watched) -> None:
        super().__init__(watched)
        self.samples: list[tuple[float, Any]] = []

    def available(self) -> str | None:
        found = open_device(self.watched.device)
        if isinstance(found, str):
            return found
        self.nvml, self.handle = found
        try:
            if self.nvml.nvmlGpmQueryDeviceSupport(self.handle).isSupportedDevice:
                return None
            reason = "this GPU has no performance monitoring through NVML (GPM): Hopper or later has"
        except self.nvml.NVMLError as error:
            reason = f"NVML GPM: {error}"
        self.nvml.nvmlShutdown()
        return reason

    def sample(self) -> None:
        sample = self.nvml.nvmlGpmSampleAlloc()
        try:
            self.nvml.nvmlGpmSampleGet(self.handle, sample)
        except self.nvml.NVMLError:
            self.nvml.nvmlGpmSampleFree(sample)
            raise
        self.samples.append((time.monotonic(), sample))

    def stop(self, window: Window) -> Mapping[str, Quantity]:
        try:
            inside = [sample for moment, sample in self.samples if window.begin <= moment <= window.end]
            if len(inside) < 2:
                lasted = f"fewer than two samples fell into the {window.seconds:.2g} s of steady epochs"
                return unavailable(self.names, f"NVML GPM: {lasted}, they come every {self.every:g} s")
            return self._between(inside[0], inside[-1])
        finally:
            for _, sample in self.samples:
                self.nvml.nvmlGpmSampleFree(sample)
            self.nvml.nvmlShutdown()

    def _between(self, first: Any, last: Any) -> dict[str, Quantity]:
        nvml = self.nvml
        asked = nvml.c_nvmlGpmMetricsGet_t()
        asked.version = nvml.NVML_GPM_METRICS_GET_VERSION
        asked.numMetrics, asked.sample1, asked.sample2 = len(METRICS), first, last
        for metric, name in zip(asked.metrics, METRICS.values(), strict=False):
            metric.metricId = getattr(nvml, name)
        nvml.nvmlGpmMetricsGet(asked)
        found: dict[str, Quantity] = {}
        for metric, (name, theirs) in zip(asked.metrics, METRICS.items(), strict=False):
            if metric.nvmlReturn != nvml.NVML_SUCCESS:
                found |= unavailable([name], f"NVML GPM: {theirs}: {nvml.NVMLError(metric.nvmlReturn)}")
            else:
                found[name] = Measured(value=metric.value / 100, unit="1", source=f"NVML GPM {theirs}")
        return found
