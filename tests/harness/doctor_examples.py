"""What the doctor might have measured, for the tests of what it makes of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from levelfield.harness.doctor import conditions
from levelfield.harness.doctor.against_itself import Trial, same, slowed_down
from levelfield.harness.doctor.examine import Examination
from levelfield.harness.doctor.series import Series
from levelfield.harness.judge.statistics import Interval
from levelfield.harness.system.machine import Machine

MACHINE = Machine(host=None, system="S", cpu="C", cores=2, memory_bytes=2**30, python="3", commit="abc+changes")


def noise(seed: int, blocks: int, factor: float = 1.0, spread: float = 0.01) -> list[float]:
    return (factor * np.exp(np.random.default_rng(seed).normal(0, spread, blocks))).tolist()


def series(factors: dict[str, float], blocks: int = 120, spread: float = 0.01) -> Series:
    found = Series()
    for seed, (label, factor) in enumerate(factors.items()):
        found.values[label] = dict(enumerate(noise(seed, blocks, factor, spread)))
        found.wall[label] = dict.fromkeys(range(blocks), 0.5)
    found.launches, found.short = 360, 7
    return found


def interval(estimate: float, width: float = 0.01, n: int = 40) -> Interval:
    return Interval(estimate, estimate / (1 + width), estimate * (1 + width), n, 0.95)


def trials() -> list[Trial]:
    """Of a simulated machine: a whole series, one that could not be made, and one that is too short."""
    found = series({"a +0%": 1.0, "a again": 1.0, "a +5%": 1.05})
    slowed = [slowed_down(found, "a +5%", "a +0%", 0.05, 0.05)]
    short = same(series({"a": 1.0, "b": 1.0}, blocks=2), ["b"], "a")
    return [
        Trial("itself", "a", "eager", None, 1e-4, same(found, ["a again"], "a +0%"), slowed, found.values),
        Trial("itself", "c", "eager", "needs c: pip install c"),
        Trial("neighbour", "b", "eager", None, 1e-4, short),
    ]


def examination() -> Examination:
    """What an examination of that machine would have found."""
    return Examination(
        effort="quick",
        date="2026-01-01T00:00:00+00:00",
        machine=MACHINE,
        threads=1,
        frameworks={"numpy": "2.0", "torch": None},
        conditions=conditions.conditions(Path("/nonexistent")),
        trials=trials(),
        took=12.0,
    )
