"""How much of the device was used: FLOP/s under the measured ceilings, busy cores, memory, energy."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from levelfield.harness.judge.roofline import DISPATCH, Regime
from levelfield.harness.records.peak import Peak
from levelfield.harness.records.quantity import Estimated, Quantity, Unavailable
from levelfield.reports.findings import utilisation, words
from levelfield.reports.findings.entries import Entry
from levelfield.reports.findings.evidence import Evidence
from levelfield.reports.findings.text import NARROW, count, fixed, listing, percent, scaled, significant
from levelfield.reports.findings.utilisation import Use, amount
from levelfield.reports.page import figure, small
from levelfield.reports.page.blocks import (
    ENTRY,
    Column,
    Glance,
    Heading,
    Line,
    Picture,
    Section,
    Table,
    Value,
    absent,
    number,
    text,
)

ORDER, SHORT, TITLE = 60, "Use", "Device utilisation"
QUESTION = "How much of the device was used?"
REGIMES: tuple[Regime, ...] = ("dispatch-bound", "memory-bound", "compute-bound", "between regimes")


def section(evidence: Evidence) -> Section:
    found = [uses for c in evidence.speed if (uses := utilisation.find(evidence, c))]
    if not found:
        return Section(missing=words.why_nothing(evidence))
    own = Section.of_each(
        found,
        lambda uses: uses[0].workload.full,
        lambda uses, i: [*strips(uses, i), *energies(uses, i)],
        lambda uses, i: [table(uses, f"use-table-{i}")],
        sentences=tuple(sentence(uses) for uses in found),
        notes=notes(found),
        glance=glance(found[0]),
    )
    return replace(own, blocks=(*roofs(found), *memories(found), *own.blocks, *ceilings(evidence.peaks)))


def glance(uses: Sequence[Use]) -> Glance | None:
    known = sorted((share, u.place.entry) for u in uses if (share := amount(u.share)) is not None)
    if not known:
        return None
    told = f"Steps reach {_range([share for share, _ in known], percent)} of the measured peak."
    told += f" The largest share is that of {known[-1][1].label}."
    marks = [small.Mark(entry.family, share) for share, entry in known]
    high = max(1.0, known[-1][0])
    return Glance(told, small.strip(marks, told, ("0", "peak" if high == 1 else percent(high)), low=0, high=high,
                                    band=None))  # fmt: skip


def sentence(uses: Sequence[Use]) -> str:
    """Ranges and regimes; nothing is said of who is faster."""
    where = f"{uses[0].workload.where} · {uses[0].workload.recipe.name}"
    known = sorted(rate for u in uses if (rate := amount(u.achieved)) is not None)
    if not known:
        return f"{where} no FLOP/s can be told: {_reason(uses[0].achieved)}."
    rates = _range(known, lambda value: scaled(value, "FLOP/s"))
    shares = sorted(share for u in uses if (share := amount(u.share)) is not None)
    cells = count(len(known), "cell")
    if not shares:
        return f"{where}, {cells} reached {rates}; of what share of the peak is not known: {_reason(uses[0].share)}."
    peak = amount(uses[0].peak.flops) if uses[0].peak else None
    assert peak is not None
    counted = Counter(u.regime for u in uses if u.regime)
    regimes = listing([f"{counted[r]} {r}" for r in REGIMES if counted[r]])
    return (
        f"{where}, {cells} reached {_range(shares, percent)} of the measured peak of {scaled(peak, 'FLOP/s')} "
        f"({rates}): {regimes}."
    )


def _range(values: Sequence[float], shown: Callable[[float], str]) -> str:
    low, high = shown(values[0]), shown(values[-1])
    return low if low == high else f"{low} to {high}"


def _reason(quantity: Quantity) -> str:
    return quantity.reason if isinstance(quantity, Unavailable) else ""


def notes(found: Sequence[Sequence[Use]]) -> list[str]:
    """Why a figure is not there."""
    uses = [u for own in found for u in own]
    told = []
    if not any(u.peak for u in uses):
        told.append("No roofline is drawn, because this run measured no peak.")
    for disturbed in sorted({u.peak.disturbed for u in uses if u.peak and u.peak.disturbed}):
        told.append(f"The peak was disturbed while it was measured ({disturbed}): it may be too low, shares too high.")
    if not any(u.busy for u in uses):
        told.append("No busy cores over time are drawn: " + utilisation.NOT_RECORDED + ".")
    if all(isinstance(u.energy, Unavailable) for u in uses):
        reasons = Counter(_reason(u.energy) for u in uses).most_common(1)
        told.append(f"Energy was not measured: {reasons[0][0]}.")
    return told


# Figures


def roofs(found: Sequence[Sequence[Use]]) -> list[Picture]:
    """One roofline for each device, precision and number of threads that has a peak."""
    groups: dict[str, list[Use]] = defaultdict(list)
    for use in (u for own in found for u in own if u.peak and u.peak.ceiling and u.work and u.rate):
        groups[use.workload.resources].append(use)
    return [
        Picture(
            f"roofline-{i}",
            partial(draw_roof, uses, f"roofline-{i}"),
            f"Achieved FLOP/s under the measured ceilings: {resources}.",
            "Line: what the device can do at that intensity. Dashed: a quarter of it, below which a step is "
            "dispatch-bound. The numbers are in the tables below.",
        )
        for i, (resources, uses) in enumerate(sorted(groups.items())[:2], start=1)
    ]


def draw_roof(uses: Sequence[Use], name: str) -> figure.Markup:
    assert uses[0].peak
    ceiling = uses[0].peak.ceiling
    assert ceiling
    drawing, axes = figure.plot(3.4)
    intensities = [u.work.intensity for u in uses if u.work]
    xs = np.geomspace(min(*intensities, ceiling.ridge) / 3, max(*intensities, ceiling.ridge) * 3, 80)
    roof = np.array([ceiling.attainable(x) for x in xs])
    axes.plot(xs, roof, color=figure.INK, linewidth=1.6)
    axes.plot(xs, roof / DISPATCH, color=figure.MUTED, linewidth=1.0, linestyle=(0, (4, 3)))
    rates = []
    for use in uses:
        assert use.work
        assert use.rate
        x, y = use.work.intensity, use.rate
        rates += [y.low, y.high]
        axes.plot([x, x], [y.low, y.high], color=figure.MUTED, linewidth=1.0, zorder=2)
        figure.dot(axes, x, y.estimate, figure.marker(use.place.entry), 5.5, zorder=3)
    axes.set_xlim(xs[0], xs[-1])
    axes.set_ylim(min(*rates, roof[0] / DISPATCH) / 2, max(*rates, ceiling.flops) * 2)
    figure.log_axis(axes, "x", lambda value, _: figure.tick(value))
    figure.log_axis(axes, "y", lambda value, _: figure.tick(value, "FLOP/s"))
    axes.set_xlabel("arithmetic intensity, FLOP per byte, log scale")
    figure.legend(drawing, [u.place.entry for u in uses])
    return figure.to_svg(drawing, name, sentence(uses))


def memories(found: Sequence[Sequence[Use]]) -> list[Picture]:
    """Memory against parameters, where there are models of several sizes."""
    uses = [u for own in found for u in own if u.workload.replicas == 1]  # each of several holds the parameters
    sizes = [(u.place.entry, u.parameters or 0, amount(u.memory) or 0.0) for u in uses]
    known = [(entry, parameters, size) for entry, parameters, size in sizes if parameters and size > 0]
    if len({parameters for _, parameters, _ in known}) < 2:
        return []
    what = "Peak memory above the process' floor against the number of parameters."
    return [Picture("memory-1", partial(draw_memory, known, "memory-1"), what, "The numbers are in the tables below.")]


def draw_memory(known: Sequence[tuple[Entry, int, float]], name: str) -> figure.Markup:
    drawing, axes = figure.plot(2.6)
    for entry, parameters, size in known:
        figure.dot(axes, parameters, size, figure.marker(entry), 5.5)
    entries, sizes, values = zip(*known, strict=True)
    axes.set_xlim(min(sizes) / 1.5, max(sizes) * 1.5)
    axes.set_ylim(min(values) / 1.5, max(values) * 1.5)
    figure.log_counts(axes)
    figure.log_axis(axes, "y", lambda value, _: figure.tick(value, "B"))
    axes.set_xlabel("parameters, log scale")
    figure.legend(drawing, entries)
    low, high = scaled(min(values), "B"), scaled(max(values), "B")
    return figure.to_svg(drawing, name, f"Peak memory above the floor lies between {low} and {high}.")


def strips(uses: Sequence[Use], number_: int) -> list[Picture]:
    own = [u for u in uses if u.busy]
    if not own:
        return []
    name = f"busy-{number_}"
    return [
        Picture(
            name,
            partial(draw_busy, own, name),
            f"Cores kept busy over the steady epochs: {uses[0].workload.full}.",
            "Full height: all cores of the process. One launch each, that with the median step.",
        )
    ]


def draw_busy(uses: Sequence[Use], name: str) -> figure.Markup:
    drawing, axes = figure.panel([u.place.entry.label for u in uses], row=0.3)
    for row, use in enumerate(uses):
        share = np.clip(use.busy, 0, 1)
        edges = np.linspace(0, 1, len(share) + 1)
        colour = figure.family_colour(use.place.entry.family)
        axes.stairs(row + 0.42 - 0.8 * share, edges, baseline=row + 0.42, fill=True, color=colour, linewidth=0)
        axes.plot([0, 1], [row + 0.42] * 2, color=figure.LINE, linewidth=0.8)
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.5, 1], ["start", "half", "end"])
    axes.set_xlabel("steady epochs of one launch")
    ends = sorted(float(np.mean(u.busy)) for u in uses)
    return figure.to_svg(drawing, name, f"On average {_range(ends, percent)} of the cores were busy.")


def energies(uses: Sequence[Use], number_: int) -> list[Picture]:
    """Where any cell has one; the notes say why there is none."""
    own = [(u.place.entry, joules) for u in uses if (joules := amount(u.energy) or 0) > 0]
    if not own:
        return []
    name = f"energy-{number_}"
    what = f"Energy of a steady epoch: {uses[0].workload.full}."
    return [Picture(name, partial(draw_energy, own, name), what, "Median over launches.")]


def draw_energy(known: Sequence[tuple[Entry, float]], name: str) -> figure.Markup:
    entries, joules = zip(*known, strict=True)
    drawing, axes = figure.panel([entry.label for entry in entries], top=figure.LEGEND)
    axes.set_xlim(min(joules) / 1.3, max(joules) * 1.3)
    for row, (entry, x) in enumerate(known):
        figure.point(axes, x, x, x, row, entry)
    figure.log_axis(axes, "x", lambda value, _: scaled(value, "J"))
    axes.set_xlabel("energy of a steady epoch, log scale")
    figure.legend(drawing, entries)
    return figure.to_svg(drawing, name, f"A steady epoch took {_range(sorted(joules), lambda v: scaled(v, 'J'))}.")


# Tables


def table(uses: Sequence[Use], name: str) -> Table:
    """With a column of energy where any cell has one."""
    energy = any(not isinstance(use.energy, Unavailable) for use in uses)
    return Table(
        name,
        f"Utilisation: {uses[0].workload.full}",
        (
            ENTRY,
            Column("Cores busy", "of its steady epochs"),
            Column("Achieved", "FLOP/s of the model's products"),
            Column("Share of peak"),
            Column("Peak memory", "above the process' floor"),
            Column("Intensity", "FLOP per byte"),
            Column("Regime", numeric=False),
            *([Column("Energy", "of a steady epoch")] if energy else []),
        ),
        tuple(_line(use, energy) for use in uses),
    )


def _line(use: Use, energy: bool) -> Line:
    rate = use.rate
    return Line.of(
        use.place.entry,
        use.workload,
        use.place.outcome,
        value(use.cores_busy, lambda v: fixed(v, 2), f"of {use.workload.threads}"),
        value(use.achieved, lambda v: scaled(v, "FLOP/s"), _ends(rate.low, rate.high) if rate else ""),
        value(use.share, percent),
        value(use.memory, lambda v: scaled(v, "B")),
        number(significant(use.work.intensity), use.work.intensity) if use.work else absent(_reason(use.achieved)),
        text(use.regime) if use.regime else absent(_reason(use.share)),
        *([value(use.energy, lambda v: scaled(v, "J"))] if energy else []),
    )


def _ends(low: float, high: float) -> str:
    return f"{scaled(low, '').strip(NARROW)}–{scaled(high, '').strip(NARROW)}"


def value(quantity: Quantity, shown: Callable[[float], str], detail: str = "") -> Value:
    """A number with its source, or the reason why there is none."""
    if isinstance(quantity, Unavailable):
        return absent(quantity.reason)
    if isinstance(quantity, Estimated) and quantity.unit in ("J", "B", "cores"):
        detail = "estimated"
    return number(shown(quantity.value), quantity.value, detail=detail, hint=quantity.source)


def ceilings(peaks: Sequence[Peak]) -> list[Heading | Table]:
    """What every framework got out of the device: the ceilings are the best of it."""
    if not peaks:
        return []
    lines = []
    for peak in peaks:
        for candidate in peak.candidates:
            where = f"{peak.device}, {count(peak.threads, 'thread')}, {peak.precision}"
            where += f", on {peak.machine}" if len({other.machine for other in peaks}) > 1 else ""
            values = [text(f"{candidate.framework} {candidate.version or ''}".strip()), text(where)]
            for operation, unit in (("product", "FLOP/s"), ("addition", "B/s")):
                best = max((t.rate for t in candidate.trials if t.operation == operation), default=None)
                values.append(absent(candidate.reason or "") if best is None else number(scaled(best, unit), best))
            lines.append(Line(tuple(values)))
    columns = (
        Column("Framework", numeric=False),
        Column("Device", numeric=False),
        Column("Matrix product", "best of its sizes"),
        Column("Memory", "addition of two vectors"),
    )
    return [Heading("The measured ceilings"), Table("peak-table", "The measured ceilings", columns, tuple(lines))]
