"""The generalisation gap of every adapter, and the accuracy on the test split."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import isfinite
from statistics import median
from typing import Any

from levelfield.harness.judge.equivalence import MARGIN, Equivalence
from levelfield.harness.judge.statistics import Interval
from levelfield.reports.findings import intervals
from levelfield.reports.findings.evidence import Evidence
from levelfield.reports.findings.learning import (
    JUDGED,
    Learner,
    Study,
    accuracy_gap,
    accuracy_on_test,
    against_baseline,
    loss_gap,
    loss_on_test,
    mean_of,
    one_of_each,
    studies,
)
from levelfield.reports.findings.text import NARROW, capital, count, fixed, listing, loss, signed, significant
from levelfield.reports.page import figure, means, small, verdicts
from levelfield.reports.page.blocks import ENTRY, Column, Glance, Line, Picture, Section, Table, Value, absent, number

ORDER, SHORT, TITLE = 90, "Gap", "Generalisation gap and test accuracy"
QUESTION = "Does any framework generalise worse?"
SUITES = {"matched": "parity", "idiomatic": "defaults"}  # have the seeds and the samples that judging needs


@dataclass(frozen=True)
class Gap:
    """Means over seeds; `against`: test accuracy and gap in accuracy to the baseline, where there are pairs."""

    learner: Learner
    best_loss: Interval | None
    end_loss: Interval | None
    best_accuracy: Interval | None
    test: Interval | None
    against: Mapping[str, Equivalence]

    @property
    def words(self) -> dict[str, str]:
        return {what: c.word for what, c in self.against.items()}

    def moved(self, what: str) -> int:
        """−1 or 1 where it is shown to be lower or higher than the baseline's, else 0."""
        c = self.against.get(what)
        if c is None or c.word != "different" or c.difference is None:
            return 0
        return 1 if c.difference.estimate > 0 else -1

    @property
    def losses(self) -> Hashable:
        """As they are shown: who has the same is drawn once."""
        known = [x for x in (self.best_loss, self.end_loss) if x]
        return tuple(significant(v, 4) for x in known for v in (x.estimate, x.low, x.high)) or self.learner.entry

    @property
    def verdicts(self) -> Hashable:
        return tuple((c.word, *(significant(v, 4) for v in (d.estimate, d.low, d.high)))
                     for c in self.against.values() if (d := c.difference))  # fmt: skip

    @property
    def worse(self) -> bool:
        """Less accurate on the test split; or with a larger gap that no higher accuracy goes along with."""
        accuracy = self.moved("test accuracy")
        return accuracy < 0 or (accuracy == 0 and self.moved("gap") > 0)

    @property
    def differences(self) -> str:
        """``keras-jax · default (test accuracy −0.81 points, −1.02 to −0.60)``, or nothing."""
        told = [f"{what} {points(d)}" for what, c in self.against.items() if self.moved(what) and (d := c.difference)]
        return f"{self.learner.entry.label} ({'; '.join(told)})" if told else ""


@dataclass(frozen=True)
class Gaps:
    study: Study
    gaps: tuple[Gap, ...]

    @property
    def sentence(self) -> str:
        where = self.study.workload.where
        why = self.study.why_not_judged()
        if not self.study.classification:
            return (
                f"{where} it is not judged whether one generalises worse: the margin is one of accuracy. {self.spread}"
            )
        if why:
            suite = f"levelfield run {SUITES.get(self.study.workload.track, 'defaults')}"
            needs = f"{capital(why)}. For both: {suite}."
            return f"{where} it is not judged whether one generalises worse. {needs} {self.spread}"
        judged = [g for g in self.gaps if g.against and "not judged" not in g.words.values()]
        worse = [g.differences for g in judged if g.worse]
        verb = "is" if len(worse) == 1 else "are"
        who = f"{listing(worse, most=4)} {verb}" if worse else "no entry is"
        others = [g.differences for g in judged if g.differences and not g.worse]
        different = f" Different, and not worse: {listing(others, most=4)}." if others else ""
        counted = self.counted(judged)
        return f"{where} {who} shown to generalise worse than {self.baseline}. {counted}.{different} {self.spread}"

    @property
    def baseline(self) -> str:
        return self.study.baseline.entry.label if self.study.baseline else "the baseline"

    def counted(self, judged: Sequence[Gap]) -> str:
        told = []
        for what in JUDGED:
            found = [g.words[what] for g in judged]
            counts = [f"{w} for {found.count(w)}" for w in ("equivalent", "different", "inconclusive") if w in found]
            told.append(f"{what} is {', '.join(counts)}")
        left = len(self.gaps) - 1 - len(judged)
        rest = f"; {left} not judged" if left else ""
        return (
            f"Of {len(judged)} judged, {' and '.join(told)} "
            f"(±{100 * MARGIN:g} points, {count(self.study.seeds, 'seed')}){rest}"
        )

    @property
    def spread(self) -> str:
        """The gaps that there are, and what guessing reaches."""
        return f"{self.range} {self.study.beside}".strip()

    @property
    def range(self) -> str:
        values = [g.best_loss.estimate for g in self.gaps if g.best_loss]
        if not values:
            return "No gap is known: no seed kept a finite loss."
        low, high = loss(min(values)), loss(max(values))
        spread = low if low == high else f"{low} to {high}"
        entries = "one entry" if len(values) == 1 else f"{len(values)} entries"
        told = f"The gap in loss at the best validation snapshot is {spread} over {entries}"
        few = self.study.seeds < intervals.LEAST
        return f"{told} ({count(self.study.seeds, 'seed')}{': no interval' if few else ''})."


def find(study: Study) -> Gaps:
    against = {what: against_baseline(study, what) for what in JUDGED} if study.classification else {}
    gaps = []
    for x in study.learners:
        bests, ends = x.bests(), x.ends()
        gaps.append(
            Gap(
                x,
                mean_of(bests, loss_gap),
                mean_of(ends, loss_gap),
                mean_of(bests, accuracy_gap),
                mean_of(bests, accuracy_on_test if study.classification else loss_on_test),
                {what: found[x.entry] for what, found in against.items() if x.entry in found},
            )
        )
    return Gaps(study, tuple(gaps))


def section(evidence: Evidence) -> Section:
    found = sorted((find(s) for s in studies(evidence) if s.measured), key=lambda g: bool(g.study.why_not_judged()))
    if not found:
        return Section(missing="No learning launch finished: levelfield run parity")
    return Section.of_each(
        found,
        lambda g: g.study.workload.full,
        pictures,
        lambda g, i: [table(g, f"gap-table-{i}")],
        sentences=tuple(g.sentence for g in found),
        glance=glance(found[0]),
    )


def glance(found: Gaps) -> Glance:
    study = found.study
    if why := (study.why_not_judged() if study.classification else "the margin is one of accuracy"):
        told = f"On {study.workload.label}, not judged: {why}."
        told = told if len(told.split()) <= 20 else "Not judged: too few seeds, or too small a test split."
        known = sorted((g.best_loss.estimate, g.learner.entry.family) for g in found.gaps if g.best_loss)
        if not known:
            return Glance(told)
        low, high = min(0.0, known[0][0]), max(0.0, known[-1][0])
        spread = list(dict.fromkeys(loss(value) for value in (known[0][0], known[-1][0])))
        told += f" The gap in loss is {' to '.join(spread)}{' for all' if len(spread) == 1 < len(known) else ''}."
        marks = [small.Mark(family, value) for value, family in (known if len(spread) > 1 else known[:1])]
        return Glance(
            told,
            small.strip(marks, told, ("0" if low == 0 else loss(low), loss(high)), low=low, high=high, band=None),
        )
    judged = [g for g in found.gaps if g.against and "not judged" not in g.words.values()]
    worse = [g for g in judged if g.worse]
    equal = sum(set(g.words.values()) == {"equivalent"} for g in judged)
    verb = "are" if len(worse) > 1 else "is"
    told = f"{len(worse) or 'None'} of {len(judged)} {verb} shown to be worse."
    told += f" {equal} {'is' if equal == 1 else 'are'} equivalent, within ±{100 * MARGIN:g} points."
    moved = [(d.estimate, g.learner.entry.family) for g in judged if (d := g.against["test accuracy"].difference)]
    most = max([abs(value) for value, _ in moved] + [2 * MARGIN])
    marks = [small.Mark(family, value) for value, family in sorted(moved)]
    ends = (signed(-most), f"{signed(most)} points")
    return Glance(told, small.strip(marks, told, ends, low=-most, high=most, band=(-MARGIN, MARGIN)))


def pictures(found: Gaps, number_: int) -> list[Picture]:
    """The verdicts first, where there are any."""
    judged = any(word != "not judged" for g in found.gaps for word in g.words.values())
    drawn_ = [differences_picture(found, number_)] if judged else []
    return drawn_ + ([picture(found, number_)] if any(g.best_loss for g in found.gaps) else [])


def differences_picture(found: Gaps, number_: int) -> Picture:
    return Picture(
        f"parity-{number_}",
        partial(draw_differences, found, f"parity-{number_}"),
        f"Difference to {found.baseline} over {count(found.study.seeds, 'seed')}: {found.study.workload.full}.",
        "Marker: test accuracy. Tick: gap in accuracy. Bars: simultaneous 95 % intervals. Band: the margin.",
    )


def draw_differences(found: Gaps, name: str) -> figure.Markup:
    rows, entries, names = one_of_each([g for g in found.gaps if g.against], lambda g: g.verdicts)
    drawing, axes = figure.panel(names, top=figure.LEGEND, row=0.27)
    axes.axvspan(-100 * MARGIN, 100 * MARGIN, color=figure.LINE, alpha=0.55, linewidth=0)
    axes.axvline(0, color=figure.INK, linewidth=0.9, zorder=1)
    for row, gap in enumerate(rows):
        for what, mark in (("gap", None), ("test accuracy", figure.shared_marker(entries[row]))):
            if what in gap.against and (moved := gap.against[what].difference):
                draw_mean(axes, moved, row, mark)
    axes.set_xlabel("points of accuracy, own − baseline")
    figure.legend(drawing, [own[0] for own in entries if len(own) == 1])
    return figure.to_svg(drawing, name, found.sentence)


def picture(found: Gaps, number_: int) -> Picture:
    return Picture(
        f"gap-{number_}",
        partial(draw, found, f"gap-{number_}"),
        f"Validation − training loss, mean over {count(found.study.seeds, 'seed')}: {found.study.workload.full}.",
        "Marker: at the best validation snapshot. Tick: at the end. Bars: 95 % intervals over seeds.",
    )


def draw(found: Gaps, name: str) -> figure.Markup:
    rows, entries, names = one_of_each(found.gaps, lambda g: g.losses)
    drawing, axes = figure.panel(names, top=figure.LEGEND, row=0.27)
    for row, gap in enumerate(rows):
        if not gap.best_loss:
            figure.gap_reason(axes, row, gap.learner.reason or "no finite loss")
            continue
        if gap.end_loss:
            draw_mean(axes, gap.end_loss, row, None, 1)
        draw_mean(axes, gap.best_loss, row, figure.shared_marker(entries[row]), 1)
    if axes.get_xlim()[0] < 0:
        axes.axvline(0, color=figure.MUTED, linewidth=0.8, zorder=0)
    axes.set_xlabel("gap in loss")
    figure.legend(drawing, [own[0] for own in entries if len(own) == 1])
    return figure.to_svg(drawing, name, found.sentence)


def draw_mean(axes: figure.Axes, mean: Interval, row: int, mark: Mapping[str, Any] | None, factor: float = 100) -> None:
    """`factor` times the mean, with its interval: as this mark, or without one as a tick below it in the same row."""
    y, colour, size = (row - 0.1, figure.INK, 6.5) if mark else (row + 0.2, figure.MUTED, 7)
    if isfinite(mean.low):
        axes.plot([factor * mean.low, factor * mean.high], [y, y], color=colour, linewidth=1.2)
    tick = {"marker": "|", "color": colour, "markeredgewidth": 1.8}
    figure.dot(axes, factor * mean.estimate, y, mark or tick, size)


def table(found: Gaps, name: str) -> Table:
    study = found.study
    test = ("Test accuracy" if study.classification else "Test loss", f"at the best snapshot{guessed(study)}")
    lines = []
    for g in found.gaps:
        x = g.learner
        if not x.curves:
            status = x.poor or "ok"
            lines.append(Line.of(x.entry, study.workload, status, absent(x.reason or "", status), *[absent()] * 8))
            continue
        values = (
            number(str(len(x.curves)), len(x.curves)),
            means.of_loss(g.best_loss),
            means.of_loss(g.end_loss),
            _onset(x),
            means.of_loss(excess_loss(x)),
            means.of_share(g.best_accuracy),
            means.of_share(g.test, f"{NARROW}%") if study.classification else means.of_loss(g.test),
            *(difference_value(g, study, what) for what in JUDGED),
        )
        lines.append(Line.of(x.entry, study.workload, "ok", *values))
    return Table(
        name,
        f"Gap and {test[0].lower()}, mean over seeds: {study.workload.full}",
        (
            ENTRY,
            Column("Seeds"),
            Column("Gap in loss", "at the best snapshot"),
            Column("Gap in loss", "at the end"),
            Column("Overfitting sets in", "epoch, median"),
            Column("Excess validation loss", "at the end, after it"),
            Column("Gap in accuracy", "at the best, points"),
            Column(*test),
            *(Column(f"{what.capitalize()}, difference", "to the baseline, points") for what in JUDGED),
        ),
        tuple(lines),
    )


def guessed(study: Study) -> str:
    """``; guessing: 77.8 %``, for the head of a column."""
    if study.guess is None:
        return ""
    shown = f"{fixed(100 * study.guess, 1)}{NARROW}%" if study.classification else loss(study.guess)
    return f"; guessing: {shown}"


def _onset(learner: Learner) -> Value:
    epochs = [epoch for seed in learner.curves if (epoch := learner.onset(seed)) is not None]
    seeds = f"{len(epochs)} of {count(len(learner.curves), 'seed')}"
    return number(f"{median(epochs):g}", median(epochs), detail=seeds) if epochs else absent("no seed", "not reached")


def excess_loss(learner: Learner) -> Interval | None:
    """Mean over seeds, of the last evaluation against the best one."""
    values = [e for seed in learner.curves if (e := learner.excess(seed)) is not None and isfinite(e)]
    return intervals.mean_of(values) if values else None


def difference_value(gap: Gap, study: Study, what: str) -> Value:
    if study.baseline and gap.learner.entry == study.baseline.entry:
        return verdicts.BASELINE
    if gap.learner.certified is False:
        return absent("not certified: takes no part")
    found = gap.against.get(what)
    if found is None or found.difference is None:
        return absent("no pairs of seeds")
    d = found.difference
    detail = f"{fixed(100 * d.low, 2)} … {fixed(100 * d.high, 2)}" if isfinite(d.low) else ""
    better = {"test accuracy": 1, "gap": -1}[what] == gap.moved(what)
    tone = {"different": "faster" if better else "slower", "inconclusive": "inconclusive"}.get(found.word, "")
    return number(f"{signed(d.estimate)} · {found.word}", d.estimate, detail=detail, tone=tone)


def points(d: Interval) -> str:
    """``−0.81 points, −1.02 to −0.60``."""
    return f"{signed(d.estimate)} points, {signed(d.low)} to {signed(d.high)}"
