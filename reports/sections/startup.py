"""First step against steady state: what starting costs, and after how many steps compiling pays."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from math import log10, sqrt
from typing import Any

import numpy as np

from levelfield.harness.judge.statistics import Interval
from levelfield.harness.records.record import Cache
from levelfield.reports.findings import whole_job, words
from levelfield.reports.findings.break_even import (
    CACHES,
    Payback,
    Start,
    find,
    like,
    rounded,
    same_but_mode,
    steps_range,
)
from levelfield.reports.findings.entries import Entry
from levelfield.reports.findings.evidence import Evidence
from levelfield.reports.findings.intervals import LEAST
from levelfield.reports.findings.text import count, duration, factor, listing, span
from levelfield.reports.page import figure, small, verdicts
from levelfield.reports.page.blocks import ENTRY, Column, Glance, Line, Picture, Section, Table, Value, absent, number

ORDER, SHORT, TITLE = 40, "Start", "First step against steady state"
QUESTION = "After how many steps does compiling pay?"


def section(evidence: Evidence) -> Section:
    found = [(starts, paybacks) for c in evidence.speed for starts, paybacks in [find(evidence, c)] if starts]
    work = [whole_job.find(evidence, own[0][0].place.workload, own[0]) for own in found]
    if not found:
        unclear = "Its launches did not record the time of their first epoch."
        return Section(missing=words.why_nothing(evidence, unclear))
    return Section.of_each(
        found,
        lambda own: own[0][0].place.workload.full,
        lambda own, i: pictures(*own, i),
        lambda own, i: [
            table(*own, f"start-table-{i}"),
            *(whole_job.table(jobs, f"job-table-{i}") for jobs in [work[i - 1]] if jobs),
        ],
        sentences=tuple(told for own, jobs in zip(found, work, strict=True) for told in sentences(*own, jobs)),
        notes=whole_job.notes(work),
        glance=glance(*found[0]),
    )


def glance(starts: Sequence[Start], paybacks: Sequence[Payback]) -> Glance | None:
    """Bar: from a filled cache (the dot's other end) to an empty one, of every start that costs something."""
    rows = [(s.place.entry.family, _costly(later(s.costs)), _costly(s.costs.get("empty"))) for s in starts]
    rows = [(family, again, cold) for family, again, cold in rows if again or cold]
    if not rows:
        return None
    told = [
        f"{duration(max(own))} {how}"
        for how, place in (("from an empty cache", 1), ("later", 0))
        if (own := [cost for row in rows if (cost := row[1:][place])])
    ]
    if not any(again and cold for _, again, cold in rows):  # nobody's second start was measured: `later` is of others
        told = told[:1]
    text_ = f"A start costs up to {listing(told)}."
    if paybacks:
        pays = sum(bool(p.steps) for p in paybacks)
        text_ += f" {pays} of {len(paybacks)} compiled modes {'pays' if pays == 1 else 'pay'}."
    ends = sorted(log10(cost) for row in rows for cost in row[1:] if cost)
    marks = [
        small.Mark(family, log10(again or cold), log10(cold) if again and cold else None)
        for family, again, cold in sorted(rows, key=lambda row: row[2] or row[1])
    ]
    low, high = ends[0], ends[-1]
    named = (duration(10**low), duration(10**high))
    return Glance(text_, small.strip(marks, text_, named, low=low, high=high, band=None))


def _costly(cost: Interval | None) -> float:
    """Seconds; 0 for what is not beyond the noise."""
    return cost.estimate if cost and cost.low > 0 else 0.0


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
            "Marker: one steady step. Tick and bar: extra time of the first epoch, with its interval; the larger of "
            "two is from an empty compile cache.",
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
        pays = [p for p in paybacks if p.steps]
        counted = words.word_counts([p.verdict.word for p in paybacks if p not in pays])
        rest = f" The others against their eager mode: {counted}." if counted else ""
        if not pays:
            return f"{where} no compiled mode is shown to pay against its eager mode: {counted}."
        after = listing([told for cache in CACHES for told in [after_steps(pays, cache)] if told])
        return f"{where}, {len(pays)} of {len(paybacks)} compiled modes pay against eager. That takes {after}.{rest}"
    costly = sorted((s for s in starts if s.measurable), key=lambda s: (-s.highest, s.place.entry))
    most = listing([f"{s.place.entry.label} ({costs_told(s)})" for s in costly[:3]])
    told = f"The first epoch costs most extra in {most}" if costly else "No start-up cost is measurable"
    return f"{where} {why_no_pair(starts)}. {told}."


def after_steps(pays: Sequence[Payback], cache: Cache | None) -> str:
    """From the fewest steps to the most, of those that met this cache; empty where there is none."""
    own = sorted(
        ((p.steps[cache].estimate, p.compiled.place.entry) for p in pays if cache in p.steps),
    )
    ends = [f"{rounded(steps)} ({entry.label})" for steps, entry in (own[:1] + own[1:][-1:])]
    return f"some {' to '.join(ends)} steps{words.WITH_CACHE[cache]}" if ends else ""


def costs_told(start: Start) -> str:
    return listing([f"{duration(cost.estimate)}{words.WITH_CACHE[cache]}" for cache, cost in start.costs.items()])


def why_no_pair(starts: Sequence[Start]) -> str:
    """Why no compiled mode stands against its eager mode here."""
    measured = {s.place.entry for s in starts}
    both = sorted(
        {e.adapter for e in measured if e.compiled for o in measured if o.mode == "eager" and same_but_mode(e, o)}
    )
    if both:
        return (
            f"{listing(both)} {'was' if len(both) == 1 else 'were'} measured both eager and compiled, but not every "
            "mode of a pair is certified, so nothing is said of when compiling pays"
        )
    modes = listing(sorted({e.mode for e in measured}))
    return f"no adapter was measured both eager and compiled (modes here: {modes}; --mode adds others)"


def draw(starts: Sequence[Start], paybacks: Sequence[Payback], name: str) -> figure.Markup:
    rows = sorted(starts, key=lambda s: (-s.highest, s.place.entry))
    drawing, axes = figure.panel([s.place.entry.label for s in rows], top=figure.LEGEND)
    steady = [s.place.interval.estimate for s in rows if s.place.interval]
    tops = [cost.high for s in rows for cost in s.costs.values() if cost.low > 0] or [max(steady)]
    axes.set_xlim(min(steady) / 1.6, max(*tops, *steady) * 1.6)
    middle = sqrt(axes.get_xlim()[0] * axes.get_xlim()[1])
    for row, s in enumerate(rows):
        assert s.place.interval
        x, colour = s.place.interval.estimate, figure.family_colour(s.place.entry.family)
        for cost in s.costs.values():
            if cost.low > 0:
                axes.plot([x, cost.estimate], [row, row], color=colour, linewidth=1.6, alpha=0.55, zorder=1)
                if cost.n >= LEAST:
                    axes.plot([cost.low, cost.high], [row, row], color=figure.INK, linewidth=1.3, zorder=2)
                tick: dict[str, Any] = {"marker": "|", "markersize": 11, "markeredgewidth": 2.2, "color": figure.INK}
                axes.plot([cost.estimate], [row], **tick, zorder=3)
        if not s.measurable:
            axes.annotate(
                "no start-up cost beyond the noise",
                (x, row),
                xytext=(9 if x < middle else -9, 0),
                textcoords="offset points",
                va="center",
                ha="left" if x < middle else "right",
                fontsize=7.5,
                color=figure.MUTED,
                style="italic",
            )
        figure.dot(axes, x, row, figure.marker(s.place.entry), 6, zorder=4)
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
    known = [steps.estimate for p in paybacks for steps in p.steps.values() if steps.estimate > 0]
    xs = np.geomspace(10, max([1e4] + [20 * k for k in known]), 60)
    for axes, (adapter, own) in zip(panels, groups.items(), strict=True):
        eager = own[0].eager
        colour = figure.family_colour(eager.place.entry.family)
        lines: list[tuple[Start, Cache | None, Any, str]] = [(eager, None, "--", figure.MUTED)]
        styles = ("-", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)), (0, (3, 3)))
        lines += [
            (p.compiled, cache, style, colour)
            for (p, cache), style in zip(((p, cache) for p in own for cache in p.compiled.costs), styles, strict=False)
        ]
        for start, cache, style, ink in lines:
            name_ = start.place.entry.mode + (f", {cache}" if cache else "")
            times = [total(start, cache, x) for x in xs]
            axes.plot(xs, times, linestyle=style, color=ink, linewidth=1.7, label=figure.label(name_))
        for p in own:
            for cache, steps in p.steps.items():
                if steps.estimate > 0:
                    at = steps.estimate, total(eager, cache, steps.estimate)
                    axes.plot([at[0]], [at[1]], marker="o", color=figure.INK, markersize=4.5)
                    away: dict[str, Any] = {"xytext": (4, -11), "textcoords": "offset points", "fontsize": 7.5}
                    axes.annotate(f"{rounded(steps.estimate)} steps", at, **away)
        figure.title(axes, adapter)
        axes.legend(fontsize=7.5, loc="upper left", labelcolor=figure.INK)
    figure.log_counts(panels[0])
    figure.log_times(panels[0], "y")
    figure.outer_labels(drawing, "steps", "total time")
    return figure.to_svg(drawing, name, summarise([paybacks[0].compiled], paybacks))


def total(start: Start, cache: Cache | None, steps: float) -> float:
    """Seconds of so many steps."""
    step = start.place.interval.estimate if start.place.interval else 0.0
    return max(0.0, like(start.costs, cache).estimate) + steps * step


def table(starts: Sequence[Start], paybacks: Sequence[Payback], name: str) -> Table:
    by_entry: dict[Entry, Payback] = {p.compiled.place.entry: p for p in paybacks}
    lines = []
    for s in starts:
        values = *cost_values(s), verdicts.step(s.place.interval), *pay_values(s, by_entry.get(s.place.entry))
        lines.append(Line.of(s.place.entry, s.place.workload, s.place.outcome, *values))
    return Table(
        name,
        f"Start-up and break-even: {starts[0].place.workload.full}",
        (
            ENTRY,
            Column("Extra time of the first epoch", "compile cache empty"),
            Column("Extra time of the first epoch", "cache filled, or none kept"),
            Column("Steady step"),
            Column("Steady ratio to its eager mode"),
            Column("Pays after", "steps against eager, cache empty"),
            Column("Pays after", "steps against eager, cache filled or none"),
        ),
        tuple(lines),
    )


def cost_values(start: Start) -> tuple[Value, Value]:
    """From an empty cache, and from a filled one or where none is kept."""
    none = "keeps nothing on the disk" if None in start.costs else "no clean launch met one"
    return cost_value(start.costs.get("empty"), none), cost_value(later(start.costs), "no clean launch met one")


def later(by_cache: Mapping[Cache | None, Interval]) -> Interval | None:
    """What a second start comes to; where no cache is kept, every start."""
    return by_cache.get("filled", by_cache.get(None))


def cost_value(cost: Interval | None, otherwise: str) -> Value:
    if cost is None:
        return absent(otherwise)
    launches = count(cost.n, "launch")
    if cost.low > 0:
        return number(duration(cost.estimate), cost.estimate, detail=f"{span(cost.low, cost.high)}, {launches}")
    shown = f"{duration(cost.low)} … {duration(cost.high)}, {launches}"
    return number("none beyond the noise", max(0.0, cost.estimate), detail=shown, tone="absent")


def pay_values(s: Start, own: Payback | None) -> tuple[Value, Value, Value]:
    if own is None:
        reason = "is the eager mode" if s.place.entry.mode == "eager" else "no eager mode was measured"
        return absent(reason), absent(), absent()
    ratio, word = own.verdict.ratio, own.verdict.word
    shown = absent(own.verdict.reason)
    if ratio:
        shown = number(factor(ratio.estimate), ratio.estimate, detail=f"{words.SIGNS[word]} {word}", tone=word)
    why = "" if own.steps else "never: it takes longer" if word == "slower" else f"not shown: {word}"
    return shown, steps_value(own.steps.get("empty"), why), steps_value(later(own.steps), why)


def steps_value(steps: Interval | None, otherwise: str) -> Value:
    if steps is None:
        return absent(otherwise)
    return number(rounded(steps.estimate), steps.estimate, detail=steps_range(steps))
