"""The framework tax: a higher API against a lower one that computes with the same framework."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from levelfield.harness.judge import statistics
from levelfield.harness.judge.statistics import Interval, Verdict
from levelfield.harness.records.cell import Cell
from levelfield.reports.findings import words
from levelfield.reports.findings.entries import Entry, Workload
from levelfield.reports.findings.evidence import CONFIDENCE, MARGIN, USUAL_MODES, Comparison, Evidence, Place, too_few
from levelfield.reports.findings.text import count, duration, factor, factors, listing, span
from levelfield.reports.page import figure, small, verdicts
from levelfield.reports.page.blocks import Column, Glance, Line, Picture, Section, Table, absent, number, text

ORDER, SHORT, TITLE = 30, "Tax", "The framework tax: what a higher API costs"
QUESTION = "What does the high-level API cost over the low-level one?"
LEVELS = {"low": 0, "mixed": 1, "high": 2}


@dataclass(frozen=True)
class Tax:
    """`verdict`: the higher API's step against the lower one's. `extra`: seconds more per step, paired by block."""

    workload: Workload
    high: Place
    low: Place
    verdict: Verdict
    extra: Interval | None

    @property
    def label(self) -> str:
        return f"{self.high.entry.label} : {self.low.entry.label}"

    @property
    def sentence(self) -> str:
        high, low = self.high.entry.label, self.low.entry.label
        ratio = self.verdict.ratio
        if self.verdict.word == "slower" and ratio:
            more = f", {_signed(self.extra)} a step" if self.extra else ""
            return f"{high} takes {factor(ratio.estimate)} the time of {low} ({factors(ratio.low, ratio.high)}{more})."
        if self.verdict.word == "faster":
            return f"{high} is {words.speed_phrase(self.verdict, low)}."
        return f"{high} against {low}: {words.speed_phrase(self.verdict)}."


def _signed(extra: Interval) -> str:
    sign = "+" if extra.estimate >= 0 else "−"
    return f"{sign}{duration(abs(extra.estimate))}"


def find(comparison: Comparison) -> tuple[Tax, ...]:
    """Each entry above the lowest level against the nearest lower API of the framework that does its arithmetic."""
    usable = [p for p in comparison.measured if p.certified is not False]
    pairs = {p.entry: (p, low) for p in usable if (low := counterpart(p.entry, usable))}
    steps = {entry: high.paired(low) for entry, (high, low) in pairs.items()}
    family = {entry: both for entry, both in steps.items() if len(both[0]) >= statistics.LEAST_BLOCKS}
    ratios = statistics.paired_ratios(family, CONFIDENCE)
    extras = statistics.paired_differences(family, CONFIDENCE)
    found = [
        Tax(
            comparison.workload,
            *pair,
            statistics.judge(ratios[entry], MARGIN) if entry in family else too_few(len(steps[entry][0])),
            extras.get(entry),
        )
        for entry, pair in pairs.items()
    ]
    return tuple(sorted(by_size(found), key=lambda t: t.high.entry.family))


def cells(evidence: Evidence) -> list[tuple[Cell, Cell]]:
    """The cells of every pair, once each: those of the first workload of one process on the matched track."""
    of = {(Workload.of(one, evidence.run), Entry.of(one.cell)): one.cell for one in evidence.latest}
    found: dict[tuple[Entry, Entry], tuple[Cell, Cell]] = {}
    for comparison in evidence.speed:
        work = comparison.workload
        if work.track == "matched" and work.replicas == 1 and work.machine is None:
            for one in find(comparison):
                pair = one.high.entry, one.low.entry
                found.setdefault(pair, (of[work, pair[0]], of[work, pair[1]]))
    return list(found.values())


def counterpart(entry: Entry, places: Sequence[Place]) -> Place | None:
    """Native to the framework that does the arithmetic, one level down, executing as `entry` does by default.

    Always from the same environment: other versions are another question.
    """
    level = LEVELS.get(entry.api, 0)
    below = [
        p
        for p in places
        if p.entry.family == entry.family
        and p.entry.environment == entry.environment
        and p.entry.backend in (None, entry.family)
        and p.entry.framework == entry.family
        and LEVELS.get(p.entry.api, 0) < level
    ]
    if not below:
        return None
    usual = USUAL_MODES.get(entry.family, "eager")

    def distance(place: Place) -> tuple[int, int, str, str]:
        other = place.entry
        mode = 0 if other.mode == entry.mode else 1 if other.mode == usual else 2
        return (-LEVELS.get(other.api, 0), mode, other.adapter, other.mode)

    best = min(below, key=distance)
    same_way = best.entry.mode == entry.mode or best.entry.compiled == entry.compiled
    return best if same_way else None


def section(evidence: Evidence) -> Section:
    found = [taxes for c in evidence.speed if (taxes := find(c))]
    if not found:
        return Section(missing=words.why_nothing(evidence, why_no_pair(evidence)))
    return Section.of_each(
        found,
        lambda taxes: taxes[0].workload.full,
        lambda taxes, i: [picture(taxes, i)] if any(t.verdict.ratio for t in taxes) else [],
        lambda taxes, i: [table(taxes, f"tax-table-{i}")],
        sentences=tuple(s for taxes in found for s in (summarise(taxes), *(t.sentence for t in by_size(taxes)))),
        glance=glance(found[0]),
    )


def glance(taxes: Sequence[Tax]) -> Glance:
    """The ladder of the levels: the steeper, the larger the tax."""
    judged = [t for t in taxes if t.verdict.word != "not judged"]
    slower = [t.verdict.ratio.estimate for t in judged if t.verdict.word == "slower" and t.verdict.ratio]
    if not judged:
        return Glance(f"Not judged: {taxes[0].verdict.reason.removesuffix(', not judged')}.")
    told = f"{len(slower) or 'None'} of {count(len(judged), 'higher API')} {'is' if len(slower) == 1 else 'are'} slower"
    ends = dict.fromkeys(factor(own) for own in (min(slower), max(slower))) if slower else ()
    told += f" than the lower one: {' to '.join(ends)} its time." if slower else " beyond the noise."
    rises = []
    for t in taxes:
        low, high = t.low.interval, t.high.interval
        assert low
        assert high
        points = ((LEVELS.get(p.entry.api, 0), i.estimate) for p, i in ((t.low, low), (t.high, high)))
        rises.append(small.Rise(t.high.entry.family, *points))
    return Glance(told, small.ladder(rises, tuple(LEVELS), told))


def why_no_pair(evidence: Evidence) -> str:
    """Nothing was measured that could be paired, or not every half of a pair is certified."""
    labels = []
    for comparison in evidence.speed:
        for place in comparison.measured:
            if low := counterpart(place.entry, comparison.measured):
                labels.append(f"{place.entry.label} with {low.entry.label}")
    if labels:
        told = listing(list(dict.fromkeys(labels)), most=3)
        return f"A pair takes part when both are certified; without that were measured {told}."
    return (
        "No two entries pair a higher with a lower API of one framework: "
        "levelfield run default -a torch-autograd -a torch-nn"
    )


def picture(taxes: Sequence[Tax], number_: int) -> Picture:
    return Picture(
        f"tax-{number_}",
        partial(draw_pairs, [(t.label, t.verdict, t.high.entry) for t in taxes], f"tax-{number_}", summarise(taxes)),
        f"Higher against lower API: {taxes[0].workload.full}.",
        "Time of the first over time of the second, with its simultaneous interval. Band: the margin of ±3 %.",
    )


def by_size(taxes: Sequence[Tax]) -> list[Tax]:
    return sorted(taxes, key=lambda t: (-(t.verdict.ratio.estimate if t.verdict.ratio else 0), t.high.entry))


def summarise(taxes: Sequence[Tax]) -> str:
    """How many higher APIs take longer and by how much; the pairs by themselves are told by `Tax.sentence`."""
    where, total = taxes[0].workload.where, len(taxes)
    slower = sorted(t.verdict.ratio.estimate for t in taxes if t.verdict.word == "slower" and t.verdict.ratio)
    counted = words.word_counts([t.verdict.word for t in taxes if t.verdict.word != "slower"])
    if not slower:
        return f"{where} no higher API is shown to take longer than the lower one it is paired with: {counted}."
    spread = factor(slower[0]) if len(slower) == 1 else f"{factor(slower[0])} to {factor(slower[-1])}"
    verb = "takes" if len(slower) == 1 else "take"
    told = (
        f"{where}, {len(slower)} of {total} higher APIs {verb} longer than the lower one of the pair: {spread} its time"
    )
    return told + (f"; the other pairs: {counted}." if counted else ".")


def draw_pairs(rows: Sequence[tuple[str, Verdict, Entry]], name: str, told: str) -> figure.Markup:
    """As `verdicts.draw`, of steps whose labels name both sides."""
    return verdicts.draw(rows, "ratio of step times, log scale", name, told, most=60)


def table(taxes: Sequence[Tax], name: str) -> Table:
    workload = taxes[0].workload
    lines = []
    for t in taxes:
        extra = number(_signed(t.extra), t.extra.estimate, detail=_range(t.extra)) if t.extra else absent()
        values = text(t.low.entry.label), verdicts.ratio(t.verdict.ratio), extra, verdicts.word(t.verdict)
        lines.append(Line.of(t.high.entry, workload, "ok", *values))
    return Table(
        name,
        f"Higher against lower API: {workload.full}",
        (
            Column("Higher API", numeric=False),
            Column("Lower API", numeric=False),
            Column("Ratio", "simultaneous 95 %"),
            Column("Difference", "per step, paired"),
            Column("Verdict", numeric=False),
        ),
        tuple(lines),
    )


def _range(extra: Interval) -> str:
    if extra.low >= 0:
        return span(extra.low, extra.high)
    return f"{duration(extra.low)} … {duration(extra.high)}"
