"""What the framework tax is made of: for each pair a waterfall from the arithmetic to the defaults."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, get_args

from levelfield.harness.records.explanation import Explanation, Kind, RungTime, Spending
from levelfield.harness.records.quantity import Quantity, Unavailable
from levelfield.reports.findings.entries import Entry
from levelfield.reports.findings.evidence import Evidence
from levelfield.reports.findings.explained import Unit, causes
from levelfield.reports.findings.text import NARROW, fixed, percent
from levelfield.reports.page import figure
from levelfield.reports.page.blocks import (
    ENTRY,
    Column,
    Heading,
    Line,
    Picture,
    Section,
    Table,
    Value,
    absent,
    number,
    text,
)
from levelfield.reports.sections import tax

ORDER, SHORT, TITLE = 32, "Causes", "What the framework tax is made of"
QUESTION = "Where does the time of the higher API go?"
KINDS: tuple[Kind, ...] = get_args(Kind)


def section(evidence: Evidence) -> Section:
    found = sorted(evidence.explained, key=lambda one: -one.ladder.added.estimate if one.ladder.added else 0.0)
    if not found:
        return Section(missing=why_none(evidence))
    blocks: list[Heading | Picture | Table] = []
    for i, one in enumerate(found, 1):
        blocks += [picture(one, i), ladder_table(one, f"explained-table-{i}")]
    return Section(
        sentences=tuple(told(one) for one in found),
        blocks=(*blocks, spent_table(found)),
        notes=tuple(dict.fromkeys(note for one in found for note in notes(one))),
    )


def why_none(evidence: Evidence) -> str:
    if not any(tax.find(comparison) for comparison in evidence.speed):
        return "This run has no pair of a higher and a lower API."
    return f"No pair was explained: levelfield run {evidence.run.suite} --explain"


def labels(one: Explanation) -> tuple[str, str]:
    return Entry.of(one.cell).label, Entry.of(one.against).label


def told(one: Explanation) -> str:
    return causes(*labels(one), one.ladder)


def notes(one: Explanation) -> list[str]:
    """Rungs that are not there, sides that were not looked at, and what of a side was not counted."""
    found = [f"Not timed: {what}: {why}." for what, why in one.ladder.missing.items()]
    for label, side in zip(labels(one), (one.own, one.other), strict=True):
        if isinstance(side, str):
            found.append(f"{label} was not looked at: {side}.")
            continue
        for what, counted in (("Bytes", side.allocated), ("Copies", side.copied)):
            if isinstance(counted, Unavailable):
                found.append(f"{what} of {label} were not counted: {counted.reason}.")
    return found


def rung_name(one: Explanation, rung: RungTime) -> str:
    """Short, for a row."""
    own, other = labels(one)
    return {
        "arithmetic": "arithmetic of a step",
        "other": f"{other}: its step",
        "step": f"{own}: its step",
        "loader": f"{own}: its loader",
        "defaults": f"{own}: its defaults",
    }[rung.rung]


def picture(one: Explanation, number_: int) -> Picture:
    own, other = labels(one)
    cell = one.cell
    where = f"{cell.task}, {cell.model.name}, {cell.recipe.name}"
    return Picture(
        f"explained-{number_}",
        partial(draw, one, f"explained-{number_}"),
        f"From arithmetic to {own}, against {other}: {where}.",
        f"Seconds of a step that each rung adds, with the interval; {one.ladder.blocks} blocks.",
    )


def draw(one: Explanation, name: str) -> figure.Markup:
    rungs = one.ladder.rungs
    drawing, axes = figure.panel([rung_name(one, rung) for rung in rungs], row=0.3, top=0.12, most=34)
    unit, ends = Unit.of(one.ladder), []
    below = 0.0
    for row, rung in enumerate(rungs):
        entry = Entry.of(one.against if rung.rung in ("arithmetic", "other") else one.cell)
        colour = figure.MUTED if rung.rung == "arithmetic" else figure.family_colour(entry.family)
        top, part = rung.step.estimate, rung.more or rung.step
        hollow = entry.framework == one.against.framework and rung.rung == "other"
        face: dict[str, Any] = {"color": figure.PAPER if hollow else colour, "edgecolor": colour}
        axes.barh(row, (top - below) / unit.scale, 0.55, below / unit.scale, linewidth=1.2, zorder=2, **face)
        low, high = (below + part.low) / unit.scale, (below + part.high) / unit.scale
        axes.plot([low, high], [row, row], color=figure.INK, linewidth=1.3, solid_capstyle="butt", zorder=3)
        if row + 1 < len(rungs):  # the next bar begins here
            axes.plot([top / unit.scale] * 2, [row, row + 1], color=figure.MUTED, linewidth=0.7, zorder=1)
        shown = unit.more(part) if rung.more else unit.span(part)
        end = max(high, below / unit.scale, top / unit.scale)
        ends.append((end, f"{NARROW}{shown}"))
        below = top
    _label_ends(axes, ends)
    axes.set_xlabel(f"a step, {unit.name}")
    return figure.to_svg(drawing, name, told(one))


CHARACTER = 0.068  # inches, of a label behind a bar


def _label_ends(axes: figure.Axes, ends: Sequence[tuple[float, str]]) -> None:
    """Each bar's number behind it; the axis is so long that all of them fit."""
    width = axes.get_position().width * figure.WIDTH
    most = max(end / (1 - min(0.8, (0.1 + CHARACTER * len(shown)) / width)) for end, shown in ends)
    axes.set_xlim(0, most)
    for row, (end, shown) in enumerate(ends):
        axes.annotate(shown, (end, row), (4, 0), textcoords="offset points", va="center", fontsize=8, color=figure.INK)


def ladder_table(one: Explanation, name: str) -> Table:
    unit = Unit.of(one.ladder)
    own, other = labels(one)
    return Table(
        name,
        f"The ladder of {own} against {other}",
        (Column("Rung", numeric=False), Column("A step"), Column("More than the rung above")),
        tuple(
            Line(
                (
                    text(rung_name(one, rung)),
                    number(unit.span(rung.step), rung.step.estimate),
                    number(unit.more(rung.more), rung.more.estimate) if rung.more else absent(),
                )
            )
            for rung in one.ladder.rungs
        ),
    )


def spent_table(found: Sequence[Explanation]) -> Table:
    """Who spends a step of each side, once each."""
    sides: dict[str, Spending] = {}
    for one in found:
        for label, side in zip(labels(one), (one.own, one.other), strict=True):
            if not isinstance(side, str):
                sides.setdefault(label, side)
    return Table(
        "explained-spent",
        "Who spends a step, and what it needs",
        (
            ENTRY,
            Column("A step", "while nobody looks"),
            *(Column(kind.capitalize()) for kind in KINDS),
            Column("Allocated", "bytes a step"),
            Column("Copies", "host and device"),
            Column("Compilations", "first epoch, later"),
        ),
        tuple(spent_line(label, side) for label, side in sorted(sides.items())),
    )


def spent_line(label: str, side: Spending) -> Line:
    unit = Unit(side.step)
    kinds = [side.kinds.get(kind) for kind in KINDS]
    return Line(
        (
            text(label),
            number(f"{unit.number(side.step)} {unit.name}", side.step),
            *(
                absent("in dispatch")
                if seconds is None
                else number(f"{unit.number(seconds)} {unit.name}", seconds, detail=percent(seconds / side.step))
                for seconds in kinds
            ),
            quantity(side.allocated),
            quantity(side.copied),
            absent("none")
            if side.compiled_first is None
            else number(f"{side.compiled_first}, {side.compiled_steady}", side.compiled_first),
        )
    )


def quantity(found: Quantity) -> Value:
    if isinstance(found, Unavailable):
        return absent()
    return number(fixed(found.value, 1), found.value, hint=found.source)
