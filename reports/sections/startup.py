"""First step against steady state: what starting costs, and after how many steps compiling pays."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil, inf, isfinite
from statistics import median
from typing import Any

import numpy as np

from levelfield.harness.judge import statistics
from levelfield.harness.judge.statistics import Interval, Verdict
from levelfield.harness.results.tables import step_seconds
from levelfield.reports.findings import whole_job, words
from levelfield.reports.findings.entries import Entry, Workload
from levelfield.reports.findings.evidence import CONFIDENCE, MARGIN, Comparison, Evidence, Place
from levelfield.reports.findings.text import NARROW, duration, factor, listing, span
from levelfield.reports.page import figure
from levelfield.reports.page.blocks import (
    Column,
    Line,
    Picture,
    Section,
    Table,
    Value,
    absent,
    by_workload,
    drawn,
    facets,
    number,
    text,
)

ORDER, SHORT, TITLE = 40, "First step", "First step against steady state"
QUESTION = "After how many steps does compiling pay?"


@dataclass(frozen=True)
class Start:
    """`cost`: first epoch less the median steady epoch, in seconds, median over launches with its interval."""

    place: Place
    cost: Interval

    @property
    def measurable(self) -> bool:
        return self.cost.low > 0


@dataclass(frozen=True)
class Payback:
    """A compiled mode against the eager mode of the same adapter. `steps`: where their total times meet."""

    workload: Workload
    compiled: Start
    eager: Start
    verdict: Verdict
    steps: Interval | None

    @property
    def sentence(self) -> str:
        name, other = self.compiled.place.entry.label, self.eager.place.entry.mode
        word = self.verdict.word
        if word == "faster" and self.steps:
            if self.steps.high <= 0:
                return f"{name} pays from the first step against {other}."
            steps = f"{_steps(self.steps.estimate)} steps against {other} ({steps_range(self.steps)})"
            return f"{name} pays after some {steps}."
        if word == "slower":
            return f"{name} never pays against {other}: its steady step is {words.speed_phrase(self.verdict)}."
        return f"{name} is not shown to pay against {other}: {words.speed_phrase(self.verdict)}."


def _steps(value: float) -> str:
    """Rounded up to two digits: more would be false precision."""
    if not isfinite(value):
        return "∞"
    whole = ceil(value)
    unit = 10 ** max(0, len(str(whole)) - 2)
    return f"{-(-whole // unit) * unit:,}".replace(",", NARROW)


def steps_range(steps: Interval) -> str:
    high = "no upper limit" if not isfinite(steps.high) else _steps(steps.high)
    return (
        f"{_steps(max(0.0, steps.low))}–{high}"
        if isfinite(steps.high)
        else f"from {_steps(max(0.0, steps.low))}, {high}"
    )


def find(evidence: Evidence, comparison: Comparison) -> tuple[tuple[Start, ...], tuple[Payback, ...]]:
    starts = []
    for place in comparison.measured:
        costs = [
            r.phases["first_epoch"] - median(r.epoch_seconds)
            for r in evidence.speed_records(comparison.workload, place.entry)
            if step_seconds(r) and isfinite(r.phases.get("first_epoch", inf))
        ]
        if costs:
            starts.append(Start(place, statistics.median_interval(costs)))
    usable = [s for s in starts if s.place.certified is not False]
    pairs = [
        (compiled, eager)
        for compiled in usable
        if compiled.place.entry.compiled
        for eager in usable
        if eager.place.entry.mode == "eager" and _same_but_mode(eager.place.entry, compiled.place.entry)
    ]
    each = statistics.shared_confidence(max(1, len(pairs)), CONFIDENCE)
    return tuple(starts), tuple(payback(comparison.workload, c, e, each) for c, e in pairs)


def _same_but_mode(a: Entry, b: Entry) -> bool:
    return (a.adapter, a.feed, a.environment) == (b.adapter, b.feed, b.environment)


def payback(workload: Workload, compiled: Start, eager: Start, confidence: float) -> Payback:
    blocks = sorted(compiled.place.steps.keys() & eager.place.steps.keys())
    a, b = ([s.place.steps[block] for block in blocks] for s in (compiled, eager))
    if len(blocks) < statistics.LEAST_BLOCKS:
        reason = f"{len(blocks)} common blocks, {statistics.LEAST_BLOCKS} needed"
        return Payback(workload, compiled, eager, Verdict("not judged", False, None, MARGIN, reason), None)
    verdict = statistics.judge(statistics.paired_ratio(a, b, confidence), MARGIN)
    gain = statistics.paired_difference(b, a, confidence)  # seconds that a compiled step saves
    steps = None
    if verdict.word == "faster" and gain.estimate > 0:
        low = compiled.cost.low - eager.cost.high
        high = compiled.cost.high - eager.cost.low
        centre = (compiled.cost.estimate - eager.cost.estimate) / gain.estimate
        ends = [cost / saving if saving > 0 else inf for cost in (low, high) for saving in (gain.low, gain.high)]
        steps = Interval(max(0.0, centre), min(ends), max(ends), gain.n, confidence)
    return Payback(workload, compiled, eager, verdict, steps)


def section(evidence: Evidence) -> Section:
    found = [(starts, paybacks) for c in evidence.speed for starts, paybacks in [find(evidence, c)] if starts]
    work = [whole_job.find(evidence, own[0][0].place.workload, own[0]) for own in found]
    if not found:
        unclear = "Its launches did not record the time of their first epoch."
        return Section(missing=unclear if any(c.measured for c in evidence.speed) else words.why_nothing(evidence))
    return Section(
        sentences=tuple(told for own, jobs in zip(found, work, strict=True) for told in sentences(*own, jobs)),
        blocks=by_workload(
            found,
            lambda own: own[0][0].place.workload,
            lambda own, i: pictures(own[0], own[1], i),
            lambda own, i: (
                table(own[0], own[1], f"start-table-{i}"),
                *(whole_job.table(jobs, f"job-table-{i}") for jobs in [work[i - 1]] if jobs),
            ),
        ),
        notes=(*drawn(len(found)), *whole_job.notes(work)),
    )


def sentences(starts: Sequence[Start], paybacks: Sequence[Payback], jobs: Sequence[whole_job.Job]) -> list[str]:
    whole = [whole_job.sentence(jobs)] if jobs else []
    return [summarise(starts, paybacks), *whole, *(p.sentence for p in paybacks)]


def pictures(starts: Sequence[Start], paybacks: Sequence[Payback], number_: int) -> list[Picture]:
    where = starts[0].place.workload.full
    found = [
        Picture(
            f"start-{number_}",
            partial(draw, starts, paybacks, f"start-{number_}"),
            f"Start-up cost and steady step: {where}.",
            "Marker: one steady step. Tick and bar: extra time of the first epoch, with its interval.",
        )
    ]
    if paybacks:
        key = "Dot: where the compiled mode has caught up with the eager one."
        total = partial(draw_total, paybacks, f"total-{number_}")
        found.append(Picture(f"total-{number_}", total, f"Total time by number of steps: {where}.", key))
    return found


def summarise(starts: Sequence[Start], paybacks: Sequence[Payback]) -> str:
    """How many compiled modes pay, and after how many steps; each by itself is told by `Payback.sentence`."""
    where = starts[0].place.workload.where
    if paybacks:
        pays = sorted((p for p in paybacks if p.steps), key=lambda p: p.steps.estimate if p.steps else 0.0)
        counted = words.word_counts([p.verdict.word for p in paybacks if p not in pays])
        rest = f"; the others against their eager mode: {counted}" if counted else ""
        if not pays:
            return f"{where} no compiled mode is shown to pay against its eager mode: {counted}."
        ends = [f"{pay_steps(p)} ({p.compiled.place.entry.label})" for p in (pays[0], pays[-1])]
        after = ends[0] if len(pays) == 1 else " to ".join(ends)
        return (
            f"{where}, {len(pays)} of {len(paybacks)} compiled modes pay against eager, after some {after} steps{rest}."
        )
    costly = sorted((s for s in starts if s.measurable), key=lambda s: (-s.cost.estimate, s.place.entry))
    most = listing([f"{s.place.entry.label} ({duration(s.cost.estimate)})" for s in costly[:3]])
    told = f"the first epoch costs most extra in {most}" if costly else "no start-up cost is measurable"
    return f"{where} {why_no_pair(starts)}; {told}."


def why_no_pair(starts: Sequence[Start]) -> str:
    """Why no compiled mode stands against its eager mode here."""
    measured = {s.place.entry for s in starts}
    both = sorted(
        {e.adapter for e in measured if e.compiled for o in measured if o.mode == "eager" and _same_but_mode(e, o)}
    )
    if both:
        return (
            f"{listing(both)} {'was' if len(both) == 1 else 'were'} measured both eager and compiled, but not every "
            "mode of a pair is certified, so nothing is said of when compiling pays"
        )
    modes = listing(sorted({e.mode for e in measured}))
    return f"no adapter was measured both eager and compiled (modes here: {modes}; --mode adds others)"


def pay_steps(payback: Payback) -> str:
    return _steps(payback.steps.estimate) if payback.steps else "∞"


def draw(starts: Sequence[Start], paybacks: Sequence[Payback], name: str) -> figure.Markup:
    rows = sorted(starts, key=lambda s: (-s.cost.estimate, s.place.entry))
    drawing, axes = figure.panel(len(rows), top=figure.LEGEND)
    figure.name_rows(axes, [s.place.entry.label for s in rows])
    steady = [s.place.interval.estimate for s in rows if s.place.interval]
    tops = [s.cost.high for s in rows if s.measurable] or [max(steady)]
    axes.set_xlim(min(steady) / 1.6, max(*tops, *steady) * 1.6)
    for row, s in enumerate(rows):
        assert s.place.interval
        x, colour = s.place.interval.estimate, figure.family_colour(s.place.entry.family)
        if s.measurable:
            axes.plot([x, s.cost.estimate], [row, row], color=colour, linewidth=1.6, alpha=0.55, zorder=1)
            axes.plot([s.cost.low, s.cost.high], [row, row], color=figure.INK, linewidth=1.3, zorder=2)
            axes.plot(
                [s.cost.estimate], [row], marker="|", markersize=11, markeredgewidth=2.2, color=figure.INK, zorder=3
            )
        else:
            axes.annotate(
                "no start-up cost beyond the noise",
                (x, row),
                xytext=(9, 0),
                textcoords="offset points",
                va="center",
                fontsize=7.5,
                color=figure.MUTED,
                style="italic",
            )
        axes.plot([x], [row], linestyle="none", **figure.marker(s.place.entry), markersize=6, zorder=4)
    figure.log_times(axes)
    axes.set_xlabel("time, log scale")
    figure.legend(drawing, [s.place.entry for s in rows])
    return figure.to_svg(drawing, name, summarise(starts, paybacks))


def draw_total(paybacks: Sequence[Payback], name: str) -> figure.Markup:
    """Total seconds against steps, on log axes: where the lines cross, compiling has paid."""
    groups: dict[str, list[Payback]] = defaultdict(list)
    for p in paybacks:
        groups[p.compiled.place.entry.adapter].append(p)
    drawing, panels = figure.grid(len(groups), 3, 1.7, top=0.05)
    known = [p.steps.estimate for p in paybacks if p.steps and p.steps.estimate > 0]
    xs = np.geomspace(10, max([1e4] + [20 * k for k in known]), 60)
    for axes, (adapter, own) in zip(panels, groups.items(), strict=True):
        eager = own[0].eager
        series: list[tuple[Start, Any, str]] = [(eager, "--", figure.MUTED)]
        series += [
            (p.compiled, style, figure.family_colour(eager.place.entry.family))
            for p, style in zip(own, ("-", "-.", ":", (0, (5, 1, 1, 1, 1, 1))), strict=False)
        ]
        for start, style, colour in series:
            assert start.place.interval
            axes.plot(
                xs,
                max(0.0, start.cost.estimate) + xs * start.place.interval.estimate,
                linestyle=style,
                color=colour,
                linewidth=1.7,
                label=figure.label(start.place.entry.mode, 20),
            )
        for p in own:
            if p.steps and p.steps.estimate > 0:
                y = max(0.0, eager.cost.estimate) + p.steps.estimate * (
                    eager.place.interval.estimate if eager.place.interval else 0
                )
                axes.plot([p.steps.estimate], [y], marker="o", color=figure.INK, markersize=4.5)
                axes.annotate(
                    f"{_steps(p.steps.estimate)} steps",
                    (p.steps.estimate, y),
                    xytext=(4, -11),
                    textcoords="offset points",
                    fontsize=7.5,
                )
        figure.title(axes, adapter)
        axes.legend(fontsize=7.5, loc="upper left", labelcolor=figure.INK)
    figure.log_counts(panels[0])
    figure.log_times(panels[0], "y")
    figure.outer_labels(drawing, "steps", "total time")
    return figure.to_svg(drawing, name, summarise([paybacks[0].compiled], paybacks))


def table(starts: Sequence[Start], paybacks: Sequence[Payback], name: str) -> Table:
    by_entry: dict[Entry, Payback] = {p.compiled.place.entry: p for p in paybacks}
    lines = []
    for s in starts:
        interval = s.place.interval
        assert interval
        lines.append(
            Line(
                (
                    text(s.place.entry.label),
                    cost_value(s),
                    number(duration(interval.estimate), interval.estimate),
                    *pay_values(s, by_entry.get(s.place.entry)),
                ),
                facets(s.place.entry, s.place.workload, s.place.outcome),
            )
        )
    return Table(
        name,
        f"Start-up and break-even: {starts[0].place.workload.full}",
        (
            Column("Adapter · mode", numeric=False),
            Column("Extra time of the first epoch", "interval of the median"),
            Column("Steady step"),
            Column("Steady ratio to its eager mode"),
            Column("Pays after", "steps against eager"),
        ),
        tuple(lines),
    )


def cost_value(s: Start) -> Value:
    if s.measurable:
        return number(duration(s.cost.estimate), s.cost.estimate, detail=span(s.cost.low, s.cost.high))
    shown = f"{duration(s.cost.low)} … {duration(s.cost.high)}"
    return number("none beyond the noise", max(0.0, s.cost.estimate), detail=shown, tone="absent")


def pay_values(s: Start, own: Payback | None) -> tuple[Value, Value]:
    if own is None:
        reason = "is the eager mode" if s.place.entry.mode == "eager" else "no eager mode was measured"
        return absent(reason), absent()
    ratio, word = own.verdict.ratio, own.verdict.word
    shown = (
        number(factor(ratio.estimate), ratio.estimate, detail=f"{words.SIGNS[word]} {word}", tone=word)
        if ratio
        else absent(own.verdict.reason)
    )
    if own.steps:
        return shown, number(_steps(own.steps.estimate), own.steps.estimate, detail=steps_range(own.steps))
    return shown, absent("never: it takes longer" if word == "slower" else f"not shown: {word}")
