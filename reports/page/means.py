"""Means over seeds as cells of a table: the interval beside them, or why there is none."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite

from levelfield.harness.judge.statistics import Interval
from levelfield.reports.findings.text import count, fixed, loss, significant
from levelfield.reports.page.blocks import Value, absent, number


def of_loss(interval: Interval | None) -> Value:
    return _value(interval, loss, "not finite")


def of_share(interval: Interval | None, unit: str = "", otherwise: str = "no accuracy") -> Value:
    """In hundredths."""
    return _value(interval, lambda v: fixed(100 * v, 2), otherwise, unit)


def of_fits(interval: Interval | None) -> Value:
    return _value(interval, significant, "no fit that ended")


def _value(interval: Interval | None, shown: Callable[[float], str], otherwise: str, unit: str = "") -> Value:
    if interval is None:
        return absent(otherwise)
    limits = f"{shown(interval.low)} … {shown(interval.high)}"
    if not isfinite(interval.low):
        limits = f"{count(interval.n, 'seed')}: no interval"
    return number(f"{shown(interval.estimate)}{unit}", interval.estimate, detail=limits)
