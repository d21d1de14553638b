"""From records and peaks to how much of its device every cell used: the numbers behind two sections."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from levelfield.harness.judge import roofline
from levelfield.harness.judge.roofline import Regime, Work
from levelfield.harness.judge.statistics import Interval
from levelfield.harness.measure import disturbance
from levelfield.harness.records.peak import NO_PEAK, Peak, PeakSubject, best_of
from levelfield.harness.records.quantity import Estimated, Measured, Quantity, Unavailable
from levelfield.harness.records.record import Record, step_seconds
from levelfield.reports.findings.entries import Workload
from levelfield.reports.findings.evidence import Comparison, Evidence, Place

NOT_RECORDED = "the records of this run hold no such quantity"


@dataclass(frozen=True)
class Use:
    """What one cell made of its device. `rate`: FLOP/s with the interval of the median step over launches."""

    place: Place
    work: Work | None
    peak: Peak | None
    rate: Interval | None
    achieved: Quantity
    share: Quantity
    regime: Regime | None
    cores_busy: Quantity
    memory: Quantity  # peak above the process' floor, bytes
    energy: Quantity  # joules of one epoch
    busy: tuple[float, ...]  # of the launch with the median step
    parameters: int | None

    @property
    def workload(self) -> Workload:
        return self.place.workload


def find(evidence: Evidence, comparison: Comparison) -> tuple[Use, ...]:
    """Of all places that have a clean step, in the order of the comparison."""
    return tuple(of_place(evidence, place) for place in comparison.measured)


def of_place(evidence: Evidence, place: Place) -> Use:
    workload, step = place.workload, place.interval
    launches = [r for r in evidence.speed_records(workload, place.entry) if step_seconds(r)]
    # Watched, and by nobody disturbed; all, where there is none: they say why
    records = [r for r in launches if r.utilisation and disturbance.verdict(r.disturbance) is None] or launches
    work = roofline.work(records[0].cell, evidence.run.tasks.get(workload.task, {})) if records else None
    machine = workload.machine or evidence.run.machine.type
    peak = best_of(evidence.peaks, PeakSubject(workload.device, workload.precision, workload.threads), machine)
    unknown = NO_PEAK
    if workload.replicas > 1 and not workload.share_cores:
        peak, unknown = None, Unavailable(reason="the peak was measured on one device")
    achieved = roofline.achieved(work, step.estimate if step else None)
    ceiling = peak.ceiling if peak else None
    return Use(
        place=place,
        work=work,
        peak=peak,
        rate=roofline.rate(work.flops, step) if work and step else None,
        achieved=achieved,
        share=roofline.share(achieved, peak.flops if peak else unknown),
        regime=roofline.regime(work, step, ceiling) if work and step and ceiling else None,
        cores_busy=middle(records, "cores_busy"),
        memory=middle(records, "memory_above_floor"),
        energy=energy(records),
        busy=strip(records),
        parameters=records[0].parameters if records else None,
    )


def amount(quantity: Quantity) -> float | None:
    """Its value, where there is one."""
    return None if isinstance(quantity, Unavailable) else quantity.value


def middle(records: Sequence[Record], name: str) -> Quantity:
    """The median over launches of what was measured, or the reason that most of them give for its absence."""
    return _middle([r.utilisation.get(name, Unavailable(reason=NOT_RECORDED)) for r in records])


def energy(records: Sequence[Record]) -> Quantity:
    """Joules of one steady epoch: those of a launch's window, divided among its epochs."""
    found: list[Quantity] = []
    for record in records:
        own = record.utilisation.get("energy", Unavailable(reason=NOT_RECORDED))
        if not isinstance(own, Unavailable):
            epochs = record.window.epochs if record.window else len(record.epoch_seconds)
            own = own.model_copy(update={"value": own.value / epochs})
        found.append(own)
    return _middle(found)


def _middle(found: Sequence[Quantity]) -> Quantity:
    known = [q for q in found if not isinstance(q, Unavailable)]
    if not known:
        reasons = Counter(q.reason for q in found if isinstance(q, Unavailable))
        return Unavailable(reason=reasons.most_common(1)[0][0] if reasons else NOT_RECORDED)
    kind = Measured if all(isinstance(q, Measured) for q in known) else Estimated
    return kind(value=median(q.value for q in known), unit=known[0].unit, source=known[0].source)


def strip(records: Sequence[Record]) -> tuple[float, ...]:
    """Shares of the cores kept busy over the steady epochs, of the launch whose step is the (lower) median."""
    ordered = sorted((r for r in records if r.busy), key=lambda r: step_seconds(r) or 0.0)
    return tuple(ordered[(len(ordered) - 1) // 2].busy) if ordered else ()
