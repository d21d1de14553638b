"""The generalisation gap of every adapter, and the accuracy on the test split."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import isfinite

from harness.statistics import Interval
from reports import figure
from reports.findings import Evidence
from reports.learning import (
    ACCURACY_MARGIN,
    Equivalence,
    Learner,
    Study,
    accuracy_gap,
    accuracy_on_test,
    against_baseline,
    loss_gap,
    loss_on_test,
    mean_of,
    studies,
)
from reports.section import (
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
from reports.text import NARROW, count, fixed, listing, significant

ORDER, SHORT, TITLE = 90, "Generalisation", "Generalisation gap and test accuracy"
QUESTION = "Does any framework generalise worse?"


@dataclass(frozen=True)
class Gap:
    """Means over seeds; `word` and `difference`: test accuracy (regression: none) against the baseline."""

    learner: Learner
    best_loss: Interval | None
    end_loss: Interval | None
    best_accuracy: Interval | None
    test: Interval | None
    word: Equivalence
    difference: Interval | None


@dataclass(frozen=True)
class Gaps:
    study: Study
    gaps: tuple[Gap, ...]

    @property
    def sentence(self) -> str:
        where, own = f"On {self.study.workload.label}", [g for g in self.gaps if g.best_loss]
        if not own:
            return f"{where} no gap is known: no seed kept a finite loss."
        values = [g.best_loss.estimate for g in own if g.best_loss]
        low, high = _number(min(values)), _number(max(values))
        spread = low if low == high else f"{low} to {high}"
        seeds = count(self.study.seeds, "seed")
        entries = "one entry" if len(own) == 1 else f"{len(own)} entries"
        told = f"{where} the gap in loss at the best validation snapshot is {spread} over {entries} ({seeds})"
        if self.study.seeds == 1:
            told += ", without an interval because there is one seed"
        return f"{told}; {self.judged}."

    @property
    def judged(self) -> str:
        why = self.study.why_not_judged()
        if why or not self.study.classification:
            return f"whether one generalises worse is not judged: {why or 'the margin is one of accuracy'}"
        words = {w: [g for g in self.gaps if g.word == w] for w in ("equivalent", "different", "inconclusive")}
        worse = [g for g in words["different"] if g.difference and g.difference.estimate < 0]
        better = [g for g in words["different"] if g not in worse]
        told = [
            f"test accuracy is equivalent to the baseline's (±{100 * ACCURACY_MARGIN:g} points) "
            f"for {len(words['equivalent'])}"
        ]
        if worse:
            told.append(f"lower for {listing([g.learner.entry.label for g in worse])}")
        if better:
            told.append(f"higher for {listing([g.learner.entry.label for g in better])}")
        if words["inconclusive"]:
            told.append(f"inconclusive for {len(words['inconclusive'])}")
        return ", ".join(told)


def find(study: Study) -> Gaps:
    gaps = []
    for x in study.learners:
        bests, ends = x.bests(), x.ends()
        word, difference = against_baseline(study, x, accuracy_on_test, ACCURACY_MARGIN)
        gaps.append(
            Gap(
                x,
                mean_of(bests, loss_gap),
                mean_of(ends, loss_gap),
                mean_of(bests, accuracy_gap),
                mean_of(bests, accuracy_on_test if study.classification else loss_on_test),
                word,
                difference,
            )
        )
    return Gaps(study, tuple(gaps))


def section(evidence: Evidence) -> Section:
    found = [find(s) for s in studies(evidence) if s.measured]
    if not found:
        return Section(missing="It has no learning launch that finished: add a [[learning]] part to the suite.")
    return Section(
        sentences=tuple(g.sentence for g in found),
        blocks=by_workload(
            found,
            lambda g: g.study.workload,
            lambda g, i: [picture(g, i)] if any(own.best_loss for own in g.gaps) else [],
            lambda g, i: table(g, f"gap-table-{i}"),
        ),
        notes=drawn(len(found)),
    )


def picture(found: Gaps, number_: int) -> Picture:
    return Picture(
        f"gap-{number_}",
        partial(draw, found, f"gap-{number_}"),
        f"Validation − training loss, mean over {count(found.study.seeds, 'seed')}: {found.study.workload.full}.",
        "Marker: at the best validation snapshot. Tick: at the end. Bars: 95 % intervals over seeds.",
    )


def draw(found: Gaps, name: str) -> figure.Markup:
    rows = found.gaps
    drawing, axes = figure.panel(len(rows), top=figure.LEGEND, row=0.27)
    figure.name_rows(axes, [g.learner.entry.label for g in rows])
    for row, gap in enumerate(rows):
        if not gap.best_loss:
            figure.gap_reason(axes, row, gap.learner.reason or "no finite loss")
            continue
        if gap.end_loss:
            _interval(axes, gap.end_loss, row + 0.2, figure.MUTED)
            axes.plot(
                [gap.end_loss.estimate], [row + 0.2], marker="|", markersize=7, color=figure.MUTED, markeredgewidth=1.8
            )
        _interval(axes, gap.best_loss, row - 0.1, figure.INK)
        axes.plot(
            [gap.best_loss.estimate], [row - 0.1], linestyle="none", **figure.marker(gap.learner.entry), markersize=6.5
        )
    if axes.get_xlim()[0] < 0:
        axes.axvline(0, color=figure.MUTED, linewidth=0.8, zorder=0)
    axes.set_xlabel("gap in loss")
    figure.legend(drawing, [g.learner.entry for g in rows])
    return figure.to_svg(drawing, name, found.sentence)


def _interval(axes: figure.Axes, interval: Interval, y: float, colour: str) -> None:
    if isfinite(interval.low):
        axes.plot([interval.low, interval.high], [y, y], color=colour, linewidth=1.2)


def table(found: Gaps, name: str) -> Table:
    study = found.study
    test = ("Test accuracy", "at the best snapshot") if study.classification else ("Test loss", "at the best snapshot")
    lines = []
    for g in found.gaps:
        x = g.learner
        status = "ok" if x.curves else next((s for s in ("failed", "unsupported", "skipped") if x.counts.get(s)), "ok")
        if not x.curves:
            values: tuple[Value, ...] = (absent(x.reason or "", status), *[absent()] * 5)
        else:
            values = (
                number(str(len(x.curves)), len(x.curves)),
                _loss(g.best_loss),
                _loss(g.end_loss),
                _points(g.best_accuracy),
                _percent(g.test) if study.classification else _loss(g.test),
                difference_value(g, study),
            )
        lines.append(Line((text(x.entry.label), *values), facets(x.entry, study.workload, status)))
    return Table(
        name,
        f"Gap and {test[0].lower()}, mean over seeds: {study.workload.full}",
        (
            Column("Adapter · mode", numeric=False),
            Column("Seeds"),
            Column("Gap in loss", "at the best snapshot"),
            Column("Gap in loss", "at the end"),
            Column("Gap in accuracy", "at the best, points"),
            Column(*test),
            Column("Test accuracy, difference", "to the baseline, points"),
        ),
        tuple(lines),
    )


def difference_value(gap: Gap, study: Study) -> Value:
    if study.baseline and gap.learner.entry == study.baseline.entry:
        return text("• baseline")
    if gap.difference is None:
        return absent("no pairs of seeds")
    d = gap.difference
    detail = f"{fixed(100 * d.low, 2)} … {fixed(100 * d.high, 2)}" if isfinite(d.low) else ""
    tone = {"different": "slower" if d.estimate < 0 else "faster", "inconclusive": "inconclusive"}.get(gap.word, "")
    return number(f"{fixed(100 * d.estimate, 2)} · {gap.word}", d.estimate, detail=detail, tone=tone)


def _number(value: float) -> str:
    return fixed(value, 4) if abs(value) < 1 else significant(value, 4)


def _loss(interval: Interval | None) -> Value:
    if interval is None:
        return absent("not finite")
    detail = (
        f"{_number(interval.low)} … {_number(interval.high)}" if isfinite(interval.low) else "one seed: no interval"
    )
    return number(_number(interval.estimate), interval.estimate, detail=detail)


def _points(interval: Interval | None) -> Value:
    return _scaled(interval, "")


def _percent(interval: Interval | None) -> Value:
    return _scaled(interval, f"{NARROW}%")


def _scaled(interval: Interval | None, unit: str) -> Value:
    if interval is None:
        return absent("no accuracy")
    low, high = 100 * interval.low, 100 * interval.high
    detail = f"{fixed(low, 2)} … {fixed(high, 2)}" if isfinite(low) else "one seed: no interval"
    return number(f"{fixed(100 * interval.estimate, 2)}{unit}", interval.estimate, detail=detail)
