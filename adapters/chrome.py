"""Traces in Chrome's format, which all frameworks' profilers can be read as: events with begin and length."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def complete(events: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those that have a begin and a length."""
    return [one for one in events if one.get("ph") == "X" and "ts" in one and "dur" in one]


def own_seconds(events: Iterable[Mapping[str, Any]]) -> list[tuple[Mapping[str, Any], float]]:
    """Complete events with the seconds that are their own, without those of events inside them on the same thread."""
    threads: dict[object, list[Mapping[str, Any]]] = {}
    for one in complete(events):
        threads.setdefault((one.get("pid"), one.get("tid")), []).append(one)
    found: list[tuple[Mapping[str, Any], float]] = []
    for ones in threads.values():
        around: list[tuple[Mapping[str, Any], float, list[float]]] = []  # open: event, end, microseconds inside it
        for one in sorted(ones, key=lambda event: (event["ts"], -event["dur"])):
            while around and around[-1][1] <= one["ts"]:
                found.append(_closed(around))
            if around:
                around[-1][2].append(min(one["dur"], around[-1][1] - one["ts"]))
            around.append((one, one["ts"] + one["dur"], []))
        while around:
            found.append(_closed(around))
    return found


def _closed(around: list[tuple[Mapping[str, Any], float, list[float]]]) -> tuple[Mapping[str, Any], float]:
    event, _, inside = around.pop()
    return event, max(event["dur"] - sum(inside), 0.0) / 1e6
