"""Means over seeds as cells of a table: the interval beside them, or why there is none."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite

from levelfield.harness.judge.statistics import Interval
from levelfield.reports.findings.text import count, fixed, loss
from levelfield.reports.page.blocks import Value, absent, number


def of_loss(interval: Interval | None) -> Value:
    if interval is None:
        return absent("not finite")
    return number(loss(interval.estimate), interval.estimate, detail=_limits(interval, loss))


def of_share(interval: Interval | None, unit: str = "", otherwise: str = "no accuracy") -> Value:
    """In hundredths."""
    if interval is None:
        return absent(otherwise)
    shown = f"{fixed(100 * interval.estimate, 2)}{unit}"
    return number(shown, interval.estimate, detail=_limits(interval, lambda v: fixed(100 * v, 2)))


def _limits(interval: Interval, shown: Callable[[float], str]) -> str:
    if not isfinite(interval.low):
        return f"{count(interval.n, 'seed')}: no interval"
    return f"{shown(interval.low)} … {shown(interval.high)}"
