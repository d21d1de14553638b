"""What a run of the default suite takes and gives, from its records: minutes, cells judged, and how sure it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from statistics import median

from effort import Effort

from levelfield.adapters.registry import AdapterInfo
from levelfield.harness.doctor.examine import Step
from levelfield.harness.doctor.series import Bench
from levelfield.harness.records import store
from levelfield.harness.records.record import Record
from levelfield.harness.records.store import Contents
from levelfield.reports.findings import certificates, judged
from levelfield.reports.findings.evidence import gather
from levelfield.tasks.errors import UserError


@dataclass(frozen=True)
class TimeShare:
    """Of a run's speed launches, seconds: in all, in measured phases, in steady epochs and prediction.

    `span`: from the start of the run to the end of its last launch, of any kind. Of its timed `cells` beside baselines
    some are `judged`; `half` is the median half-width of their ratios' intervals, a share. With a `reason` there is
    none.
    """

    run: str = ""
    launches: int = 0
    wall: float = 0.0
    measured: float = 0.0
    core: float = 0.0
    span: float = 0.0
    suite: str = ""
    cells: int = 0
    judged: int = 0
    half: float | None = None
    reason: str | None = None


def time_share(run: str, records: Sequence[Record], suite: str = "", begun: str | None = None) -> TimeShare | None:
    """None without a speed launch that went well. The import, which the warm parent did once, is no launch's time.

    `begun` (UTC, ISO 8601): when the run itself began; what it did before its first launch is in the span then.
    """
    speed = [r for r in records if r.cell.kind == "speed" and r.status == "ok" and r.wall_seconds > 0]
    if not speed:
        return None
    steady = [sum(r.epoch_seconds) for r in speed]
    phases = [sum(s for name, s in r.phases.items() if name != "import") for r in speed]
    made = [r for r in records if r.wall_seconds > 0]
    starts = [datetime.fromisoformat(r.started).timestamp() for r in made]
    first = min([*starts, *([datetime.fromisoformat(begun).timestamp()] if begun else [])])
    ends = [start + r.wall_seconds for start, r in zip(starts, made, strict=True)]
    return TimeShare(
        run=run,
        launches=len(speed),
        wall=sum(r.wall_seconds for r in speed),
        measured=sum(steady) + sum(phases),
        core=sum(steady) + sum(r.phases.get("predict", 0.0) for r in speed),
        span=max(ends) - first,
        suite=suite,
    )


def newest() -> TimeShare:
    """Of the newest run in ``runs/``, or why there is none."""
    try:
        contents = store.read(store.newest())
    except UserError as error:
        return TimeShare(reason=error.message)
    run = contents.run
    found = time_share(run.name, contents.records, run.suite, run.started)
    if found is None:
        return TimeShare(reason=f"run {run.name} has no speed launch")
    cells, certain, half = verdicts(contents)
    return replace(found, cells=cells, judged=certain, half=half)


def verdicts(contents: Contents) -> tuple[int, int, float | None]:
    """Timed cells beside baselines, how many of them are judged, and the median half-width of their ratios, a share."""
    proofs = [certificates.summary(one) for one in contents.certificates]
    evidence = gather(contents.run, contents.records, certificates=proofs)
    told = judged.of(evidence)
    ratios = [place.verdict.ratio for one in evidence.speed for place in one.judged if place.verdict]
    halves = [(ratio.high / ratio.low) ** 0.5 - 1 for ratio in ratios if ratio is not None and ratio.high > ratio.low]
    return told.cells, told.judged, median(halves) if halves else None


class Time:
    name = "time"

    def plan(self, effort: Effort, adapters: Mapping[str, AdapterInfo]) -> list[Step]:
        return [Step(self, "the time of the newest run of the default suite", 0.0)]

    def measure(self, bench: Bench, step: Step, enough: Callable[[], bool]) -> list[TimeShare]:
        return [newest()]
