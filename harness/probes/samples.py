"""Values over time, cut to a window: what sampled probes have in common."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from itertools import pairwise

from levelfield.harness.probes.probe import Window

Samples = list[tuple[float, float]]  # (seconds on the monotonic clock, value), in order of time


def inside(samples: Samples, window: Window) -> list[float]:
    """The values that were taken in the window."""
    return [value for moment, value in samples if window.begin <= moment <= window.end]


def at(samples: Samples, moment: float) -> float:
    """A counter at any moment that lies between samples. Raises ValueError outside of them."""
    if not samples or not samples[0][0] <= moment <= samples[-1][0]:
        raise ValueError("the samples do not cover the steady epochs")
    after = min(bisect_right(samples, (moment, float("inf"))), len(samples) - 1)
    (t0, v0), (t1, v1) = samples[max(after - 1, 0)], samples[after]
    return v1 if t1 == t0 else v0 + (v1 - v0) * (moment - t0) / (t1 - t0)


def unwrapped(readings: Iterable[int], limit: int) -> list[int]:
    """A counter that begins again at 0 after `limit`, read at least once a round, as one that only grows."""
    found: list[int] = []
    last = 0
    for reading in readings:
        found.append(found[-1] + (reading - last) % (limit + 1) if found else reading)
        last = reading
    return found


def parts(samples: Samples, window: Window, most: int) -> list[float]:
    """How much a counter grew in each of at most `most` equal parts of the window, no more than it has samples."""
    n = max(1, min(most, len(inside(samples, window))))
    values = [at(samples, window.begin + window.seconds * i / n) for i in range(n + 1)]
    return [b - a for a, b in pairwise(values)]
