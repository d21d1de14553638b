"""Learning curves: training and validation loss, the gap between them hatched."""

from __future__ import annotations

from functools import partial

from levelfield.reports.findings.evidence import Evidence
from levelfield.reports.findings.learning import Alike, Study, mean_curve, mean_of, studies, untrained
from levelfield.reports.findings.text import count, fixed, listing, significant
from levelfield.reports.page import figure
from levelfield.reports.page.blocks import ENTRY, Column, Line, Picture, Section, Table, absent, number

ORDER, SHORT, TITLE = 80, "Curves", "Learning curves"
MOST_STUDIES = 4
MOST_PANELS = 24


def section(evidence: Evidence) -> Section:
    found = [s for s in studies(evidence) if s.measured]
    if not found:
        return Section(missing="No learning launch finished: levelfield run default")
    return Section.of_each(
        found,
        lambda s: s.workload.full,
        lambda s, i: [picture(s, i)],
        lambda s, i: [table(s, f"curves-table-{i}")],
        MOST_STUDIES,
        sentences=tuple(sentence(s) for s in found),
        extra=untrained(evidence),
    )


def picture(study: Study, number_: int) -> Picture:
    left = len(study.alike) - MOST_PANELS
    return Picture(
        f"curves-{number_}",
        partial(draw, study, f"curves-{number_}"),
        f"Loss by epoch, mean over {count(study.seeds, 'seed')}: {study.workload.full}.",
        "Hatched: the gap." + (f" {left} more curves are in the table." if left > 0 else ""),
    )


def sentence(study: Study) -> str:
    """How the entries' final training losses lie together, and where validation was best."""
    where = study.workload.where
    ends = [m.estimate for x in study.measured if (m := mean_of(x.ends(), lambda s: s.train.loss))]
    epochs = [s.epoch for x in study.measured for s in x.bests().values()]
    lost = [x.entry.label for x in study.measured if len(x.bests()) < len(x.curves)]
    if not ends or not epochs:
        return f"{where} no entry kept a finite loss."
    last = max(s.epoch for x in study.measured for s in x.ends().values())
    middle = sorted(epochs)[len(epochs) // 2]
    if len(ends) == 1:
        told = f"{where} one entry was measured: its training loss ends at {significant(ends[0])}"
    else:
        low, high = significant(min(ends), 4), significant(max(ends), 4)
        spread = low if low == high else f"{low} to {high}"
        told = f"{where} the {len(ends)} entries end with a training loss of {spread}"
    told += f". Validation was best after {middle} of {last} epochs (median over entries and seeds)"
    told += "".join(f". {shared(group, len(study.measured))}" for group in study.alike if len(group.learners) > 1)
    return told + (f". Some seeds of {listing(lost)} diverged." if lost else ".")


def shared(group: Alike, total: int) -> str:
    """``13 entries, one curve: no loss is further apart than 2·10⁻⁷``."""
    of = "" if group.everybody else f" of {total}"
    return (
        f"{len(group.learners)}{of} entries, one curve: no loss is further apart than {significant(group.distance, 1)}"
    )


def draw(study: Study, name: str) -> figure.Markup:
    groups = study.alike[:MOST_PANELS]
    drawing, panels = figure.grid(len(groups), 4, 2.0 if len(groups) < 3 else 1.2, top=0.28)
    for axes, group in zip(panels, groups, strict=True):
        _panel(axes, group)
    learners = [group.learners[0] for group in groups]
    if all(v > 0 for x in learners for c in x.curves.values() for s in c for v in (s.train.loss, s.validation.loss)):
        figure.log_losses(panels[0])
    figure.outer_labels(drawing, "epoch", "loss")
    keys = ["validation", "training", "best validation (median)"]
    lines = panels[0].get_lines()[:3]
    figure.keys(drawing, lines, 3, labels=keys[: len(lines)])
    return figure.to_svg(drawing, name, sentence(study))


def _panel(axes: figure.Axes, group: Alike) -> None:
    learner = group.learners[0]
    colour = figure.family_colour(learner.entry.family) if len(group.learners) == 1 else figure.MUTED
    epochs, validation = mean_curve(learner, lambda s: s.validation.loss)
    train_epochs, train = mean_curve(learner, lambda s: s.train.loss)
    axes.plot(epochs, validation, color=figure.INK, linewidth=1.5)
    axes.plot(train_epochs, train, color=figure.INK, linewidth=1.2, linestyle=(0, (3, 2)))
    if epochs == train_epochs:
        axes.fill_between(epochs, train, validation, facecolor=colour, alpha=0.16, linewidth=0)
        axes.fill_between(epochs, train, validation, facecolor="none", edgecolor=colour, hatch="////", linewidth=0)
    best = sorted(s.epoch for s in learner.bests().values())
    if best:
        axes.axvline(best[len(best) // 2], color=figure.MUTED, linewidth=1, linestyle=(0, (1, 1.5)))
    figure.title(axes, group.label)


def table(study: Study, name: str) -> Table:
    lines = []
    for x in study.learners:
        bests, ends = x.bests(), x.ends()
        if not bests:
            why = absent(x.reason or "no finite loss", x.poor or "—")
            lines.append(Line.of(x.entry, study.workload, x.poor or "ok", why, *[absent()] * 4))
            continue
        epochs = sorted(s.epoch for s in bests.values())
        best = mean_of(bests, lambda s: s.validation.loss)
        end = mean_of(ends, lambda s: s.validation.loss)
        train = mean_of(ends, lambda s: s.train.loss)
        excess = end.estimate - best.estimate if end and best else None
        middle = epochs[len(epochs) // 2]
        values = (
            number(str(middle), middle, detail=f"{epochs[0]}–{epochs[-1]}" if epochs[0] != epochs[-1] else ""),
            number(significant(best.estimate, 4), best.estimate) if best else absent(),
            number(significant(end.estimate, 4), end.estimate) if end else absent("not finite"),
            number(significant(train.estimate, 4), train.estimate) if train else absent("not finite"),
            number(fixed(excess, 4), excess) if excess is not None else absent(),
        )
        lines.append(Line.of(x.entry, study.workload, "ok", *values))
    return Table(
        name,
        f"Losses, mean over seeds: {study.workload.full}",
        (
            ENTRY,
            Column("Best epoch", "median, range"),
            Column("Validation loss", "at its best"),
            Column("Validation loss", "at the end"),
            Column("Training loss", "at the end"),
            Column("Excess", "validation, end − best"),
        ),
        tuple(lines),
    )
