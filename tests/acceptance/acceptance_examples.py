"""What might have been measured for docs/trust.md, for the tests of what is made of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import blocks
import overhead
import switch
from doctor_examples import MACHINE, interval, series, trials
from half import HalfBusy
from measurements import Looked, Measurements, Row
from product import Product
from share import TimeShare
from startup import Startup

from levelfield.harness.doctor.conditions import conditions

ROOT = Path(__file__).resolve().parents[2]


def soak(cost: float = 0.012, planned: int = 10_000, slower: float = 1.1) -> dict[str, Any]:
    """What ``make soak`` would have written."""
    flat = {"first": 40.0, "last": 40.0, "ratio": 1.0}
    kind = {
        "planned": planned,
        "planning, seconds of CPU a launch": 2e-6,
        "scheduling, seconds of CPU a launch": {"first": 4e-4, "last": slower * 4e-4, "ratio": slower},
        "scheduling, seconds a launch with the disk's": {"first": 4e-3, "last": 8e-3, "ratio": 2.0},
        "slowest half-thousand, seconds a launch": cost,
    }
    long = {"launches": 2000, "seconds between launches": flat}
    long |= {f"harness: {what}": flat for what in ("resident MB", "open files")}
    return {"date": "2026-01-01T00:00:00+00:00", "long run": long, "scheduling": {"speed": kind, "learning": kind}}


def spread(adapter: str, threads: int, size: float = 0.01, count: int = 120, beside: bool = True) -> blocks.Spread:
    """Of an adapter against itself."""
    found = series(dict.fromkeys(blocks.labels(adapter), 1.0), count, size / 2**0.5)
    return blocks.judge(adapter, "m", threads, beside, found)


def results() -> dict[str, list[Any]]:
    """Of each part what would have been measured on a simulated machine."""
    found: dict[str, list[Any]] = {
        "blocks": [
            spread("a", 1, beside=False),
            spread("a", 1),
            blocks.judge("c", "m", 1, True, series({}), "needs c: pip install c"),
        ],
        "switch": [
            switch.judge("a", "m", [(0.05, 0.001), (0.04, 0.002), (0.06, 0.001)]),
            switch.judge("c", "m", [], "needs c: pip install c"),
        ],
        "overhead": [
            overhead.judge("a", "eager", series({"launch": 1.0, "script": 1.0})),
            overhead.Overhead("c", "eager", "needs c: pip install c"),
        ],
        "time": [TimeShare(reason="there is no run in runs/")],
        "start": [Startup("--help", 0.02, interval(3.0)), Startup("list", 0.02, interval(9.0))],
        "half": [HalfBusy(2, None, 0.25, 0.26, 0.24, 5e-5)],
        "product": [Product(None, "2048 × 2048 product, torch 2.13.0", 5e10, 0.97)],
    }
    for trial in trials():
        found.setdefault(trial.part, []).append(trial)
    return found


def measured(date: str = "2026-01-01", commit: str = "abc", **parts: list[Any]) -> Measurements:
    """`parts` (or `results`) as they would be kept."""
    looked = Looked(date, MACHINE, {"numpy": "2.0", "torch": None}, conditions(Path("/nonexistent")))
    rows = {part: [Row(date, commit, 1, one) for one in of_part] for part, of_part in (parts or results()).items()}
    return Measurements(looked, rows)
