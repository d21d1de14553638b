"""What the harness and the adapter cost: steady epochs of a launch against a plain script's, in turns."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from effort import Effort

from levelfield.adapters.limits import refusal
from levelfield.adapters.registry import AdapterInfo
from levelfield.adapters.runtime import place
from levelfield.harness.doctor import replay
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
from levelfield.harness.launch.local import LocalLauncher
from levelfield.harness.launch.warm_parent import ParentDied
from levelfield.harness.launch.worker import ScriptJob
from levelfield.harness.measure.turns import ONE, by_turn, compared, counted, roles, together, turned
from levelfield.harness.plan import launches as plan
from levelfield.harness.plan.launches import Launch
from levelfield.harness.records.cell import Cell
from levelfield.harness.records.record import Record
from levelfield.harness.run.duel import THREADS
from levelfield.harness.system.folders import Temporary

HERE = Path(__file__).resolve().parent
LONG_EPOCH = 0.005  # seconds; from here on the bar is a ratio, below it a difference
MOST_RATIO = 1.02
MOST_DIFFERENCE = 10e-6  # seconds an epoch
# A width at which pairs end, so that an overhead of half of what the bar allows lies within it with its whole interval
ENOUGH_RATIO, ENOUGH_DIFFERENCE = 0.0075, 5e-6
PAIRS = 100  # at most; most need a dozen
SECONDS = 2.4  # of steady epochs in a launch: few give few turns, and a pair costs its start too
# Pairs until the bar can be read: it is narrower where epochs are short. By these a budget is divided
_USUAL, _MANY, _SHORT = 12, 30, ("numpy", "jax")
_COMPILED = 4.0  # seconds that a launch takes which compiles


@dataclass(frozen=True)
class Overhead:
    """Of an adapter's mode: `ratio` launch / script and `extra` seconds an epoch, both at 95 %; or why there is none.

    Both pay for the stop on their width. `holds`: the bar does for the whole interval; None where it reaches across.
    `pairs_to_2_percent`: how many pairs it takes until such a ratio is known within ±2 %.
    """

    adapter: str
    mode: str
    reason: str | None = None
    epoch_seconds: float | None = None  # the plain script's
    ratio: Interval | None = None
    extra: Interval | None = None
    pairs_to_2_percent: float | None = None
    holds: bool | None = None


def measure(
    bench: Bench, info: AdapterInfo, mode: str, pairs: int, seconds: float, enough: Callable[[], bool]
) -> Overhead:
    """Launches and scripts, both of a pair in turns (see `harness.measure.turns`), until `known`, `pairs` or `enough`.

    Each has `seconds` of steady epochs.
    """
    work = cell(info, mode, THREADS)
    setting = plan.setting(work, bench.task, 0)
    if (reason := info.missing() or refusal(info, setting, compiler=plan.has_compiler())) is not None:
        return Overhead(info.name, mode, reason)
    if info.plain is None:
        return Overhead(info.name, mode, "there is no plain script beside it")
    found = Series()
    with Temporary() as temporary:
        folder = temporary.path
        with bench.launcher({info.name: info}) as one, bench.launcher({info.name: info}) as other:
            for block in range(pairs):
                if enough() or known(found):
                    break
                # Each parent makes as many launches as scripts: what lies where in its memory is in all its children
                launches, scripts = (other, one) if block // 2 % 2 else (one, other)
                sides = roles(block)
                own = turned(info, folder, sides[0], ONE)
                launches.adapters = {info.name: info, own.name: own}
                launch = Launch(cell(own, mode, THREADS), block, seed=0, seconds=seconds)
                record, script = together(
                    folder,
                    sides,
                    partial(launches.launch, launch),
                    partial(_run, scripts, work, launch.seconds, [str(folder), sides[1], str(ONE)]),
                )
                found.failure = _add(found, record, script, folder, sides[0])
                if found.failure is not None:
                    return Overhead(info.name, mode, found.failure)
    return judge(info.name, mode, found)


def _add(found: Series, record: Record, script: dict[str, Any], folder: Path, side: str) -> str | None:
    """Take note of a pair: the script's median epoch, and that times the median ratio of the turns. A failure, if any.

    Nothing is void: what disturbs some turns changes their ratios, and the median of all withstands that.
    """
    found.launches += 2
    if "error" in script and not str(script["error"]).startswith("TimeoutError"):  # it only waited for a dead launch
        return f"the script failed: {script['error']}"
    if record.status != "ok":
        return f"the launch failed: {record.reason}"
    own = by_turn(record.epoch_seconds, counted(folder, side))
    if epochs := compared(own, by_turn(script["epoch_seconds"], script["turns"])):
        for label, seconds in zip(("launch", "script"), epochs, strict=True):
            found.values.setdefault(label, {})[record.block] = seconds
    return None


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
    stop = replay.until(own, base, 0.02)
    epoch, ratio, extra = median(base), *(f(own, base, shared_confidence(1)) for f in (paired_ratio, paired_difference))
    return Overhead(
        adapter=adapter,
        mode=mode,
        epoch_seconds=epoch,
        ratio=ratio,
        extra=extra,
        pairs_to_2_percent=stop.pairs if stop else None,
        holds=holds(epoch, ratio, extra),
    )


def holds(epoch_seconds: float, ratio: Interval, extra: Interval) -> bool | None:
    """Whether the bar does: of the ratio where epochs are long, else of the difference."""
    interval, bar = (ratio, MOST_RATIO) if epoch_seconds >= LONG_EPOCH else (extra, MOST_DIFFERENCE)
    return True if interval.high <= bar else False if interval.low > bar else None


def _run(launcher: LocalLauncher, work: Cell, seconds: float, turns: list[str]) -> dict[str, Any]:
    """The plain script in a child of a warm parent like that which makes the launches."""
    info, key = launcher.adapters[work.adapter], launcher.key(work)
    result, log = launcher.folder / "script.json", launcher.folder / "script.log"
    job = ScriptJob(
        module=info.module,
        qualname=info.qualname,
        runtime=place(info),
        result=result,
        log=log,
        file=HERE / "script.py",
        arguments=[*turns, work.adapter, work.mode, "--seconds", repr(seconds)],
    )
    log.touch()
    try:
        if key not in launcher.parents:
            launcher.parents[key] = launcher.start(work.adapter, key)
        failure = launcher.parents[key].run(job, launcher.time_limit)
        found = json.loads(result.read_text(encoding="utf-8")) if result.exists() else {}
        return found if found else {"error": failure or "it left no result"}
    except (ParentDied, TimeoutError) as error:
        return {"error": str(error) or "the warm parent did not answer in time"}
    finally:
        result.unlink(missing_ok=True)
        log.unlink(missing_ok=True)


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
