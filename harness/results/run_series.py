"""A folder of runs as a series: those of one machine in order of their start, each cell beside the control of its run.

The runs lie days apart, and the machine drifts. What drifts alike for all adapters is gone from the ratio of a cell to
a control adapter, the baseline, in the same blocks; what is left is searched for steps (see `harness.judge.steps`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from levelfield.adapters.registry import AdapterInfo
from levelfield.harness.judge import statistics, steps
from levelfield.harness.judge.statistics import Interval
from levelfield.harness.judge.steps import Step
from levelfield.harness.plan.environments import DEFAULT
from levelfield.harness.records import store
from levelfield.harness.records.cell import Cell
from levelfield.harness.records.record import Run
from levelfield.harness.records.store import Contents
from levelfield.harness.results.compare_runs import Times, machine_differences
from levelfield.harness.results.proved import Place, judged, step_times
from levelfield.tasks.errors import UserError

MARGIN = 0.03  # a smaller step is none


@dataclass(frozen=True)
class History:
    """Of each run i, by cell: `times[i]`, the median step in seconds, and `ratios[i]`, that to the control.

    `controls`: cell → the control of its workload, where there is one. The control has no ratio to itself.
    """

    runs: tuple[Run, ...]
    times: tuple[dict[Place, Interval], ...]
    ratios: tuple[dict[Place, Interval], ...]
    controls: Mapping[Place, Cell]
    versions: tuple[dict[Place, dict[str, str]], ...]  # and the variables that a machine may need
    elsewhere: tuple[str, ...]  # names of runs of other machines, which are left out

    @property
    def places(self) -> list[Place]:
        found = {place for own in self.times for place in own}
        return sorted(found, key=lambda p: (p[0].id, p[1]))

    @cached_property
    def steps(self) -> dict[Place, list[Step]]:
        """Of each cell; `Step.first` is the place of a run. All of the series hold together at 95 %."""
        judgeable = {
            place: runs
            for place in self.places
            if len(runs := [i for i, own in enumerate(self.ratios) if place in own]) >= steps.LEAST_SERIES
        }
        confidence = statistics.shared_confidence(len(judgeable))
        return {
            place: [
                replace(step, first=runs[step.first])
                for step in steps.find(
                    [self.ratios[i][place].estimate for i in runs], confidence=confidence, margin=MARGIN
                )
            ]
            for place, runs in judgeable.items()
        }


def read(folder: Path, adapters: Mapping[str, AdapterInfo]) -> History:
    """The series of the runs in `folder`. Raises UserError when it holds none."""
    heads = sorted(folder.glob("*/run.json")) if folder.is_dir() else []
    if not heads:
        raise UserError(f"{folder} holds no run", "give a folder with runs in it, such as runs/")
    return series([store.read(head.parent) for head in heads], adapters)


def series(stored: Sequence[Contents], adapters: Mapping[str, AdapterInfo]) -> History:
    """Of the machine, and with the baseline, of the run that was started last; `adapters` say which of its modes is
    the first."""
    ordered = sorted(stored, key=lambda c: (c.run.started, c.run.name))
    last = ordered[-1].run
    own = [c for c in ordered if not machine_differences(c.run.machine, last.machine)]
    times = [step_times(judged(c.records, c.run.tasks, c.peaks)) for c in own]
    controls = _controls({place for found in times for place in found}, last.baseline, adapters)
    return History(
        tuple(c.run for c in own),
        tuple({place: statistics.median_interval(list(t.values())) for place, t in found.items()} for found in times),
        tuple(_ratios(found, controls) for found in times),
        controls,
        tuple(_versions(c) for c in own),
        tuple(c.run.name for c in ordered if c not in own),
    )


def _controls(places: set[Place], baseline: str, adapters: Mapping[str, AdapterInfo]) -> dict[Place, Cell]:
    """Of each cell that has one: the baseline's on the same workload, in its first mode and the own environment."""
    first = adapters[baseline].modes[0] if baseline in adapters else None
    found: dict[tuple[object, bool], Cell] = {}
    for cell, cold in sorted(places, key=lambda place: (place[0].mode != first, place[0].id)):
        if cell.adapter == baseline and cell.environment == DEFAULT:
            found.setdefault((cell.workload, cold), cell)
    pairs = {place: found.get((place[0].workload, place[1])) for place in places}
    return {place: control for place, control in pairs.items() if control is not None}


def _ratios(times: Times, controls: Mapping[Place, Cell]) -> dict[Place, Interval]:
    """Of one run: what its blocks say of each cell against its control."""
    found = {}
    for (cell, cold), own in times.items():
        control = controls.get((cell, cold))
        base = times.get((control, cold), {}) if control and control != cell else {}
        if (pair := statistics.in_common(own, base))[0]:
            found[cell, cold] = statistics.paired_ratio(*pair)
    return found


def _versions(stored: Contents) -> dict[Place, dict[str, str]]:
    speed = [record for record in stored.records if record.cell.kind == "speed"]
    return {(record.cell, record.cold): record.versions | record.kept for record in speed}
