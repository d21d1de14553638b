"""What the harness and the adapter cost: steady epochs of a launch against a plain script's, in turns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from effort import Effort

from levelfield.adapters.limits import refusal
from levelfield.adapters.registry import AdapterInfo
from levelfield.adapters.runtime import place
from levelfield.harness.doctor.examine import AdapterStep, launch_seconds
from levelfield.harness.doctor.series import Bench, Series, cell
from levelfield.harness.judge.statistics import (
    LEAST_BLOCKS,
    LEAST_BLOCKS_TO_STOP,
    Interval,
    half_width,
    paired_difference,
    paired_ratio,
    shared_confidence,
)
from levelfield.harness.launch.block import carry_through
from levelfield.harness.launch.jobs import ScriptJob
from levelfield.harness.launch.local import LocalHost
from levelfield.harness.launch.rounds import LEAST_TURNS, Alive
from levelfield.harness.measure.turns import Line
from levelfield.harness.plan import launches as plan
from levelfield.harness.plan.launches import Launch
from levelfield.harness.records.record import Record, steady_epoch
from levelfield.harness.run.duel import THREADS

HERE = Path(__file__).resolve().parent
LONG_EPOCH = 0.005  # seconds; from here on the bar is a ratio, below it a difference
MOST_RATIO = 1.02
MOST_DIFFERENCE = 10e-6  # seconds an epoch
# A width at which pairs end, so that an overhead of half of what the bar allows lies within it with its whole interval
ENOUGH_RATIO, ENOUGH_DIFFERENCE = 0.0075, 5e-6
PAIRS = 100  # at most; most need a dozen
SECONDS = 0.4  # of turns in a launch
# Pairs until the bar can be read: it is narrower where epochs are short. By these a budget is divided
_USUAL, _MANY, _SHORT = 12, 30, ("numpy", "jax")
_COMPILED = 4.0  # seconds that a launch takes which compiles


@dataclass(frozen=True)
class Overhead:
    """Of an adapter's mode: `ratio` launch / script and `extra` seconds an epoch, both at 95 %; or why there is none.

    Both pay for the stop on their width. `holds`: the bar does for the whole interval; None where it reaches across.
    """

    adapter: str
    mode: str
    reason: str | None = None
    epoch_seconds: float | None = None  # the plain script's
    ratio: Interval | None = None
    extra: Interval | None = None
    holds: bool | None = None


def measure(
    bench: Bench, info: AdapterInfo, mode: str, pairs: int, seconds: float, enough: Callable[[], bool]
) -> Overhead:
    """Launches and scripts, both of a pair in turns (see `harness.launch.rounds`), until `known`, `pairs` or `enough`.

    Each has `seconds` of turns.
    """
    work = cell(info, mode, THREADS)
    setting = plan.setting(work, bench.task, 0)
    if (reason := info.missing() or refusal(info, setting, compiler=plan.has_compiler())) is not None:
        return Overhead(info.name, mode, reason)
    if info.plain is None:
        return Overhead(info.name, mode, "there is no plain script beside it")
    found = Series()
    with bench.launcher({info.name: info}) as host:
        for block in range(pairs):
            if enough() or known(found):
                break
            launch = Launch(work, block, seed=0, seconds=seconds)
            found.failure = pair(found, host, launch)
            if found.failure is not None:
                return Overhead(info.name, mode, found.failure)
    return judge(info.name, mode, found)


def pair(found: Series, host: LocalHost, launch: Launch) -> str | None:
    """Add a launch and the plain script beside it, each with a parent of its own. A failure, if any."""
    own = host.alive(launch, (), 0)
    beside = script(host, replace(launch, baseline=True))
    carry_through(host, [own, beside])
    host.end_all_but(())
    record, done = host.completed(own), beside.done
    found.launches += 2
    if done is None or done.failure is not None:
        return f"the script failed: {done.failure if done else 'it did not end'}"
    if record.status != "ok" or record.unproved:
        return f"the launch failed: {record.reason or record.unproved}"
    told = {name: done.result[name] for name in ("epoch_seconds", "turns")}
    for label, one in (("launch", record), ("script", bare(record, told))):
        if len(one.turns) >= LEAST_TURNS:
            found.values.setdefault(label, {})[record.block] = steady_epoch(one)
    return None


def bare(record: Record, told: dict[str, Any]) -> Record:
    """What a script told, as a record like that of its launch."""
    about = {name: getattr(record, name) for name in ("cell", "seed", "block", "status", "started", "machine")}
    return Record(**about, **told)


def script(host: LocalHost, launch: Launch) -> Alive:
    """The plain script of an adapter, to take the turns of this launch."""
    work = launch.cell
    info = host.adapters[work.adapter]
    stem = host.folder / f"script{launch.block}"
    job = ScriptJob(
        adapter=info.name,
        module=info.module,
        qualname=info.qualname,
        runtime=place(info),
        result=stem.with_suffix(".json"),
        log=stem.with_suffix(".log"),
        file=HERE / "script.py",
        arguments=[str(stem), work.adapter, work.mode],
    )
    return Alive(launch, job, host.key(work)._replace(lane=1), Line.make(stem))


def known(series: Series) -> bool:
    """Whether the pairs suffice to read the bar: their width tells, not where the interval lies."""
    own, base = series.pairs("launch", "script")
    if len(own) < LEAST_BLOCKS_TO_STOP:
        return False
    if median(base) >= LONG_EPOCH:
        return half_width(paired_ratio(own, base, shared_confidence(1))) <= ENOUGH_RATIO
    extra = paired_difference(own, base, shared_confidence(1))
    return extra.high - extra.low <= 2 * ENOUGH_DIFFERENCE


def judge(adapter: str, mode: str, series: Series) -> Overhead:
    """From the values of the labels "launch" and "script"."""
    own, base = series.pairs("launch", "script")
    if len(own) < LEAST_BLOCKS:
        return Overhead(adapter, mode, f"{LEAST_BLOCKS} pairs are needed and {len(own)} were made")
    epoch, ratio, extra = median(base), *(f(own, base, shared_confidence(1)) for f in (paired_ratio, paired_difference))
    return Overhead(
        adapter=adapter,
        mode=mode,
        epoch_seconds=epoch,
        ratio=ratio,
        extra=extra,
        holds=holds(epoch, ratio, extra),
    )


def holds(epoch_seconds: float, ratio: Interval, extra: Interval) -> bool | None:
    """Whether the bar does: of the ratio where epochs are long, else of the difference."""
    interval, bar = (ratio, MOST_RATIO) if epoch_seconds >= LONG_EPOCH else (extra, MOST_DIFFERENCE)
    return True if interval.high <= bar else False if interval.low > bar else None


class AgainstScripts:
    name = "overhead"

    def plan(self, effort: Effort, adapters: Mapping[str, AdapterInfo]) -> list[AdapterStep]:
        """Every mode of every adapter."""
        steps = []
        for info in (adapters[name] for name in effort.named or [n for n, info in adapters.items() if info.builtin]):
            pairs = _MANY if info.framework in _SHORT else _USUAL
            for mode in info.modes:
                seconds = 2 * pairs * (SECONDS + (_COMPILED if mode == "compile" else launch_seconds(info)))
                title = f"{info.name} ({mode}) against a plain script"
                steps.append(AdapterStep(self, title, seconds, info, mode, PAIRS))
        return steps

    def measure(self, bench: Bench, step: AdapterStep, enough: Callable[[], bool]) -> list[Overhead]:
        return [measure(bench, step.info, step.mode, step.pairs, SECONDS, enough)]
