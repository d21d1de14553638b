"""Warm launches against cold ones: does forking from a parent that has imported the framework change the result?"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from adapters.adapter import facts, unsupported
from adapters.registry import AdapterInfo
from harness import plan
from harness.disturbance import MOST_REPEATS
from harness.doctor.series import Bench, Series, cell
from harness.plan import Launch
from harness.statistics import LEAST_BLOCKS, Interval, paired_ratio

MARGIN = 0.10


@dataclass(frozen=True)
class Agreement:
    """Of an adapter's mode: the ratio warm / cold of steady epochs at 95 %, or why there is none."""

    adapter: str
    mode: str
    reason: str | None = None
    ratio: Interval | None = None
    cold_seconds: float | None = None  # of a cold launch, start-up included
    disturbed: int = 0

    @property
    def agree(self) -> bool | None:
        """Whether the whole interval lies within ±10 %; False where all of it lies outside, else None."""
        if self.ratio is None:
            return None
        low, high = 1 / (1 + MARGIN), 1 + MARGIN
        if low <= self.ratio.low and self.ratio.high <= high:
            return True
        return False if self.ratio.high < low or self.ratio.low > high else None


def measure(bench: Bench, info: AdapterInfo, pairs: int, enough: Callable[[], bool]) -> Agreement:
    """A warm and a cold launch in turn, each pair in random order, until `pairs` or `enough`."""
    mode = info.modes[0]
    work = cell(info, mode, bench.threads)
    known = facts(plan.setting(work, bench.task, 0), compiler=plan.has_compiler())
    if (reason := info.missing() or unsupported(info.limits, known)) is not None:
        return Agreement(info.name, mode, reason)
    found, shuffle = Series(), random.Random(0)  # noqa: S311 - an order, not a secret
    with bench.launcher({info.name: info}) as warm, bench.launcher({info.name: info}, cold=True) as cold:
        launchers = {"warm": warm, "cold": cold}
        for block in range(pairs):
            for side in shuffle.sample(list(launchers), 2):
                for attempt in range(1 + MOST_REPEATS):
                    if enough():
                        return judge(info.name, mode, found)
                    launch = Launch(work, block, seed=block, seconds=bench.seconds)
                    record = launchers[side].launch(launch, attempt=attempt)
                    found.add(side, record)
                    if found.failure is not None:
                        return Agreement(info.name, mode, f"the {side} launch failed: {found.failure}")
                    if record.contaminated is None:
                        break
    return judge(info.name, mode, found)


def judge(adapter: str, mode: str, series: Series) -> Agreement:
    """From the values of the labels "warm" and "cold"."""
    warm, cold = series.pairs("warm", "cold")
    if len(warm) < LEAST_BLOCKS:
        made = f"{len(warm)} were made ({series.disturbed} launches were void)"
        reason = f"{LEAST_BLOCKS} undisturbed pairs are needed and {made}"
        return Agreement(adapter, mode, reason, disturbed=series.disturbed)
    walls = series.wall["cold"].values()
    return Agreement(
        adapter=adapter,
        mode=mode,
        ratio=paired_ratio(warm, cold),
        cold_seconds=sum(walls) / len(walls),
        disturbed=series.disturbed,
    )
