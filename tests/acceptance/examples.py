"""What the doctor might have measured, for the tests of what it makes of it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np

from levelfield.harness.doctor import cold, conditions, overhead, probed, product
from levelfield.harness.doctor.against_itself import Trial, compare
from levelfield.harness.doctor.examine import Examination
from levelfield.harness.doctor.half import HalfBusy
from levelfield.harness.doctor.series import Series
from levelfield.harness.doctor.startup import Startup
from levelfield.harness.judge.statistics import Interval
from levelfield.harness.run.duel import Pair
from levelfield.harness.system.machine import Machine

ROOT = Path(__file__).resolve().parent.parent.parent


def noise(seed: int, blocks: int, factor: float = 1.0, spread: float = 0.01) -> list[float]:
    return (factor * np.exp(np.random.default_rng(seed).normal(0, spread, blocks))).tolist()


def series(factors: dict[str, float], blocks: int = 120, spread: float = 0.01) -> Series:
    found = Series()
    for seed, (label, factor) in enumerate(factors.items()):
        found.values[label] = dict(enumerate(noise(seed, blocks, factor, spread)))
        found.wall[label] = dict.fromkeys(range(blocks), 0.5)
    return found


def duels(factor: float, pairs: int = 20, spread: float = 0.01) -> list[Pair]:
    """Of a warm launch against a cold one, which imported for two seconds."""
    records = (None, SimpleNamespace(phases={"import": 2.0}))
    values = zip(noise(0, pairs, factor, spread), noise(1, pairs, 1.0, spread), strict=True)
    return [Pair(warm, cold_, 1.0, records) for warm, cold_ in values]  # type: ignore[arg-type]


def interval(estimate: float, width: float = 0.01, n: int = 40) -> Interval:
    return Interval(estimate, estimate / (1 + width), estimate * (1 + width), n, 0.95)


def examination() -> Examination:
    """What an examination of a simulated machine would have found."""
    found = series({"a +0%": 1.0, "a again": 1.0, "a +5%": 1.05})
    comparisons = [compare(found, label, "a +0%", d, d) for label, d in (("a again", 0.0), ("a +5%", 0.05))]
    few = compare(series({"a": 1.0, "b": 1.0}, blocks=3), "b", "a", 0.0, 0.0)
    return Examination(
        effort="quick",
        date="2026-01-01T00:00:00+00:00",
        machine=Machine(host=None, system="S", cpu="C", cores=2, memory_bytes=2**30, python="3", commit="abc+changes"),
        threads=1,
        frameworks={"numpy": "2.0", "torch": None},
        conditions=conditions.conditions(Path("/nonexistent")),
        trials=[
            Trial("a", "eager", False, False, None, 1e-4, 360, 7, comparisons, found.values),
            Trial("b", "eager", True, False, None, 1e-4, 6, 0, [few]),
            Trial("c", "eager", False, False, "needs c: pip install c"),
            Trial("d", "eager", False, True, None, 1e-4, 480, 0, comparisons, found.values),
        ],
        overheads=[
            overhead.judge("a", "eager", series({"launch": 1.0, "script": 1.0})),
            overhead.Overhead("c", "eager", "needs c: pip install c"),
        ],
        agreements=[
            cold.judge("a", "eager", duels(1.0)),
            cold.Agreement("c", "eager", "needs c: pip install c"),
        ],
        startups=[Startup("--help", 0.02, interval(3.0)), Startup("list", 0.02, interval(9.0))],
        half_busy=[HalfBusy(2, None, 0.25, 0.26, 0.24, 5e-5)],
        probed=[
            probed.judge("a", series({"on": 1.0, "off": 1.0}, spread=0.003)),
            probed.Probed("c", "needs c: pip install c"),
        ],
        products=[product.Product(None, "2048 × 2048 product, torch 2.13.0", 5e10, 0.97)],
        time_share="there is no run in runs/",
        took=12.0,
    )
