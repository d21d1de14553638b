"""An adapter whose module puts a slower clock in the place of `time.perf_counter`, when it is imported."""

from __future__ import annotations

import time

from levelfield.adapters.numpy.manual import NumpyManual

_real = time.perf_counter
time.perf_counter = lambda: _real() / 2  # type: ignore[method-assign]


class PatchesTheClock(NumpyManual):
    name = "patches-the-clock"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
