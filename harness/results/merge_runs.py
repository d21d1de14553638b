"""Several runs of one machine as one: the same cells get more launches, and cells of other suites stand beside them.

Blocks are renumbered so that launches are paired only within their own run. Learning launches of one cell and seed
are the same experiment: the last of them counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from levelfield.harness.records.record import Record, Run
from levelfield.harness.records.store import Contents
from levelfield.harness.results.compare_runs import machine_differences
from levelfield.harness.run.outcome import unfinished
from levelfield.harness.system.differing import differing
from levelfield.tasks.errors import UserError

_APART = "write a report for each of them"


def combine(runs: Sequence[Contents]) -> Contents:
    """All launches of `runs`, under one head; the baseline is that of the first.

    Raises UserError for runs of different machines, of different data under one task's name, or with different
    versions of a distribution for the same adapter and environment: those are other cells, not more launches.
    """
    first = runs[0]
    if len(runs) == 1:
        return first
    for other in runs[1:]:
        _same_machine(first.run, other.run)
    _same_data([stored.run for stored in runs])
    _same_versions(runs)
    _same_variables(runs)
    records: list[Record] = []
    offset = 0
    for stored in runs:
        records += [
            r.model_copy(update={"block": r.block + offset}) if r.cell.kind == "speed" else r for r in stored.records
        ]
        offset += 1 + max((r.block for r in stored.records if r.cell.kind == "speed"), default=-1)
    unmade = [f"{s.run.name}: {told}" for s in runs if (told := unfinished(s.run, s.records)) is not None]
    head = _head([stored.run for stored in runs])
    return Contents(
        # each of them tells what it lacks itself; of all together nothing was planned
        head.model_copy(update={"warnings": [*unmade, *head.warnings], "planned": None}),
        records,
        [certificate for stored in runs for certificate in stored.certificates],
        [line for stored in runs for line in stored.damaged],
        [peak for stored in runs for peak in stored.peaks],
        [one for stored in runs for one in stored.explained],
    )


def _same_machine(first: Run, other: Run) -> None:
    if found := machine_differences(first.machine, other.machine):
        raise UserError(
            f"{first.name} and {other.name} come from different machines: {'; '.join(found)}",
            _APART,
        )


def _same_data(runs: Sequence[Run]) -> None:
    """By the digest of the data where both runs have one, else by the sizes of the splits."""
    seen: dict[str, Run] = {}
    for run in runs:
        for task, about in run.tasks.items():
            known = seen.setdefault(task, run).tasks[task]
            by = "digest" if "digest" in known and "digest" in about else "samples"
            if known.get(by) != about.get(by):
                raise UserError(f"the task {task} has other data in {seen[task].name} than in {run.name}", _APART)


def _same_versions(runs: Sequence[Contents]) -> None:
    seen: dict[tuple[str, str, str], tuple[str, str]] = {}
    for stored in runs:
        for record in stored.records:
            for name, version in record.versions.items():
                key = (record.cell.adapter, record.cell.environment, name)
                run, known = seen.setdefault(key, (stored.run.name, version))
                if known != version:
                    raise UserError(
                        f"{name} is {known} in {run} and {version} in {stored.run.name}",
                        "levelfield compare BASE NEW, or levelfield report --history DIR",
                    )


def _same_variables(runs: Sequence[Contents]) -> None:
    """Those that a launch got because the machine may need them; what was passed on makes another cell."""
    seen: dict[str, tuple[str, dict[str, str]]] = {}
    for stored in runs:
        for record in stored.records:
            if record.status not in ("ok", "failed"):
                continue
            run, known = seen.setdefault(record.cell.id, (stored.run.name, record.kept))
            for name, one, other in differing(known, record.kept, "not set"):
                raise UserError(f"the variable {name} is {one} in {run} and {other} in {stored.run.name}", _APART)


def _head(runs: Sequence[Run]) -> Run:
    warnings: dict[str, list[str]] = defaultdict(list)
    for run in runs:
        for warning in run.warnings:
            warnings[warning].append(run.name)
    everywhere = len(runs)
    told = [w if len(names) == everywhere else f"{', '.join(names)}: {w}" for w, names in warnings.items()]
    suites = list(dict.fromkeys(run.suite for run in runs))
    return runs[0].model_copy(
        update={
            "name": " + ".join(run.name for run in runs),
            "suite": ", ".join(suites),
            "summary": " ".join(dict.fromkeys(f"{run.summary.rstrip('.')}." for run in runs if run.summary)),
            "started": min(run.started for run in runs),
            "command": "\n".join(dict.fromkeys(run.command for run in runs)),
            "warnings": told,
            "suite_text": "\n".join(dict.fromkeys(run.suite_text for run in runs)),
            "tasks": {name: about for run in runs for name, about in run.tasks.items()},
        }
    )
