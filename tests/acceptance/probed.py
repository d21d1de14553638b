"""Launches that are sampled against launches that are not: sampling beside a launch must cost it nothing."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from effort import Effort

from levelfield.adapters.registry import AdapterInfo
from levelfield.harness.doctor.examine import AdapterStep, launch_seconds
from levelfield.harness.doctor.series import Bench, Series, cell
from levelfield.harness.judge.statistics import LEAST_BLOCKS, Interval, paired_ratio
from levelfield.harness.measure.disturbance import MOST_REPEATS
from levelfield.harness.plan.launches import Launch
from levelfield.harness.probes.client import Sampling

MARGIN = 0.03
PAIRS = 40


@dataclass(frozen=True)
class Probed:
    """Of an adapter: the ratio of steady epochs with probes / without at 95 %, or why there is none."""

    adapter: str
    reason: str | None = None
    ratio: Interval | None = None
    disturbed: int = 0

    @property
    def tied(self) -> bool | None:
        """Whether the whole interval lies within ± 3 %; False where all of it lies outside, else None."""
        if self.ratio is None:
            return None
        low, high = 1 / (1 + MARGIN), 1 + MARGIN
        if low <= self.ratio.low and self.ratio.high <= high:
            return True
        return False if self.ratio.high < low or self.ratio.low > high else None


def measure(bench: Bench, info: AdapterInfo, pairs: int, enough: Callable[[], bool]) -> Probed:
    """Launches of one warm parent in turn, each pair in random order, until `pairs` or `enough`."""
    if (reason := info.missing()) is not None:
        return Probed(info.name, reason)
    work = cell(info, info.modes[0], bench.threads)
    found, shuffle = Series(), random.Random(0)
    with bench.launcher({info.name: info}) as launcher:
        sides = {"on": launcher.sampling, "off": Sampling(launcher.sampling.log, "sampling was switched off")}
        try:
            for block in range(pairs):
                for side in shuffle.sample(list(sides), 2):
                    for attempt in range(1 + MOST_REPEATS):
                        if enough():
                            return judge(info.name, found)
                        launcher.sampling = sides[side]
                        launch = Launch(work, block, seed=block, seconds=bench.seconds)
                        record = launcher.launch(launch, attempt=attempt)
                        found.add(side, record)
                        if found.failure is not None:
                            return Probed(info.name, f"the launch with probes {side} failed: {found.failure}")
                        if record.contaminated is None:
                            break
        finally:
            launcher.sampling = sides["on"]
    return judge(info.name, found)


def judge(adapter: str, series: Series) -> Probed:
    """From the values of the labels "on" and "off"."""
    on, off = series.pairs("on", "off")
    if len(on) < LEAST_BLOCKS:
        made = f"{len(on)} were made ({series.disturbed} launches were void)"
        return Probed(adapter, f"{LEAST_BLOCKS} undisturbed pairs are needed and {made}", None, series.disturbed)
    return Probed(adapter, None, paired_ratio(on, off), series.disturbed)


class OnAndOff:
    name = "probed"

    def plan(self, effort: Effort, adapters: Mapping[str, AdapterInfo]) -> list[AdapterStep]:
        steps = []
        for info in (adapters[name] for name in effort.adapters):
            seconds = 2 * PAIRS * launch_seconds(info)
            steps.append(AdapterStep(self, f"{info.name}: probes on against off", seconds, info, info.modes[0], PAIRS))
        return steps

    def measure(self, bench: Bench, step: AdapterStep, enough: Callable[[], bool]) -> list[Probed]:
        return [measure(bench, step.info, step.pairs, enough)]
