"""Two runs beside each other: did the same cells become faster or slower? One offline page, as the report is."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import Any

from levelfield.harness.records.cell import Cell
from levelfield.harness.records.record import Run
from levelfield.harness.results.compare_runs import Change, RunComparison, machine_differences
from levelfield.reports.findings import words
from levelfield.reports.findings.entries import Entry, telling_feeds
from levelfield.reports.findings.text import count, listing
from levelfield.reports.page import embed, figure, html, verdicts
from levelfield.reports.page.blocks import ENTRY, Column, Line, Picture, Section, Table, absent, facets, number, text

BASE = "the base run"


@dataclass(frozen=True)
class Pair:
    """Two runs, and what was found of them."""

    base: Run
    new: Run
    found: RunComparison

    @property
    def machines(self) -> list[str]:
        return machine_differences(self.base.machine, self.new.machine)

    @property
    def judged(self) -> list[Change]:
        return [c for c in self.found.changes if c.verdict.word != "not judged"]

    def with_word(self, word: str) -> list[Change]:
        return [c for c in ordered(self.found.changes) if c.verdict.word == word]


def build(base_run: Run, new_run: Run, comparison: RunComparison) -> str:
    """The page as HTML text: the same bytes for the same runs and comparison."""
    pair = Pair(base_run, new_run, comparison)
    rows = [_row(change) for change in comparison.changes]
    heads = {name: embed.plain(run.model_dump()) for name, run in (("base", base_run), ("new", new_run))}
    data = {"json": embed.encode(heads | {"cells": rows}), "complete": True}
    with figure.style():
        bodies = []
        for name, short, title, make in SECTIONS:
            shown = html.fill(f"compare/{name}.html", name=name, title=title, section=make(pair))
            bodies.append({"name": name, "short": short, "html": shown})
        return html.shell("compare/page.html", bodies, data, pair=pair, run=new_run, records=len(comparison.changes))


def _row(change: Change) -> dict[str, Any]:
    verdict, ratio = change.verdict, change.verdict.ratio
    limits = {"ratio": ratio.estimate, "low": ratio.low, "high": ratio.high, "pairs": ratio.n} if ratio else {}
    return embed.plain(  # type: ignore[no-any-return]
        {"cell": change.cell.model_dump(), "verdict": verdict.word, "material": verdict.material}
        | {"reason": verdict.reason, "again": change.across is not None, **limits}
    )


# What changed


def changes(pair: Pair) -> Section:
    if not pair.found.changes:
        return Section(missing="No cell was timed without disturbance in both runs, so there is nothing to compare.")
    groups: dict[str, list[Change]] = defaultdict(list)
    for change in ordered(pair.found.changes):
        groups[where(change.cell)].append(change)
    return Section.of_each(
        [*groups.items()],
        lambda group: group[0],
        lambda group, i: [picture(*group, f"changes-{i}")] if any(c.verdict.ratio for c in group[1]) else [],
        lambda group, i: [table(*group, f"changes-table-{i}")],
        sentences=(summary(pair), *told(pair), *again(pair), f"{pair.found.decided.capitalize()}."),
    )


def picture(place: str, own: Sequence[Change], name: str) -> Picture:
    key = "Right of 1: the new run takes longer. Bar: the simultaneous interval. Band: the margin of a tie."
    return Picture(name, partial(draw, own, name), f"New run against base run: {place}.", key)


def ordered(found: Sequence[Change]) -> list[Change]:
    """The slowest first; what was not judged last."""

    def key(change: Change) -> tuple[bool, float, str]:
        ratio = change.verdict.ratio
        return (change.verdict.word == "not judged", -ratio.estimate if ratio else inf, change.cell.id)

    return sorted(found, key=key)


def entries_of(cells: Sequence[Cell]) -> list[Entry]:
    """As they are called beside each other in one place."""
    found = [Entry.of(cell) for cell in cells]
    told = telling_feeds(found)
    return [told[entry] for entry in found]


def where(cell: Cell) -> str:
    threads = count(cell.threads, "thread") + (f", {cell.over}" if cell.over else "")
    precision = f", {cell.precision}" if cell.precision != "float32" else ""
    return f"{cell.task} · {cell.model.name} · {cell.recipe.name}, {cell.track}, {cell.device}, {threads}{precision}"


def summary(pair: Pair) -> str:
    """The count of every verdict, and how many differences clear the margin."""
    total = count(len(pair.found.changes), "cell")
    if not pair.judged:
        return f"None of the {total} in both runs is judged: {pair.found.changes[0].verdict.reason}."
    counted = words.word_counts([c.verdict.word for c in pair.found.changes])
    sentence = f"Of {total} in both runs, the new run against the base: {counted}"
    clear = [c.cell for c in pair.with_word("slower") if c.verdict.material]
    if clear:
        sentence += f"; slower by more than the margin: {listing([Entry.of(c).label for c in clear])}"
    return sentence + "."


def told(pair: Pair) -> list[str]:
    """A sentence for every cell that is shown to differ."""
    return [
        f"{Entry.of(c.cell).label} on {workload(c.cell)} is {words.speed_phrase(c.verdict, BASE)}."
        for word in ("slower", "faster")
        for c in pair.with_word(word)
    ]


def again(pair: Pair) -> list[str]:
    """A sentence for every cell whose verdict is that of launches in turns: what it had looked like."""
    looked = [(c, words.speed_phrase(c.across), words.speed_phrase(c.verdict)) for c in pair.found.again if c.across]
    return [
        f"{Entry.of(c.cell).label} on {workload(c.cell)} looked {before} across the runs. "
        f"Measured again with both environments in turns, it is {now}."
        for c, before, now in looked
    ]


def workload(cell: Cell) -> str:
    own = ", by default" if cell.track != "matched" else ""
    return f"{cell.task} · {cell.model.name}{own}" + (f", over {cell.over}" if cell.over else "")


def draw(own: Sequence[Change], name: str) -> figure.Markup:
    entries = entries_of([c.cell for c in own])
    rows = [(entry.label, change.verdict, entry) for change, entry in zip(own, entries, strict=True)]
    counted = words.word_counts([c.verdict.word for c in own])
    alt = f"New run against base run on {where(own[0].cell)}: {counted}."
    return verdicts.draw(rows, "step time, new over base, log scale", name, alt, room=1.03, unjudged="")


def table(place: str, own: Sequence[Change], name: str) -> Table:
    lines = []
    for change, entry in zip(own, entries_of([c.cell for c in own]), strict=True):
        ratio = change.verdict.ratio
        pairs = number(str(ratio.n), ratio.n) if ratio else absent()
        values = text(entry.label), verdicts.ratio(ratio), pairs, verdicts.word(change.verdict)
        lines.append(Line(values, facets(entry, change.cell.task)))
    columns = (
        ENTRY,
        Column("New over base", "simultaneous 95 %"),
        Column("Launches", "of each run"),
        Column("Verdict", numeric=False),
    )
    return Table(name, f"New run against base run: {place}", columns, tuple(lines))


# What could not be compared, and what else differs


def unpaired(pair: Pair) -> Section:
    sides = (("base", pair.found.only_base), ("new", pair.found.only_new))
    cells = [(one.cell, str(one)) for one in pair.found.lost]
    cells += [(cell, f"only in the {side} run") for side, own in sides for cell in own]
    lines = [Line((text(Entry.of(c).label), text(how), text(where(c))), {"task": c.task}) for c, how in cells]
    if not lines:
        return Section(sentences=("Every cell that was timed in one run was timed in the other.",))
    lost = Counter(one.how for one in pair.found.lost)
    counts = [f"{n} {how} in the new run" for how, n in lost.items()]
    told_ = listing([*counts, *(f"{len(own)} only in the {side} run" for side, own in sides if own)])
    columns = tuple(Column(c, numeric=False) for c in ("Adapter · mode", "Timed", "Where"))
    return Section(
        sentences=(f"{count(len(lines), 'cell')} could not be compared: {told_}.",),
        blocks=(Table("unpaired-table", "Cells of one run alone", columns, tuple(lines)),),
    )


def differences(pair: Pair) -> Section:
    found = pair.found.differences
    if not found:
        return Section(sentences=("Machine and versions are the same in both runs.",))
    lines = []
    for difference in found:
        name, _, values = difference.partition(": ")
        old, _, new = values.partition(" / ")
        lines.append(Line((text(name), text(old), text(new))))
    columns = tuple(Column(c, numeric=False) for c in ("What", "Base", "New"))
    return Section(
        sentences=(f"{count(len(found), 'difference')} between the runs: {listing([str(d) for d in found], most=6)}.",),
        blocks=(Table("differences-table", "What differs between the runs", columns, tuple(lines)),),
    )


def method(pair: Pair) -> Section:
    margins = {c.verdict.margin for c in pair.found.changes}
    margin = f" (±{100 * max(margins):g} %)" if margins else ""
    return Section(
        sentences=(f"Launch i of one run is set against launch i of the other; within the margin{margin} is a tie.",),
        extra=pair,
    )


SECTIONS: tuple[tuple[str, str, str, Callable[[Pair], Section]], ...] = (
    ("changes", "Changes", "What became faster or slower", changes),
    ("unpaired", "In one run only", "Cells of one run alone", unpaired),
    ("differences", "Environments", "What else differs between the runs", differences),
    ("method", "Method", "Method and data", method),
)
