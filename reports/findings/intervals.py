"""Intervals as they may be shown: none from fewer than three values, none wider than the quantity can be."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from levelfield.harness.judge import statistics
from levelfield.harness.judge.statistics import Interval

LEAST = 3  # values


def median_of(values: Sequence[float]) -> Interval:
    """With limits that coincide where there are too few values for any."""
    found = statistics.median_interval(values)
    return found if found.n >= LEAST else Interval(found.estimate, found.estimate, found.estimate, found.n, 0.0)


def mean_of(values: Sequence[float], low: float = -inf, high: float = inf) -> Interval:
    """Student's interval, cut at what the quantity can be; infinite limits from too few values."""
    return bounded(statistics.mean_interval(values), low, high)


def bounded(x: Interval, low: float, high: float) -> Interval:
    if x.n < LEAST:
        return Interval(x.estimate, -inf, inf, x.n, x.confidence)
    return Interval(x.estimate, max(low, x.low), min(high, x.high), x.n, x.confidence)
