"""How much a block's ratio of an adapter to itself varies, and whether blocks next to each other hang together.

Every block has each adapter twice, each time with a parent of its own, as a run has its cells.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from math import log, sqrt
from statistics import stdev

from effort import Effort
from scipy.special import chdtri

from levelfield.adapters.registry import AdapterInfo
from levelfield.harness.doctor import replay, series
from levelfield.harness.doctor.examine import Step, launch_seconds
from levelfield.harness.doctor.neighbour import neighbour
from levelfield.harness.doctor.series import Bench, Series, cell
from levelfield.harness.judge.statistics import LEAST_BLOCKS
from levelfield.harness.run.duel import Side

ADAPTERS = ("numpy-manual", "torch-autograd")
MOST_ALONE, MOST_THREADED = 0.03, 0.05  # standard deviation with one thread, and with several
BLOCKS = 30
SECONDS = 0.25  # of turns in a launch, as in the default suite


@dataclass(frozen=True)
class Spread:
    """Of an adapter's mode with so many `threads`, beside a neighbour or not (`beside`): the standard deviation of a
    block's log-ratio to itself over `n` blocks, its 95 % interval as of normal values, and how much blocks next to each
    other correlate (see `replay.neighbours_agree`); or why there is none."""

    adapter: str
    mode: str
    threads: int
    beside: bool
    reason: str | None = None
    n: int = 0
    spread: float | None = None
    low: float | None = None
    high: float | None = None
    agree: float | None = None

    @property
    def holds(self) -> bool | None:
        """Whether the bar does for the whole interval; None where it reaches across."""
        if self.low is None or self.high is None:
            return None
        bar = MOST_ALONE if self.threads == 1 else MOST_THREADED
        return True if self.high <= bar else False if self.low > bar else None


def measure(
    bench: Bench, infos: Sequence[AdapterInfo], beside: bool, blocks: int, enough: Callable[[], bool]
) -> list[Spread]:
    """Blocks with all `infos` in their first modes, the first of which is the baseline, until `blocks` or `enough`."""
    there = [info for info in infos if info.missing() is None]
    sides = {
        label: Side(info, cell(info, info.modes[0], bench.threads)) for info in there for label in labels(info.name)
    }
    with bench.launcher({info.name: info for info in there}) as host, neighbour() if beside else nullcontext():
        found = series.record(host, bench, sides, blocks, enough)
    return [judge(info.name, info.modes[0], bench.threads, beside, found, info.missing()) for info in infos]


def labels(adapter: str) -> tuple[str, str]:
    return adapter, f"{adapter} again"


def judge(adapter: str, mode: str, threads: int, beside: bool, found: Series, missing: str | None = None) -> Spread:
    """From the values of an adapter's two labels."""
    own, base = found.pairs(*labels(adapter))
    reason = missing or found.failure
    if reason is None and len(own) < LEAST_BLOCKS:
        reason = f"{LEAST_BLOCKS} blocks are needed and {len(own)} were made"
    if reason is not None:
        return Spread(adapter, mode, threads, beside, reason)
    spread, freedom = stdev(log(a / b) for a, b in zip(own, base, strict=True)), len(own) - 1
    low, high = (float(spread * sqrt(freedom / chdtri(freedom, tail))) for tail in (0.025, 0.975))
    agree = replay.neighbours_agree(own, base)
    return Spread(adapter, mode, threads, beside, None, len(own), spread, low, high, agree)


@dataclass(frozen=True)
class BlocksStep(Step):
    """In blocks of all these adapters; with one thread, or with as many as there are (`threaded`)."""

    infos: tuple[AdapterInfo, ...]
    threaded: bool
    beside: bool


class AgainstThemselves:
    name = "blocks"

    def plan(self, effort: Effort, adapters: Mapping[str, AdapterInfo]) -> list[Step]:
        infos = tuple(adapters[name] for name in effort.named or ADAPTERS)
        seconds = 2 * BLOCKS * sum(SECONDS + launch_seconds(info) for info in infos)
        return [
            BlocksStep(
                part=self,
                title="blocks of adapters against themselves, "
                + ("all threads" if threaded else "one thread")
                + (", with a neighbour" if beside else ""),
                seconds=seconds,
                infos=infos,
                threaded=threaded,
                beside=beside,
            )
            for beside in (False, True)
            for threaded in (False, True)
        ]

    def measure(self, bench: Bench, step: BlocksStep, enough: Callable[[], bool]) -> list[Spread]:
        if step.threaded and bench.threads == 1:
            return []
        threads = bench.threads if step.threaded else 1
        bench = replace(bench, threads=threads, seconds=SECONDS)
        return measure(bench, step.infos, step.beside, BLOCKS, enough)
