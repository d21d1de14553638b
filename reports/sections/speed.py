"""Steady step times with intervals, one panel per workload."""

from __future__ import annotations

from functools import partial

from levelfield.reports.findings import words
from levelfield.reports.findings.evidence import Comparison, Evidence, Place
from levelfield.reports.findings.intervals import LEAST
from levelfield.reports.findings.text import span
from levelfield.reports.page import figure, verdicts
from levelfield.reports.page.blocks import ENTRY, Column, Line, Picture, Section, Table, Value, absent, number, text

ORDER, SHORT, TITLE = 20, "Speed", "Speed: time of a steady training step"
QUESTION = "Which is fastest, and is it sure?"


def section(evidence: Evidence) -> Section:
    if not any(c.measured for c in evidence.speed):
        return Section(missing=words.why_nothing(evidence))
    return Section.of_each(
        evidence.speed,
        lambda c: c.workload.full,
        lambda c, i: [picture(c, i)] if c.measured else [],
        lambda c, i: [table(c, f"speed-table-{i}")],
        sentences=tuple(words.lead_sentence(c) for c in evidence.speed),
    )


def picture(comparison: Comparison, number_: int) -> Picture:
    return Picture(
        f"speed-{number_}",
        partial(draw, comparison, f"speed-{number_}"),
        f"Time of a steady step: {comparison.workload.full}.",
        "Bar: interval of the median over launches. Dashed: the baseline. Rules part the tiers.",
    )


def draw(comparison: Comparison, name: str) -> figure.Markup:
    places = comparison.places
    drawing, axes = figure.panel([p.entry.label for p in places], top=figure.LEGEND)
    values = [v for p in places if p.interval for v in (p.interval.low, p.interval.high)]
    axes.set_xlim(min(values) / 1.15, max(values) * 1.15)
    for row, place in enumerate(places):
        if x := place.interval:
            figure.point(axes, x.estimate, x.low, x.high, row, place.entry, faint=place.certified is False)
        else:
            figure.gap_reason(axes, row, f"{place.outcome}: {place.reason}")
    base = comparison.base
    if base and base.interval:
        axes.axvline(base.interval.estimate, color=figure.INK, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    previous = None
    for row, place in enumerate(places):
        if previous is not None and place.tier != previous and place.interval:
            axes.axhline(row - 0.5, color=figure.LINE, linewidth=0.8)
        previous = place.tier if place.interval else previous
    figure.log_times(axes)
    axes.set_xlabel("time of a steady step, log scale")
    figure.legend(drawing, [p.entry for p in places])
    return figure.to_svg(drawing, name, words.lead_sentence(comparison))


def table(comparison: Comparison, name: str) -> Table:
    return Table(
        name,
        f"Steady step: {comparison.workload.full}",
        (
            ENTRY,
            Column("Step", "median over launches"),
            Column("Interval", "95 % or the range"),
            Column("Launches", "timed / all"),
            Column("Ratio to baseline", "simultaneous 95 %"),
            Column("Verdict", numeric=False),
            Column("Tier"),
        ),
        tuple(_line(p, comparison) for p in comparison.places),
    )


def _line(place: Place, comparison: Comparison) -> Line:
    interval = place.interval
    disturbed = f"{place.disturbed} disturbed" if place.disturbed else ""
    launches = number(f"{len(place.steps)} / {place.launches}", float(len(place.steps)), detail=disturbed)
    if interval is None:
        gone = absent(place.reason or "", place.outcome)
        values = (absent(), absent(), launches, absent(), gone, absent())
    else:
        limits = absent("fewer than three launches")
        if interval.n >= LEAST:
            coverage = "" if interval.confidence >= 0.95 else f"range, {100 * interval.confidence:.0f} %"
            limits = number(span(interval.low, interval.high), interval.low, detail=coverage)
        values = (
            verdicts.step(interval),
            limits,
            launches,
            verdicts.ratio(place.ratio),
            verdict_value(place, comparison),
            number(str(place.tier), float(place.tier)) if place.tier else absent(),
        )
    return Line.of(place.entry, place.workload, place.outcome, *values)


def verdict_value(place: Place, comparison: Comparison) -> Value:
    if place.certified is False:
        return text("not certified", tone="uncertified", detail="takes no part")
    if place.entry == comparison.baseline:
        return verdicts.BASELINE
    if place.verdict is None:
        return text("not judged", tone="absent", detail=comparison.why_unjudged or "")
    return verdicts.word(place.verdict)
