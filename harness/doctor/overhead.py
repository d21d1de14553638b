"""What the harness and the adapter cost: steady epochs of a launch against a plain script's, in pairs."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from adapters.adapter import facts, unsupported
from adapters.registry import AdapterInfo
from harness import plan
from harness.disturbance import MOST_REPEATS
from harness.doctor import replay, script
from harness.doctor.series import Bench, Series, cell
from harness.launch.local import LocalLauncher
from harness.launch.parent import ParentDied
from harness.plan import Launch
from harness.record import Cell
from harness.statistics import LEAST_BLOCKS, Interval, paired_difference, paired_ratio
from harness.worker import ScriptJob

SCRIPTS = Path(__file__).resolve().parent.parent.parent / "tests" / "benchmarks" / "plain"
LONG_EPOCH = 0.005  # seconds; from here on the bar is a ratio, below it a difference
MOST_RATIO = 1.02
MOST_DIFFERENCE = 10e-6  # seconds an epoch


@dataclass(frozen=True)
class Overhead:
    """Of an adapter's mode: `ratio` launch / script and `extra` seconds an epoch, both at 95 %; or why there is none.

    `pairs_to_2_percent`: how many pairs it takes until such a ratio is known within ±2 %.
    """

    adapter: str
    mode: str
    reason: str | None = None
    epoch_seconds: float | None = None  # the plain script's
    ratio: Interval | None = None
    extra: Interval | None = None
    pairs_to_2_percent: float | None = None
    disturbed: int = 0

    @property
    def holds(self) -> bool | None:
        """Whether the bar holds for the whole interval; None where it reaches across."""
        if self.ratio is None or self.extra is None or self.epoch_seconds is None:
            return None
        interval, bar = (self.ratio, MOST_RATIO) if self.epoch_seconds >= LONG_EPOCH else (self.extra, MOST_DIFFERENCE)
        return True if interval.high <= bar else False if interval.low > bar else None


def measure(bench: Bench, info: AdapterInfo, mode: str, pairs: int, enough: Callable[[], bool]) -> Overhead:
    """Launches and scripts in turn, each pair in random order, until `pairs` or `enough`."""
    work = cell(info, mode, bench.threads)
    known = facts(plan.setting(work, bench.task, 0), compiler=plan.has_compiler())
    if (reason := info.missing() or unsupported(info.limits, known)) is not None:
        return Overhead(info.name, mode, reason)
    path = SCRIPTS / f"{info.name.replace('-', '_')}.py"
    if not path.is_file():
        return Overhead(info.name, mode, f"there is no plain script {path.name}; they come with the source checkout")
    found, shuffle = Series(), random.Random(0)  # noqa: S311 - an order, not a secret
    with bench.launcher({info.name: info}) as launcher:
        for block in range(pairs):
            if enough():
                break
            # The first launch starts the warm parent, which the script needs
            for side in shuffle.sample(["launch", "script"], 2) if block else ["launch", "script"]:
                for attempt in range(1 + MOST_REPEATS):
                    if side == "launch":
                        record = launcher.launch(Launch(work, block, seed=0, seconds=bench.seconds), attempt=attempt)
                        found.add(side, record)
                        disturbed = record.contaminated is not None
                    else:
                        disturbed = _add_script(found, block, _run(launcher, work, info, path, bench.seconds))
                    if found.failure is not None:
                        return Overhead(info.name, mode, f"the {side} failed: {found.failure}")
                    if not disturbed or enough():
                        break
    return judge(info.name, mode, found)


def _add_script(found: Series, block: int, result: dict[str, Any]) -> bool:
    """Take note of what a script left; whether it was disturbed."""
    found.launches += 1
    found.failure = result.get("error")
    disturbed = result.get("contaminated") is not None
    found.disturbed += disturbed
    if found.failure is None and not disturbed:
        found.values.setdefault("script", {})[block] = median(result["epoch_seconds"])
    return disturbed


def judge(adapter: str, mode: str, series: Series) -> Overhead:
    """From the values of the labels "launch" and "script"."""
    own, base = series.pairs("launch", "script")
    if len(own) < LEAST_BLOCKS:
        made = f"{len(own)} were made ({series.disturbed} launches were void)"
        reason = f"{LEAST_BLOCKS} undisturbed pairs are needed and {made}"
        return Overhead(adapter, mode, reason, disturbed=series.disturbed)
    stop = replay.until(own, base, 0.02)
    return Overhead(
        adapter=adapter,
        mode=mode,
        epoch_seconds=median(base),
        ratio=paired_ratio(own, base),
        extra=paired_difference(own, base),
        pairs_to_2_percent=stop.pairs if stop else None,
        disturbed=series.disturbed,
    )


def _run(launcher: LocalLauncher, work: Cell, info: AdapterInfo, path: Path, seconds: float) -> dict[str, Any]:
    """The plain script in a child of the warm parent that makes the launches too."""
    parent = launcher.parents.get(launcher.key(work))
    if parent is None:
        return {"error": "the warm parent has ended"}
    result, log = launcher.folder / "script.json", launcher.folder / "script.log"
    job = ScriptJob(
        module=script.__name__,
        qualname=script.run.__name__,
        runtime=info.runtime,
        result=result,
        log=log,
        script=path,
        arguments=[work.mode, "--seconds", repr(seconds)],
    )
    log.touch()
    try:
        failure = parent.run(job, launcher.time_limit)
        found = json.loads(result.read_text(encoding="utf-8")) if result.exists() else {}
        return found if found else {"error": failure or "it left no result"}
    except (ParentDied, TimeoutError) as error:
        return {"error": str(error) or "the warm parent did not answer in time"}
    finally:
        result.unlink(missing_ok=True)
        log.unlink(missing_ok=True)
