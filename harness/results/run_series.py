"""A folder of runs as a series: those of one machine in order of their start, and what changed between neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from levelfield.harness.judge import statistics
from levelfield.harness.judge.statistics import Interval
from levelfield.harness.records import store
from levelfield.harness.records.record import Run
from levelfield.harness.records.store import Contents
from levelfield.harness.results.compare_runs import RunComparison, compare, machine_differences
from levelfield.harness.results.proved import Place, judged, step_times
from levelfield.tasks.errors import UserError


@dataclass(frozen=True)
class History:
    """`steps[i]` is run i + 1 against run i; `times[i]` are the medians of run i with their intervals."""

    runs: tuple[Run, ...]
    times: tuple[dict[Place, Interval], ...]
    versions: tuple[dict[Place, dict[str, str]], ...]  # and the variables that a machine may need
    steps: tuple[RunComparison, ...]
    elsewhere: tuple[str, ...]  # names of runs of other machines, which are left out

    @property
    def places(self) -> list[Place]:
        found = {place for own in self.times for place in own}
        return sorted(found, key=lambda p: (p[0].id, p[1]))


def read(folder: Path) -> History:
    """The series of the runs in `folder`. Raises UserError when it holds none."""
    heads = sorted(folder.glob("*/run.json")) if folder.is_dir() else []
    if not heads:
        raise UserError(f"{folder} holds no run", "give a folder with runs in it, such as runs/")
    return series([store.read(head.parent) for head in heads])


def series(stored: Sequence[Contents], margin: float = 0.03) -> History:
    """Of the machine of the run that was started last."""
    ordered = sorted(stored, key=lambda c: (c.run.started, c.run.name))
    last = ordered[-1].run.machine
    own = [c for c in ordered if not machine_differences(c.run.machine, last)]
    return History(
        tuple(c.run for c in own),
        tuple(_times(c) for c in own),
        tuple(_versions(c) for c in own),
        tuple(compare((a.run, a.records), (b.run, b.records), margin, force=False) for a, b in pairwise(own)),
        tuple(c.run.name for c in ordered if c not in own),
    )


def _times(stored: Contents) -> dict[Place, Interval]:
    found = step_times(judged(stored.records, stored.run.tasks, stored.peaks))
    return {place: statistics.median_interval(list(times.values())) for place, times in found.items()}


def _versions(stored: Contents) -> dict[Place, dict[str, str]]:
    speed = [record for record in stored.records if record.cell.kind == "speed"]
    return {(record.cell, record.cold): record.versions | record.kept for record in speed}
