"""What you get by default beside like for like: the same adapters on both tracks, and the defaults themselves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import exp, log

from levelfield.harness.judge import statistics
from levelfield.harness.judge.statistics import Interval, Verdict
from levelfield.reports.findings import words
from levelfield.reports.findings.entries import Entry, Workload
from levelfield.reports.findings.evidence import CONFIDENCE, MARGIN, Comparison, Evidence, Place, too_few
from levelfield.reports.findings.learning import Learner, Study, accuracy_on_test, mean_of, studies
from levelfield.reports.findings.text import NARROW, count, factor, listing
from levelfield.reports.page import figure, means, small, verdicts
from levelfield.reports.page.blocks import (
    ENTRY,
    Column,
    Glance,
    Heading,
    Line,
    Picture,
    Section,
    Table,
    absent,
    number,
    text,
)
from levelfield.reports.sections import gap

ORDER, SHORT, TITLE = 95, "Defaults", "What you get by default, beside like for like"
QUESTION = "What changes with each framework's own defaults?"
RUN = "levelfield run defaults"

Key = tuple[str, str, str]  # an entry on either track: adapter, mode, environment; it may be fed in another way


@dataclass(frozen=True)
class Pair:
    """An entry on both tracks. `verdict`: its default step against the step like for like, paired by block."""

    matched: Place | None
    own: Place
    verdict: Verdict

    @property
    def entry(self) -> Entry:
        return self.own.entry


@dataclass(frozen=True)
class Speeds:
    matched: Comparison | None
    own: Comparison
    pairs: tuple[Pair, ...]

    @property
    def sentence(self) -> str:
        where = f"On {self.own.workload.label}"
        judged = [p for p in self.pairs if p.verdict.word != "not judged"]
        if not judged:
            return f"{where} no default step is judged against the step like for like: {self.pairs[0].verdict.reason}."
        told = []
        for word, verb in (("slower", "longer than like for like"), ("faster", "less")):
            found = [p for p in judged if p.verdict.word == word]
            if found:
                most = max(found, key=lambda p: abs(_log(p.verdict)))
                assert most.verdict.ratio
                times = factor(most.verdict.ratio.estimate)
                told.append(f"{verb} for {len(found)} (most of all {most.entry.adapter}: {times} its time)")
        rest = words.word_counts([p.verdict.word for p in judged if p.verdict.word in ("tied", "inconclusive")])
        moved = (
            f"a step by default takes {', '.join(told)}" if told else "no default step is shown to take another time"
        )
        return f"{where}, of {len(judged)} entries judged {moved}{f'; {rest}' if rest else ''}.{self.leads}"

    @property
    def leads(self) -> str:
        if not self.matched or not self.matched.tiers or not self.own.tiers:
            return ""
        first, own = (next(iter(c.tiers.values())) for c in (self.matched, self.own))
        like, by_default = (listing([p.entry.label for p in places]) for places in (first, own))
        return f" In the lead are, like for like, {like}; by default {by_default}."


@dataclass(frozen=True)
class Qualities:
    """The same workload learnt on both tracks; `matched` is None where this run has it on the idiomatic one only."""

    matched: Study | None
    own: Study
    gaps: gap.Gaps

    def like(self, learner: Learner) -> Interval | None:
        found = [x for x in self.matched.measured if _key(x.entry) == _key(learner.entry)] if self.matched else []
        return mean_of(found[0].bests(), accuracy_on_test) if found else None


def find_speeds(evidence: Evidence) -> tuple[Speeds, ...]:
    by_workload = {c.workload: c for c in evidence.speed}
    found = []
    for own in evidence.speed:
        if own.workload.track != "matched" and own.measured:
            matched = by_workload.get(replace(own.workload, track="matched"))
            found.append(Speeds(matched, own, _pairs(own, matched)))
    return tuple(found)


def _pairs(own: Comparison, matched: Comparison | None) -> tuple[Pair, ...]:
    others = {_key(p.entry): p for p in matched.measured} if matched else {}
    both = [(p, others.get(_key(p.entry))) for p in own.measured]
    reasons = {id(p): _why_unjudged(p, other) for p, other in both}
    fit = {id(p): (p.steps, other.steps) for p, other in both if other and not reasons[id(p)]}
    judged = statistics.judge_pairs(fit, confidence=CONFIDENCE, margin=MARGIN)
    judged |= {key: Verdict("not judged", False, None, MARGIN, why) for key, why in reasons.items() if why}
    return tuple(Pair(other, place, judged[id(place)]) for place, other in both)


def _why_unjudged(own: Place, other: Place | None) -> str:
    if other is None:
        return "not measured like for like in this run"
    if own.certified is False or other.certified is False:
        return "not certified"
    blocks = len(own.paired(other)[0])
    return "" if blocks >= statistics.LEAST_BLOCKS else too_few(blocks).reason


def find_qualities(evidence: Evidence) -> tuple[Qualities, ...]:
    found = studies(evidence)
    by_workload = {s.workload: s for s in found}
    return tuple(
        Qualities(by_workload.get(replace(s.workload, track="matched")), s, gap.find(s))
        for s in found
        if s.workload.track != "matched" and s.measured
    )


def _key(entry: Entry) -> Key:
    return entry.adapter, entry.mode, entry.environment


def _log(verdict: Verdict) -> float:
    return log(verdict.ratio.estimate) if verdict.ratio else 0.0


def section(evidence: Evidence) -> Section:
    speeds, qualities = find_speeds(evidence), find_qualities(evidence)
    if not speeds and not qualities:
        return Section(missing=f"Training with a framework's own defaults: {RUN}")
    blocks: list[Heading | Picture | Table] = []
    for i, s in enumerate(speeds, start=1):
        blocks += [Heading(f"Speed: {_title(s.own.workload)}")]
        blocks += [speed_picture(s, i)] if any(p.verdict.ratio for p in s.pairs) else []
        blocks.append(speed_table(s, f"defaults-speed-table-{i}"))
    for i, q in enumerate(qualities, start=1):
        blocks += [Heading(f"Quality: {_title(q.own.workload)}")]
        blocks += [quality_picture(q, i)] if q.own.classification and any(g.test for g in q.gaps.gaps) else []
        blocks.append(quality_table(q, f"defaults-quality-table-{i}"))
    stated = find_defaults(evidence)
    if stated:
        blocks += [Heading("The defaults, with their values"), defaults_table(stated, evidence)]
    return Section(
        sentences=(*(s.sentence for s in speeds), *(q.gaps.sentence for q in qualities), *_differ(stated)),
        blocks=tuple(blocks),
        glance=glance(speeds[0]) if speeds else None,
    )


def glance(speeds: Speeds) -> Glance | None:
    ratios = [(p.verdict.ratio.estimate, p) for p in speeds.pairs if p.verdict.ratio]
    if not ratios:
        return None
    slower = [(ratio, p) for ratio, p in ratios if p.verdict.word == "slower"]
    told = "No step by default is shown to take longer than like for like."
    if slower:
        most, pair = max(slower, key=lambda item: item[0])
        told = f"By default a step takes up to {factor(most)} its time like for like ({pair.entry.label})."
    logs = [log(ratio) for ratio, _ in ratios]
    low, high = min(*logs, -0.1, 2 * -MARGIN), max(*logs, 0.1)
    marks = [small.Mark(p.entry.family, log(ratio)) for ratio, p in sorted(ratios, key=lambda item: item[0])]
    ends = (factor(exp(low)), factor(exp(high)))
    return Glance(told, small.strip(marks, told, ends, low=low, high=high, band=(-MARGIN, MARGIN)))


def _title(workload: Workload) -> str:
    return f"{workload.label} · {workload.recipe.name}, {workload.resources}"


def find_defaults(evidence: Evidence) -> dict[str, dict[str, list[str]]]:
    """Name of the default → value → the adapters of this run's idiomatic launches that state it."""
    names = sorted({r.cell.adapter for r in evidence.latest if r.cell.track != "matched"})
    found: dict[str, dict[str, list[str]]] = {}
    for adapter in names:
        about = evidence.adapters.get(adapter)
        for name, value in (about.defaults if about else {}).items():
            if name == "source":  # of the documentation, no default
                continue
            found.setdefault(name, defaultdict(list))[value].append(adapter)
    return found


def _differ(stated: Mapping[str, Mapping[str, Sequence[str]]]) -> tuple[str, ...]:
    several = [f"{name} in {len(values)} ways" for name, values in stated.items() if len(values) > 1]
    if not stated:
        return ()
    adapters = {a for values in stated.values() for own in values.values() for a in own}
    told = f"Of their defaults {count(len(adapters), 'adapter')} state"
    return (f"{told} {listing(several, most=12)}." if several else f"{told} the same.",)


def defaults_table(stated: Mapping[str, Mapping[str, Sequence[str]]], evidence: Evidence) -> Table:
    """One line for each value of each default; that of the baseline first and marked."""
    base = evidence.baseline.adapter if evidence.baseline else None
    lines = []
    for name, values in stated.items():
        for value, adapters in sorted(values.items(), key=lambda item: (base not in item[1], -len(item[1]), item[0])):
            mark = "the baseline's" if base in adapters else "other than the baseline's" if base else ""
            lines.append(Line((text(name), text(value, detail=mark), text(", ".join(adapters)))))
    columns = (
        Column("Default", numeric=False),
        Column("Value", "as the adapter states it", numeric=False),
        Column("Adapters", numeric=False),
    )
    return Table("defaults-table", "Defaults of this run's adapters, and who has them", columns, tuple(lines))


def speed_picture(speeds: Speeds, number_: int) -> Picture:
    name = f"defaults-speed-{number_}"
    return Picture(
        name,
        partial(draw_speeds, speeds, name),
        f"A step by default against like for like: {_title(speeds.own.workload)}.",
        "Simultaneous 95 % intervals. Right of 1: by default it takes longer. Band: the margin of ±3 %.",
    )


def draw_speeds(speeds: Speeds, name: str) -> figure.Markup:
    pairs = sorted(speeds.pairs, key=lambda p: (not p.verdict.ratio, _log(p.verdict), p.entry))
    rows = [(p.entry.label, p.verdict, p.entry) for p in pairs]
    return verdicts.draw(rows, "step by default over step like for like, log scale", name, speeds.sentence)


def speed_table(speeds: Speeds, name: str) -> Table:
    lines = []
    for p in speeds.pairs:
        fed = "fed by a loader" if p.entry.feed == "loader" else "fed from arrays"
        like = verdicts.step(p.matched.interval if p.matched else None, "not in this run")
        values = verdicts.step(p.own.interval, told=fed), verdicts.ratio(p.verdict.ratio), verdicts.word(p.verdict)
        lines.append(Line.of(p.entry, speeds.own.workload, "ok", like, *values))
    return Table(
        name,
        f"Steady step like for like and by default: {_title(speeds.own.workload)}",
        (
            ENTRY,
            Column("Like for like"),
            Column("By default"),
            Column("Ratio", "simultaneous 95 %"),
            Column("Verdict", "by default", numeric=False),
        ),
        tuple(lines),
    )


def quality_picture(q: Qualities, number_: int) -> Picture:
    name = f"defaults-quality-{number_}"
    return Picture(
        name,
        partial(draw_quality, q, name),
        f"Test accuracy, mean over {count(q.own.seeds, 'seed')}: {_title(q.own.workload)}.",
        "Marker: by default. Tick: like for like, where it is in this run. Bars: 95 % intervals over seeds.",
    )


def draw_quality(q: Qualities, name: str) -> figure.Markup:
    rows = [(g.learner, g.test) for g in q.gaps.gaps if g.test]
    drawing, axes = figure.panel([x.entry.label for x, _ in rows], top=figure.LEGEND, row=0.27)
    for row, (x, test) in enumerate(rows):
        if like := q.like(x):
            gap.draw_mean(axes, like, row, None)
        gap.draw_mean(axes, test, row, figure.marker(x.entry))
    axes.set_xlabel("test accuracy at the best validation snapshot, %")
    figure.legend(drawing, [x.entry for x, _ in rows])
    return figure.to_svg(drawing, name, q.gaps.sentence)


def quality_table(q: Qualities, name: str) -> Table:
    lines = []
    for g in q.gaps.gaps:
        x = g.learner
        values = [absent(x.reason or "no finite loss"), *[absent()] * 4]
        if g.test:
            both = [absent("no accuracy")] * 2
            if q.own.classification:
                both = [means.of_share(mean, f"{NARROW}%", "not in this run") for mean in (q.like(x), g.test)]
            differences = [gap.difference_value(g, q.own, what) for what in gap.JUDGED]
            values = [number(str(len(x.curves)), len(x.curves)), *both, *differences]
        lines.append(Line.of(x.entry, q.own.workload, "ok" if x.curves else "", *values))
    return Table(
        name,
        f"Test accuracy like for like and by default: {_title(q.own.workload)}",
        (
            ENTRY,
            Column("Seeds", "by default"),
            Column("Like for like"),
            Column("By default", gap.guessed(q.own).removeprefix("; ")),
            *(Column(f"{what.capitalize()}, difference", "by default, to the baseline, points") for what in gap.JUDGED),
        ),
        tuple(lines),
    )
