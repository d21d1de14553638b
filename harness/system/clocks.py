"""The clocks of a launch, bound before any adapter is imported, and held against each other.

An adapter shares its process with the harness, and may put another function in the place of `time.perf_counter`. So
a worker imports this module before anything foreign: its times are taken with the functions that it bound then. A
`Guard`, made at that moment, tells afterwards whether somebody has exchanged one of them, and `Pair` measures the same
intervals with two clocks of the system, one of which the other's adjustments do not reach.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from statistics import median

clock: Callable[[], float] = time.perf_counter
monotonic: Callable[[], float] = time.monotonic

# Of `time`: what a clock of Python's may be read with
_NAMES = (
    "perf_counter",
    "perf_counter_ns",
    "monotonic",
    "monotonic_ns",
    "time",
    "time_ns",
    "clock_gettime",
    "clock_gettime_ns",
    "process_time",
    "thread_time",
)
# Modules of ours that keep a bound clock, and under which name
_KEPT = {
    __name__: ("clock", "monotonic"),
    "levelfield.harness.measure.protocol": ("clock",),
    "levelfield.harness.measure.looks": ("clock",),
}
# Told differently by more than this: the system may slew one clock by 500 parts in a million. In seconds, what a clock
# may be coarse by
SLEW, COARSE = 2e-3, 2e-6


def _raw() -> Callable[[], float]:
    """A second clock of the system; where there is none, the bound one."""
    if not hasattr(time, "CLOCK_MONOTONIC_RAW"):
        return time.monotonic
    read, which = time.clock_gettime, time.CLOCK_MONOTONIC_RAW
    return lambda: read(which)


class Guard:
    """Remembers the clocks as they are when it is made."""

    def __init__(self) -> None:
        self._own = {name: getattr(time, name) for name in _NAMES if hasattr(time, name)}
        self._bound = {"clock": clock, "monotonic": monotonic}

    def changed(self) -> str | None:
        """Which clock is another one now, or None."""
        for name, function in self._own.items():
            if getattr(time, name, None) is not function:
                return f"the clock was changed: time.{name} is not the one that Python came with"
        for module, names in _KEPT.items():
            for name in names:
                if module in sys.modules and getattr(sys.modules[module], name, None) is not self._bound[name]:
                    return f"the clock was changed: {module}.{name} was exchanged"
        return None


class Pair:
    """Intervals in seconds by the bound clock (`told`), and by another one of the system: `least` and `most`.

    The other clock is read before and after the bound one, so that a process that is stopped between two readings only
    widens what it knows. First of each list is the time from the first interval's beginning to the end of the last.
    """

    def __init__(self) -> None:
        self.other = _raw()
        self.told: list[float] = [0.0]
        self.least: list[float] = [0.0]
        self.most: list[float] = [0.0]
        self._first = self._began = (0.0, 0.0, 0.0)

    def begin(self, before: float, told: float) -> None:
        """The bound clock has just read `told`, and `other` had read `before` just before."""
        self._began = before, told, self.other()

    def end(self, before: float, told: float) -> None:
        """As `begin`, at the end of the interval that it began."""
        after = self.other()
        if len(self.told) == 1:
            self._first = self._began
        for kept in (self.told, self.least, self.most):
            kept.append(0.0)
        for place, (begin, start, began) in ((0, self._first), (-1, self._began)):
            self.told[place], self.least[place], self.most[place] = told - start, before - began, after - begin


def disagreement(told: Sequence[float], least: Sequence[float], most: Sequence[float]) -> str | None:
    """Why two clocks cannot both be right about what a `Pair` has, or None."""
    if not told:
        return None
    beyond = [
        max(low - value, value - high) - SLEW * value - COARSE
        for value, low, high in zip(told, least, most, strict=True)
    ]
    if beyond[0] <= 0 and median(beyond[1:] or [0.0]) <= 0:
        return None
    return f"the clock was changed: it told {told[0]:.4g} s where another one told {least[0]:.4g} to {most[0]:.4g} s"
