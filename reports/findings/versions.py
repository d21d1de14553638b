"""Versions of a package beside each other: every entry against itself in the first of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from levelfield.harness.judge import statistics
from levelfield.harness.judge.statistics import Interval, Verdict
from levelfield.harness.records.cell import Cell
from levelfield.reports.findings.entries import Entry, Workload
from levelfield.reports.findings.evidence import CONFIDENCE, Evidence, Place, why_void


@dataclass(frozen=True)
class Point:
    """An entry in one version: the time of its step in seconds, and the verdict against the first version.

    Where there is no time, or it takes part in no verdict, `reason` says why.
    """

    version: str
    time: Interval | None
    verdict: Verdict | None
    reason: str | None = None


@dataclass(frozen=True)
class Row:
    """An entry on one workload, from version to version; `cell` is its own in the first of them."""

    entry: Entry
    workload: Workload
    cell: Cell
    points: tuple[Point, ...]

    @property
    def label(self) -> str:
        return self.entry.label


def find(evidence: Evidence, versions: Sequence[str], margin: float, confidence: float = CONFIDENCE) -> list[Row]:
    """A row for each entry that was planned under all `versions`, names of environments; all verdicts hold together
    with this `confidence`."""
    groups: dict[tuple[Workload, Entry], dict[str, Place]] = {}
    for comparison in evidence.speed:
        for place in comparison.places:
            plain = replace(place.entry, environment="default")
            groups.setdefault((comparison.workload, plain), {})[place.entry.environment] = place
    wanted = {key: own for key, own in groups.items() if all(version in own for version in versions)}
    pairs = {
        (*key, version): (own[version].steps, own[versions[0]].steps)
        for key, own in wanted.items()
        for version in versions[1:]
        if why_void(own[version]) is None and why_void(own[versions[0]]) is None
    }
    verdicts = statistics.judge_pairs(pairs, confidence=confidence, margin=margin)
    cells = {(Workload.of(r, evidence.run), Entry.of(r.cell)): r.cell for r in evidence.latest}
    return [
        Row(
            plain,
            workload,
            cells[workload, own[versions[0]].entry],
            tuple(
                Point(version, own[version].interval, verdicts.get((workload, plain, version)), why_void(own[version]))
                for version in versions
            ),
        )
        for (workload, plain), own in wanted.items()
    ]


def as_json(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """For programs."""

    def interval(found: Interval | None) -> dict[str, Any] | None:
        return None if found is None else {name: getattr(found, name) for name in ("estimate", "low", "high", "n")}

    return [
        {
            "task": row.cell.task,
            "model": row.cell.model.name,
            "recipe": row.cell.recipe.name,
            "adapter": row.cell.adapter,
            "mode": row.cell.mode,
            "versions": [
                {
                    "version": point.version,
                    "step_seconds": interval(point.time),
                    "ratio": interval(point.verdict.ratio) if point.verdict else None,
                    "verdict": point.verdict.word if point.verdict else None,
                    "material": point.verdict.material if point.verdict else None,
                    "reason": point.reason,
                }
                for point in row.points
            ],
        }
        for row in rows
    ]
