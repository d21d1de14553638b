"""Epochs, and where it can be estimated seconds, until a validation accuracy is reached."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from statistics import median

from matplotlib.ticker import MaxNLocator

from levelfield.harness.records.record import step_seconds
from levelfield.reports.findings import task_facts
from levelfield.reports.findings.entries import Workload
from levelfield.reports.findings.evidence import Evidence
from levelfield.reports.findings.learning import Learner, Study, one_of_each, studies
from levelfield.reports.findings.text import duration, listing
from levelfield.reports.page import figure
from levelfield.reports.page.blocks import ENTRY, Column, Line, Picture, Section, Table, absent, number

ORDER, SHORT, TITLE = 70, "Accuracy", "Epochs and time to accuracy"
BELOW = 0.01  # the target lies one point under the baseline's mean best validation accuracy


@dataclass(frozen=True)
class Reach:
    """`epochs`: first epoch at the target, for every seed that reached it. `epoch_seconds`: from speed launches."""

    learner: Learner
    epochs: tuple[int, ...]
    missed: int
    epoch_seconds: float | None

    @property
    def middle(self) -> float | None:
        return median(self.epochs) if self.epochs else None

    @property
    def seconds(self) -> float | None:
        """Of training, estimated: as many steady epochs."""
        return self.middle * self.epoch_seconds if self.middle is not None and self.epoch_seconds else None


@dataclass(frozen=True)
class Race:
    study: Study
    target: float
    reaches: tuple[Reach, ...]

    @property
    def sentence(self) -> str:
        where = f"{self.study.workload.where}, {100 * self.target:.1f} % validation accuracy"
        full = [r for r in self.reaches if r.epochs and not r.missed]
        never = [r.learner.entry.label for r in self.reaches if not r.epochs]
        partly = [r.learner.entry.label for r in self.reaches if r.epochs and r.missed]
        if not any(r.epochs for r in self.reaches):
            return f"{where} was reached by no entry.{self.guessed}"
        middles = [r.middle for r in self.reaches if r.middle is not None]
        low, high = min(middles), max(middles)
        epochs = f"{low:g}" if low == high else f"{low:g} to {high:g}"
        told = f"{where} was reached on every seed by {len(full)} of {len(self.reaches)} entries, "
        told += f"after {epochs} epochs (medians over seeds)"
        if partly:
            told += f". Not on every seed by {listing(partly)}"
        if never:
            told += f". Never by {listing(never)}"
        return f"{told}.{self.guessed}"

    @property
    def guessed(self) -> str:
        """What is reached there without looking; a sentence behind a blank, or nothing."""
        value = task_facts.guess(self.study.task, "validation")
        return "" if value is None else f" Always naming the most frequent class reaches {100 * value:.1f} %."


def find(evidence: Evidence) -> tuple[Race, ...]:
    found = []
    for study in studies(evidence):
        if not study.classification or study.baseline is None:
            continue
        best = [s.validation.accuracy for s in study.baseline.bests().values() if s.validation.accuracy is not None]
        if not best:
            continue
        target = sum(best) / len(best) - BELOW
        reaches = [_reach(evidence, x, target) for x in study.measured]
        reaches.sort(key=lambda r: (r.middle is None, r.missed, r.middle or 0, r.learner.entry))
        found.append(Race(study, target, tuple(reaches)))
    return tuple(found)


def _reach(evidence: Evidence, learner: Learner, target: float) -> Reach:
    firsts = []
    for curve in learner.curves.values():
        firsts.append(next((s.epoch for s in curve if (s.validation.accuracy or 0.0) >= target), None))
    reached = tuple(sorted(f for f in firsts if f is not None))
    return Reach(learner, reached, firsts.count(None), _epoch_seconds(evidence, learner))


def _epoch_seconds(evidence: Evidence, learner: Learner) -> float | None:
    """Median steady epoch of the speed launches with the same everything, over as many steps as there."""
    w = learner.workload
    for comparison in evidence.speed:
        other = comparison.workload
        if _but_epochs(other) == _but_epochs(w):
            own = [
                s * r.steps_per_epoch
                for r in evidence.speed_records(other, learner.entry)
                if (s := step_seconds(r)) and r.steps_per_epoch
            ]
            if own:
                return median(own)
    return None


def _but_epochs(w: Workload) -> Workload:
    """The same for launches that learn and launches that are timed, on whatever threads they are."""
    return replace(w, kind="speed", recipe=replace(w.recipe, epochs=0, name=""), threads=0, cold=False)


def section(evidence: Evidence) -> Section:
    races = find(evidence)
    if not races:
        return Section(
            missing="It needs learning launches of the baseline on a classification task: levelfield run default"
        )
    return Section.of_each(
        races,
        lambda r: r.study.workload.full,
        lambda r, i: [picture(r, i)],
        lambda r, i: [table(r, f"reach-table-{i}")],
        sentences=tuple(r.sentence for r in races),
    )


def picture(race: Race, number_: int) -> Picture:
    return Picture(
        f"reach-{number_}",
        partial(draw, race, f"reach-{number_}"),
        f"Epochs to {100 * race.target:.1f} % validation accuracy: {race.study.workload.full}.",
        "Ticks: seeds. Marker: their median.",
    )


def draw(race: Race, name: str) -> figure.Markup:
    rows, entries, names = one_of_each(race.reaches, lambda reach: (reach.epochs, reach.missed))
    drawing, axes = figure.panel(names, top=figure.LEGEND)
    trained = [s.epoch for r in rows if r.missed for c in r.learner.curves.values() for s in c[-1:]]
    last = max([1, *trained, *(e for r in rows for e in r.epochs)])
    for row, reach in enumerate(rows):
        for epoch in sorted(set(reach.epochs)):
            faint = 0.35 if reach.epochs.count(epoch) == 1 else 0.8
            figure.dot(axes, epoch, row, {"marker": "|", "color": figure.INK}, 9, alpha=faint, zorder=2)
        if reach.middle is not None:
            figure.dot(axes, reach.middle, row, figure.shared_marker(entries[row]), zorder=3)
        if reach.missed:
            told = f"× not reached by {reach.missed} of {reach.missed + len(reach.epochs)}"
            figure.beside_rows(axes, 1.0, row, told, ha="right", fontsize=7.5, color=figure.MUTED)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.set_xlim(-0.02 * last, last * 1.04 + 1e-9)
    axes.set_xlabel("epochs")
    figure.legend(drawing, [own[0] for own in entries if len(own) == 1])
    return figure.to_svg(drawing, name, race.sentence)


def table(race: Race, name: str) -> Table:
    lines = []
    for r in race.reaches:
        total = len(r.epochs) + r.missed
        epochs, time = absent("", "not reached"), absent()
        if r.middle is not None:
            epochs = number(f"{r.middle:g}", r.middle, detail=f"{r.epochs[0]}–{r.epochs[-1]}")
            time = absent("no speed launch of the same recipe")
        if r.seconds is not None:
            time = number(duration(r.seconds), r.seconds, detail="estimated")
        reached = number(f"{len(r.epochs)} of {total}", len(r.epochs) / total)
        lines.append(Line.of(r.learner.entry, race.study.workload, "ok", reached, epochs, time))
    return Table(
        name,
        f"Epochs to {100 * race.target:.1f} % validation accuracy: {race.study.workload.full}",
        (
            ENTRY,
            Column("Reached", "seeds"),
            Column("Epochs", "median, range"),
            Column("Training time", "epochs × steady epoch"),
        ),
        tuple(lines),
    )
