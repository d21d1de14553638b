"""Each adapter's default mode against the fastest of those that its framework's own documentation recommends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from levelfield.harness.judge import statistics
from levelfield.harness.judge.statistics import Verdict
from levelfield.reports.findings import words
from levelfield.reports.findings.break_even import same_but_mode
from levelfield.reports.findings.evidence import CONFIDENCE, MARGIN, Comparison, Evidence, Place
from levelfield.reports.findings.text import count, factor, listing
from levelfield.reports.page import verdicts
from levelfield.reports.page.blocks import Column, Line, Picture, Section, Table, absent, facets, text
from levelfield.reports.sections.tax import draw_pairs

ORDER, SHORT, TITLE = 35, "Guides", "The default against the guide's best"
QUESTION = "What does following the framework's own guide bring?"


@dataclass(frozen=True)
class Advice:
    """Of one adapter: the default mode, and all modes of its guide with their verdicts against it, the best first."""

    default: Place
    followed: tuple[tuple[Place, Verdict], ...]

    @property
    def best(self) -> Place:
        return self.followed[0][0]

    @property
    def verdict(self) -> Verdict:
        return self.followed[0][1]

    @property
    def label(self) -> str:
        return f"{self.best.entry.label} : {self.default.entry.mode}"

    @property
    def sentence(self) -> str:
        told = words.speed_phrase(self.verdict, self.default.entry.label)
        return f"{self.best.entry.label}: {told}."


def section(evidence: Evidence) -> Section:
    found = [advice for c in evidence.speed if (advice := find(c, evidence))]
    if not found:
        return Section(missing="No mode that only a framework's guide recommends was timed: levelfield run guides")
    return Section.of_each(
        found,
        lambda own: own[0].default.workload.full,
        lambda own, i: [picture(own, i)],
        lambda own, i: [table(own, evidence, f"guides-table-{i}")],
        sentences=tuple(told for own in found for told in (summarise(own), *(a.sentence for a in own))),
    )


def find(comparison: Comparison, evidence: Evidence) -> tuple[Advice, ...]:
    """Of each adapter whose guide was followed, if any was in a mode that is not run without being asked for.

    All comparisons of a workload are one family, so that the best of several modes may be told by its interval.
    """
    usable = [p for p in comparison.measured if p.certified is not False and p.entry.adapter in evidence.adapters]
    pairs = []
    asked = False
    for default in usable:
        about = evidence.adapters[default.entry.adapter]
        if default.entry.mode != about.modes[0]:
            continue
        for place in usable:
            mode = place.entry.mode
            if place is not default and mode in about.fast_modes and same_but_mode(place.entry, default.entry):
                pairs.append((default, place))
                asked |= mode not in about.modes
    if not asked:
        return ()
    steps = {place.entry: (place.steps, default.steps) for default, place in pairs}
    judged = statistics.judge_pairs(steps, confidence=CONFIDENCE, margin=MARGIN)
    found = []
    for default in {default.entry: default for default, _ in pairs}.values():
        own = [(place, judged[place.entry]) for one, place in pairs if one is default]
        found.append(Advice(default, tuple(sorted(own, key=_size))))
    return tuple(sorted(found, key=lambda a: _size((a.best, a.verdict))))


def _size(followed: tuple[Place, Verdict]) -> tuple[bool, float, str]:
    place, verdict = followed
    return verdict.ratio is None, verdict.ratio.estimate if verdict.ratio else 0.0, place.entry.label


def summarise(advice: Sequence[Advice]) -> str:
    where = advice[0].default.workload.where
    judged = [a for a in advice if a.verdict.word != "not judged"]
    if not judged:
        return f"{where} no guide's mode is judged against the default: {advice[0].verdict.reason}."
    faster = [a for a in judged if a.verdict.word == "faster" and a.verdict.ratio]
    told = f"{where}, the guide's best is faster than the default in {len(faster)} of {count(len(judged), 'adapter')}"
    if faster and (ratio := faster[0].verdict.ratio):
        told += f", most of all {faster[0].best.entry.label} ({factor(ratio.estimate)} the time)"
    rest = words.word_counts([a.verdict.word for a in judged if a not in faster])
    return f"{told}{f'; the others: {rest}' if rest else ''}."


def picture(advice: Sequence[Advice], number_: int) -> Picture:
    rows = [(a.label, a.verdict, a.best.entry) for a in advice]
    return Picture(
        f"guides-{number_}",
        partial(draw_pairs, rows, f"guides-{number_}", summarise(advice)),
        f"The guide's best mode to the default one: {advice[0].default.workload.full}.",
        f"Left of 1: the guide's mode is faster. Grey: ±{100 * MARGIN:g} %.",
    )


def table(advice: Sequence[Advice], evidence: Evidence, name: str) -> Table:
    return Table(
        name,
        f"The default against the guide's best: {advice[0].default.workload.full}",
        (
            Column("Adapter", numeric=False),
            Column("Default", numeric=False),
            Column("Its step"),
            Column("Guide's best", numeric=False),
            Column("Its step"),
            Column("Ratio", "simultaneous 95 %"),
            Column("Verdict", numeric=False),
            Column("Other modes of the guide", "ratio to the default", numeric=False),
            Column("Why it is not the default", numeric=False),
        ),
        tuple(_line(a, evidence) for a in advice),
    )


def _line(a: Advice, evidence: Evidence) -> Line:
    told = evidence.adapters[a.default.entry.adapter].fast_modes[a.best.entry.mode]
    others = [f"{p.entry.mode} {factor(v.ratio.estimate) if v.ratio else v.word}" for p, v in a.followed[1:]]
    return Line(
        (
            text(a.default.entry.adapter),
            text(a.default.entry.mode),
            verdicts.step(a.default.interval),
            text(a.best.entry.mode, detail=told["does"]),
            verdicts.step(a.best.interval),
            verdicts.ratio(a.verdict.ratio),
            verdicts.word(a.verdict),
            text(listing(others)) if others else absent(),
            text(told["why_not_default"], detail=told["page"]),
        ),
        facets(a.best.entry, a.default.workload.task, "ok"),
    )
