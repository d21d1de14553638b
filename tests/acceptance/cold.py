"""Warm launches against cold ones: does forking from a parent that has imported the framework change the result?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from effort import Effort

from levelfield.adapters.limits import facts, unsupported
from levelfield.adapters.registry import AdapterInfo
from levelfield.harness.doctor.examine import AdapterStep, launch_seconds
from levelfield.harness.doctor.series import Bench, cell
from levelfield.harness.judge.statistics import LEAST_BLOCKS, Interval, paired_ratio
from levelfield.harness.measure.turns import ONE
from levelfield.harness.plan import launches
from levelfield.harness.run.duel import THREADS, LaunchFailed, Pair, Side

MARGIN = 0.10
PAIRS = 10
COLD_SECONDS = 8.0  # that a cold launch takes in all, about
SECONDS = 2.4  # of steady epochs in a launch: a cold import takes as long, and few seconds give few turns


@dataclass(frozen=True)
class Agreement:
    """Of an adapter's mode: the ratio warm / cold of steady epochs at 95 %, or why there is none.

    `agree`: the whole interval lies within ±10 %; False where all of it lies outside, None where it reaches across.
    """

    adapter: str
    mode: str
    reason: str | None = None
    ratio: Interval | None = None
    import_seconds: float | None = None  # of a cold launch
    agree: bool | None = None


def measure(bench: Bench, info: AdapterInfo, pairs: int, enough: Callable[[], bool]) -> Agreement:
    """A warm and a cold launch in turns (see `harness.measure.turns`), until `pairs` or `enough`."""
    mode = info.modes[0]
    work = cell(info, mode, THREADS)
    known = facts(launches.setting(work, bench.task, 0), compiler=launches.has_compiler())
    if (reason := info.missing() or unsupported(info.limits, known)) is not None:
        return Agreement(info.name, mode, reason)
    found: list[Pair] = []
    try:
        sides = Side(info, work, warm=True), Side(info, work)
        with bench.ground(*sides, ONE, SECONDS) as ground:
            for block in range(pairs):
                if enough():
                    break
                if (pair := ground.pair(*sides, block)) is not None:
                    found.append(pair)
    except LaunchFailed as error:
        return Agreement(info.name, mode, str(error))
    return judge(info.name, mode, found)


def judge(adapter: str, mode: str, pairs: Sequence[Pair]) -> Agreement:
    """From pairs of a warm and a cold launch."""
    if len(pairs) < LEAST_BLOCKS:
        return Agreement(adapter, mode, f"{LEAST_BLOCKS} pairs are needed and {len(pairs)} were made")
    imports = [pair.records[1].phases["import"] for pair in pairs]
    ratio = paired_ratio([pair.first for pair in pairs], [pair.second for pair in pairs])
    return Agreement(adapter, mode, None, ratio, median(imports), agree(ratio))


def agree(ratio: Interval) -> bool | None:
    """Whether the ratio is one of launches that agree."""
    low, high = 1 / (1 + MARGIN), 1 + MARGIN
    if low <= ratio.low and ratio.high <= high:
        return True
    return False if ratio.high < low or ratio.low > high else None


class WarmAndCold:
    name = "cold"

    def plan(self, effort: Effort, adapters: Mapping[str, AdapterInfo]) -> list[AdapterStep]:
        steps = []
        for info in (adapters[name] for name in effort.named or one_of_each(adapters)):
            seconds = PAIRS * (COLD_SECONDS + launch_seconds(info))
            steps.append(AdapterStep(self, f"{info.name}: warm against cold", seconds, info, info.modes[0], PAIRS))
        return steps

    def measure(self, bench: Bench, step: AdapterStep, enough: Callable[[], bool]) -> list[Agreement]:
        return [measure(bench, step.info, step.pairs, enough)]


def one_of_each(adapters: Mapping[str, AdapterInfo]) -> list[str]:
    """The first adapter of every framework, and of every backend of one that has several."""
    first = {(info.framework, info.backend): info.name for info in reversed(list(adapters.values())) if info.builtin}
    return [name for name in adapters if name in first.values()]
