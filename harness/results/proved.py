"""Which times count: a timed launch that was not proved takes the times of all launches of its cell with it.

What one launch was caught at, others may have done unseen, since not every one is followed to its end. Besides, a step
that needs more arithmetic a second than the device was measured to be able to do did not happen: also then the cell is
*not proved while timed*.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any, Literal

from levelfield.harness.judge import roofline
from levelfield.harness.records.cell import Cell
from levelfield.harness.records.peak import Peak, PeakSubject, best_of
from levelfield.harness.records.quantity import Unavailable
from levelfield.harness.records.record import Record, step_seconds

NOT_PROVED: Literal["not proved while timed"] = "not proved while timed"
PEAK_ERROR = 0.10  # of a measured peak, at least
Place = tuple[Cell, bool]  # a cell, and whether its launches were cold


def judged(
    records: Iterable[Record], tasks: Mapping[str, Mapping[str, Any]] | None = None, peaks: Sequence[Peak] = ()
) -> list[Record]:
    """The same records, those of speed cells that are not proved marked as such.

    `tasks` of a run's head and its `peaks`: without them no step is held against a peak.
    """
    found = [_possible(record, tasks or {}, peaks) for record in records]
    reasons: dict[Place, str] = {}
    for record in found:
        if record.unproved:
            reasons.setdefault((record.cell, record.cold), record.unproved)
    if not reasons:
        return found
    return [
        record.model_copy(update={"unproved": reason})
        if record.status == "ok" and (reason := reasons.get((record.cell, record.cold)))
        else record
        for record in found
    ]


def step_times(records: Iterable[Record]) -> dict[Place, dict[int, float]]:
    """Of every timed cell: block → seconds of a steady step, where they count."""
    found: dict[Place, dict[int, float]] = {}
    for record in records:
        if record.cell.kind == "speed" and (step := step_seconds(record)) is not None:
            found.setdefault((record.cell, record.cold), {})[record.block] = step
    return found


def peak_of(record: Record, peaks: Sequence[Peak]) -> Peak | None:
    """What the device of a launch can do; None where nobody measured it, and of several devices, for it is of one."""
    cell = record.cell
    if cell.replicas > 1 and not cell.share_cores:
        return None
    return best_of(peaks, PeakSubject(cell.device, cell.precision, cell.threads), record.machine.type)


def _possible(record: Record, tasks: Mapping[str, Mapping[str, Any]], peaks: Sequence[Peak]) -> Record:
    step = step_seconds(record) if record.cell.kind == "speed" and peaks else None
    reason = None if step is None else impossible(record, step, tasks, peaks)
    return record.model_copy(update={"unproved": reason}) if reason else record


def impossible(
    record: Record, step: float, tasks: Mapping[str, Mapping[str, Any]], peaks: Sequence[Peak]
) -> str | None:
    """Why no step can take so few seconds on this device; None where it can, or no undisturbed peak was measured."""
    work = roofline.work(record.cell, tasks.get(record.cell.task, {}))
    peak = peak_of(record, peaks)
    if work is None or peak is None or peak.disturbed:
        return None
    flops = peak.flops
    if isinstance(flops, Unavailable):
        return None
    share = work.flops / step / flops.value
    if share <= 1 + error(peak):
        return None
    return f"impossible: a step would need {100 * share:.0f} % of the measured peak"


def error(peak: Peak) -> float:
    """By how much the device may be faster than the measured peak, as a share of it: at least PEAK_ERROR, and as much
    as the repeats of its best product differ."""
    products = [t for c in peak.candidates for t in c.trials if t.operation == "product"]
    best = max(products, key=lambda trial: trial.rate, default=None)
    return PEAK_ERROR if best is None else max(PEAK_ERROR, median(best.seconds) / min(best.seconds) - 1)
