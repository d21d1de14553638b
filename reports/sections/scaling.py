"""Throughput over batch size, width and depth: where dispatch stops being the limit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial

from levelfield.harness.judge.roofline import rate
from levelfield.harness.judge.statistics import Interval
from levelfield.reports.findings import utilisation
from levelfield.reports.findings.entries import Entry, Workload
from levelfield.reports.findings.evidence import Comparison, Evidence, Place
from levelfield.reports.findings.text import capital, factor_digits, listing, per_second, percent
from levelfield.reports.findings.utilisation import Use, amount
from levelfield.reports.page import figure
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
)

ORDER, SHORT, TITLE = 50, "Scaling", "Batch, width and depth scaling"
QUESTION = "What do larger batches and networks bring?"
MOST = 6  # sweeps on a page


@dataclass(frozen=True)
class Sweep:
    """Workloads that differ in one size alone, ascending. `axis`: batch size, width or depth."""

    axis: str
    comparisons: tuple[tuple[int, Comparison], ...]
    uses: dict[int, dict[Entry, Use]]

    @property
    def sizes(self) -> list[int]:
        return [size for size, _ in self.comparisons]

    @property
    def entries(self) -> list[Entry]:
        return sorted({p.entry for _, c in self.comparisons for p in c.places})

    @property
    def title(self) -> str:
        first = self.comparisons[0][1].workload
        kept = {"batch size": first.label, "width": f"{first.task} · {first.recipe.name}"}.get(
            self.axis, f"{first.task} · {first.recipe.name}, width {first.model.hidden[0] if first.model.hidden else 0}"
        )
        return f"{self.axis} on {kept} ({first.track}, {first.resources})"

    def place(self, size: int, entry: Entry) -> Place | None:
        return dict(self.comparisons)[size].place(entry)

    def throughput(self, size: int, entry: Entry) -> Interval | None:
        """Samples per second of steady training."""
        place = self.place(size, entry)
        return rate(place.workload.recipe.batch_size, place.interval) if place and place.interval else None


def find(evidence: Evidence) -> list[Sweep]:
    """All sweeps of at least three sizes, or of two where there are no more."""
    found: list[Sweep] = []
    for axis, (fixed, size) in AXES.items():
        groups: dict[Hashable, dict[int, Comparison]] = defaultdict(dict)
        for comparison in evidence.speed:
            workload = comparison.workload
            if (value := size(workload)) is not None:
                groups[fixed(workload)].setdefault(value, comparison)
        for group in groups.values():
            if len(group) > 1 and any(c.measured for c in group.values()):
                own = tuple(sorted(group.items()))
                uses = {n: {u.place.entry: u for u in utilisation.find(evidence, c)} for n, c in own}
                found.append(Sweep(axis, own, uses))
    widest = max((len(sweep.sizes) for sweep in found), default=0)
    return [sweep for sweep in found if len(sweep.sizes) >= min(3, widest)][:MOST]


def _around(w: Workload) -> tuple[Hashable, ...]:
    m, r = w.model, w.recipe
    return (w.task, m.activation, m.dropout, m.l2, r.optimizer, w.track, w.resources)


def _width(w: Workload) -> int | None:
    return w.model.hidden[0] if w.model.hidden and len(set(w.model.hidden)) == 1 else None


AXES: dict[str, tuple[Callable[[Workload], Hashable], Callable[[Workload], int | None]]] = {
    "batch size": (lambda w: (*_around(w), w.model.hidden), lambda w: w.recipe.batch_size),
    "width": (lambda w: (*_around(w), len(w.model.hidden), w.recipe.batch_size), _width),
    "depth": (
        lambda w: (*_around(w), _width(w), w.recipe.batch_size),
        lambda w: len(w.model.hidden) if _width(w) else None,
    ),
}


def section(evidence: Evidence) -> Section:
    sweeps = find(evidence)
    if not sweeps:
        sizes = sorted({c.workload.recipe.batch_size for c in evidence.speed})
        return Section(missing=f"Its speed launches use {_sizes(sizes)}; levelfield run scaling")
    blocks: list[Heading | Picture | Table] = []
    for i, sweep in enumerate(sweeps, start=1):
        blocks += [Heading(f"By {sweep.title}")] if len(sweeps) > 1 else []
        blocks += [picture(sweep, i), table(sweep, i)]
    growth = _growth(sweeps[0], sweeps[0].sizes[0], sweeps[0].sizes[-1])
    return Section(
        sentences=tuple(sentence(sweep) for sweep in sweeps),
        blocks=tuple(blocks),
        glance=Glance(f"By {sweeps[0].axis}, {growth.partition(', depending')[0]}.") if growth else None,
    )


def _sizes(sizes: Sequence[int]) -> str:
    if not sizes:
        return "no batch size at all"
    return f"batch size {sizes[0]} only" if len(sizes) == 1 else f"the batch sizes {', '.join(map(str, sizes))} only"


def sentence(sweep: Sweep) -> str:
    """How throughput grows, where dispatch is the limit of all, and the largest share of the peak; no verdicts."""
    low, high = sweep.sizes[0], sweep.sizes[-1]
    parts = [p for p in (_growth(sweep, low, high), _dispatch(sweep), _largest(sweep)) if p]
    told = ". ".join([*parts[:1], *map(capital, parts[1:])])
    told = told or "no entry was measured at more than one size"
    return f"By {sweep.title}: {told}. These differences are described, not judged."


def _growth(sweep: Sweep, low: int, high: int) -> str:
    ends = [(sweep.throughput(low, e), sweep.throughput(high, e)) for e in sweep.entries]
    ratios = sorted(b.estimate / a.estimate for a, b in ends if a and b)
    if not ratios:
        return ""
    shown = [factor_digits(r) for r in (ratios[0], ratios[-1])]
    span = shown[0] if shown[0] == shown[1] else f"{shown[0]} to {shown[1]}"
    return f"from {low} to {high} the samples per second change by factors of {span}, depending on the entry"


def _dispatch(sweep: Sweep) -> str:
    """Up to which size every measured entry is dispatch-bound, in a row from the smallest."""
    up_to = None
    for size in sweep.sizes:
        regimes = [use.regime for use in sweep.uses[size].values()]
        if not regimes or None in regimes:
            return "regimes are not known, because this run measured no peak" if up_to is None else ""
        if any(r != "dispatch-bound" for r in regimes):
            break
        up_to = size
    if up_to is None:
        return f"at {sweep.sizes[0]} already not every entry is dispatch-bound"
    if up_to == sweep.sizes[-1]:
        return "every entry is dispatch-bound at every size"
    return f"up to {up_to} every entry is dispatch-bound"


def _largest(sweep: Sweep) -> str:
    uses = [(size, use) for size, own in sweep.uses.items() for use in own.values()]
    known = [(share, size, use) for size, use in uses if (share := amount(use.share)) is not None]
    if not known:
        return ""
    share, size, use = max(known, key=lambda entry: (entry[0], -entry[1]))
    return f"the largest share of the measured peak is {percent(share)}, {use.place.entry.label} at {size}"


def picture(sweep: Sweep, number_: int) -> Picture:
    return Picture(
        f"scaling-{number_}",
        partial(draw, sweep, f"scaling-{number_}"),
        f"Samples per second by {sweep.title}.",
        "Bar: interval of the median over launches. ×: no launch gave a time, see the table.",
    )


def draw(sweep: Sweep, name: str) -> figure.Markup:
    drawing, axes = figure.plot(3.0)
    found = {e: {s: t for s in sweep.sizes if (t := sweep.throughput(s, e))} for e in sweep.entries}
    values = [v for own in found.values() for t in own.values() for v in (t.low, t.high)]
    bottom = min(values) / 2.5
    for entry, own in found.items():
        colour = figure.family_colour(entry.family)
        style = "-" if entry.compiled else (0, (4, 2))
        axes.plot(list(own), [t.estimate for t in own.values()], color=colour, linewidth=1.2, linestyle=style, zorder=1)
        for size, t in own.items():
            axes.plot([size, size], [t.low, t.high], color=figure.INK, linewidth=1.1, zorder=2)
            figure.dot(axes, size, t.estimate, figure.marker(entry), 5.5, zorder=3)
        lost = [size for size in sweep.sizes if sweep.place(size, entry) and size not in own]
        axes.plot(lost, [bottom] * len(lost), linestyle="none", marker="x", color=colour, markersize=7, clip_on=False)
    axes.set_xlim(sweep.sizes[0] / 1.25, sweep.sizes[-1] * 1.25)
    axes.set_ylim(bottom, max(values) * 1.6)
    axes.set_xscale("log")
    axes.set_xticks(sweep.sizes, [str(size) for size in sweep.sizes])
    axes.set_xticks([], minor=True)
    figure.log_axis(axes, "y", lambda value, _: figure.tick(value))
    axes.set_xlabel(f"{sweep.axis}, log scale")
    figure.outer_labels(drawing, "", "samples per second")
    figure.legend(drawing, sweep.entries)
    return figure.to_svg(drawing, name, sentence(sweep))


def table(sweep: Sweep, number_: int) -> Table:
    columns = [Column(f"{sweep.axis.capitalize()} {size}", "samples per second") for size in sweep.sizes]
    first = sweep.comparisons[0][1].workload
    lines = [Line.of(entry, first, "", *(_cell(sweep, n, entry) for n in sweep.sizes)) for entry in sweep.entries]
    return Table(f"scaling-table-{number_}", f"Samples per second by {sweep.title}", (ENTRY, *columns), tuple(lines))


def _cell(sweep: Sweep, size: int, entry: Entry) -> Value:
    place, throughput = sweep.place(size, entry), sweep.throughput(size, entry)
    if place is None:
        return absent("not part of the run")
    if throughput is None:
        return absent(place.reason or "", place.outcome)
    use = sweep.uses[size].get(entry)
    told = []
    if use and (share := amount(use.share)) is not None:
        told = [f"{percent(share)} of peak", use.regime or ""]
    return number(per_second(throughput.estimate), throughput.estimate, detail=listing(told))
