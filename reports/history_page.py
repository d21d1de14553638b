"""A series of runs: one line for each cell over versions and dates, and a verdict between neighbours."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from markupsafe import Markup

from levelfield.harness.judge.statistics import Interval, Verdict
from levelfield.harness.records.record import Run
from levelfield.harness.results.run_series import History, Place
from levelfield.reports.compare_page import where, workload
from levelfield.reports.findings import words
from levelfield.reports.findings.entries import Entry
from levelfield.reports.findings.text import count, duration, factor, listing, span
from levelfield.reports.page import embed, figure
from levelfield.reports.page import html as page
from levelfield.reports.page.blocks import (
    MOST_PICTURES,
    Column,
    Heading,
    Line,
    Picture,
    Section,
    Table,
    Value,
    absent,
    drawn,
    text,
)

MOST_PANELS = 24


@dataclass(frozen=True)
class Move:
    """A cell from one run to the next; `changed`: which distributions have other versions, one text each."""

    place: Place
    old: Run
    new: Run
    verdict: Verdict
    changed: tuple[str, ...]

    @property
    def sentence(self) -> str:
        cell = self.place[0]
        phrase = words.speed_phrase(self.verdict, f"in {self.old.name}")
        why = f" with {listing(list(self.changed))}" if self.changed else " with the same versions"
        return f"In {self.new.name}, {label(self.place)} on {workload(cell)} is {phrase},{why}."


def label(place: Place) -> str:
    return Entry.of(place[0]).label + (" cold" if place[1] else "")


def build(history: History) -> str:
    """The page as HTML text: the same bytes for the same series."""
    moves = [find(history, i) for i in range(len(history.steps))]
    rows = [
        {"cell": place[0].model_dump(mode="python"), "cold": place[1]}
        | {"step_seconds": [own[place].estimate if place in own else None for own in history.times]}
        | {"verdicts": [own[place].verdict.word if place in own else None for own in moves]}
        for place in history.places
    ]
    runs = [embed.plain(run.model_dump(mode="python")) for run in history.runs]
    data = {"json": embed.encode({"runs": runs, "cells": embed.plain(rows)}), "complete": True}
    with figure.style():
        section = series(history, moves)
        template = page.environment().get_template("history/series.html")
        html = template.render(name="series", title="Step times from run to run", section=section, history=history)
        bodies = [{"name": "series", "short": "Series", "html": Markup(html)}]  # noqa: S704 - autoescaped
        return page.shell(
            "history/page.html", bodies, data, history=history, run=history.runs[-1], records=len(history.runs)
        )


def find(history: History, i: int) -> dict[Place, Move]:
    """What every cell did from run i to run i + 1."""
    old, new = history.runs[i], history.runs[i + 1]
    both = [p for p in history.places if p in history.times[i] and p in history.times[i + 1]]
    own = {(c.cell, c.cold): c.verdict for c in history.steps[i].changes}
    return {p: Move(p, old, new, own[p], _changed(history, i, p)) for p in both}


def _changed(history: History, i: int, place: Place) -> tuple[str, ...]:
    old, new = history.versions[i].get(place, {}), history.versions[i + 1].get(place, {})
    return tuple(
        f"{name} {old.get(name, 'absent')} → {new.get(name, 'absent')}"
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    )


def series(history: History, moves: Sequence[dict[Place, Move]]) -> Section:
    if not history.places:
        return Section(missing="None of the runs has a speed launch with a clean time.")
    groups: dict[str, list[Place]] = defaultdict(list)
    for place in history.places:
        groups[where(place[0])].append(place)
    blocks: list[Heading | Picture | Table] = []
    for i, (told, own) in enumerate(sorted(groups.items()), start=1):
        if len(groups) > 1:
            blocks.append(Heading(told))
        if i <= MOST_PICTURES and len(history.runs) > 1:
            caption = f"Time of a steady step, run by run: {told}."
            key = "One panel for each cell, on the same log axis; bar: interval of the median. Runs from left to right."
            drawing = partial(draw, history, own[:MOST_PANELS], f"series-{i}", told)
            blocks.append(Picture(f"series-{i}", drawing, caption, key))
        blocks.append(table(history, moves, own, told, f"series-table-{i}"))
    left = (f"Left out, because they come from other machines: {listing(list(history.elsewhere), most=8)}.",)
    return Section(
        sentences=(summary(history, moves), *(m.sentence for m in shown(moves))),
        blocks=tuple(blocks),
        notes=drawn(len(groups)) + (left if history.elsewhere else ()),
    )


def shown(moves: Sequence[dict[Place, Move]]) -> list[Move]:
    """The moves that are shown to be one, the newest first, and the slower ones first among those of a run."""
    found = [m for own in reversed(moves) for m in own.values() if m.verdict.word in ("slower", "faster")]
    rank = {run: i for i, run in enumerate(dict.fromkeys(m.new.name for m in found))}
    return sorted(found, key=lambda m: (rank[m.new.name], m.verdict.word != "slower", label(m.place)))


def summary(history: History, moves: Sequence[dict[Place, Move]]) -> str:
    told = f"{count(len(history.places), 'cell')} over {count(len(history.runs), 'run')}"
    if len(history.runs) == 1:
        return f"{told}: a series begins with the second."
    counted = words.word_counts([m.verdict.word for own in moves for m in own.values()])
    return f"{told}; from one run to the next: {counted or 'no cell in two neighbouring runs'}."


def draw(history: History, places: Sequence[Place], name: str, told: str) -> figure.Markup:
    drawing, panels = figure.grid(len(places), 4, 1.05, top=0.05)
    for axes, place in zip(panels, places, strict=True):
        entry = Entry.of(place[0])
        points = [(x, own[place]) for x, own in enumerate(history.times, start=1) if place in own]
        axes.plot(
            [x for x, _ in points], [t.estimate for _, t in points], color=figure.family_colour(entry.family), zorder=1
        )
        for x, t in points:
            axes.plot([x, x], [t.low, t.high], color=figure.INK, linewidth=1.1, zorder=2)
            axes.plot([x], [t.estimate], linestyle="none", **figure.marker(entry), markersize=4.5, zorder=3)
        figure.title(axes, label(place))
    runs = len(history.runs)
    panels[0].set_xlim(0.5, runs + 0.5)
    panels[0].set_xticks(range(1, runs + 1, -(-runs // 6)))
    figure.log_times(panels[0], "y")
    figure.outer_labels(drawing, "run", "time of a steady step")
    return figure.to_svg(drawing, name, f"Steady step of {count(len(places), 'cell')}, run by run, on {told}.")


def table(history: History, moves: Sequence[dict[Place, Move]], places: Sequence[Place], told: str, name: str) -> Table:
    lines = []
    for place in places:
        values = [text(label(place))]
        for i, own in enumerate(history.times):
            move = moves[i - 1].get(place) if i else None
            values.append(_value(own[place], move) if place in own else absent("not timed"))
        entry = Entry.of(place[0])
        facets = {"framework": entry.family, "api": entry.api, "mode": entry.mode, "task": place[0].task}
        lines.append(Line(tuple(values), facets))
    columns = [Column(f"{i}. {run.name}", run.started[:10]) for i, run in enumerate(history.runs, start=1)]
    return Table(name, f"Step time by run: {told}", (Column("Adapter · mode", numeric=False), *columns), tuple(lines))


def _value(time: Interval, move: Move | None) -> Value:
    shown_ = duration(time.estimate)
    if move is None or move.verdict.ratio is None:
        return Value(shown_, time.estimate, move.verdict.reason if move else span(time.low, time.high))
    word = move.verdict.word
    detail = f"{factor(move.verdict.ratio.estimate)} {words.SIGNS[word]} {word}"
    if move.changed:
        detail += f"; {listing(list(move.changed))}"
    return Value(shown_, time.estimate, detail, word)
