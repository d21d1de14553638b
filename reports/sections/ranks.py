"""What several ranks are worth: speed-up and efficiency over one rank, strong and weak."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import partial

from levelfield.harness.judge.rank_scaling import Counterpart, Kind, Scaling, Steps, counterparts, scale
from levelfield.harness.judge.statistics import Interval
from levelfield.harness.records.cell import Cell
from levelfield.harness.records.record import Record, step_seconds
from levelfield.reports.findings.entries import Entry, Workload
from levelfield.reports.findings.evidence import DISTURBED, MARGIN, Evidence, is_disturbed
from levelfield.reports.findings.intervals import median_of
from levelfield.reports.findings.text import capital, count, factor, factors, listing, percent, significant
from levelfield.reports.findings.words import SIGNS, speed_phrase
from levelfield.reports.page import figure, verdicts
from levelfield.reports.page.blocks import (
    ENTRY,
    Column,
    Glance,
    Line,
    Picture,
    Section,
    Table,
    Value,
    absent,
    number,
    text,
)

ORDER, SHORT, TITLE = 53, "Ranks", "Several ranks: speed-up and efficiency"
QUESTION = "What are several ranks worth?"
SHARED = "devices of one process on a CPU share its cores: their runs are no scaling measurement and not shown here"


@dataclass(frozen=True)
class Case:
    """One cell on several ranks against one on one rank. `reason`: why there is no number, or no verdict."""

    entry: Entry
    workload: Workload  # of several ranks
    replicas: int
    kind: Kind
    one: Interval | None  # seconds of a step
    several: Interval | None
    scaling: Scaling
    reason: str | None

    @property
    def judged(self) -> bool:
        return self.scaling.verdict.word != "not judged"

    @property
    def where(self) -> str:
        return f"{self.entry.label} on {self.workload.label} ({self.workload.recipe.name})"


@dataclass(frozen=True)
class Group:
    """All cases of one task and model: their intervals hold together."""

    title: str
    cases: tuple[Case, ...]

    @property
    def panels(self) -> dict[str, list[Case]]:
        """By batch size on several ranks: what was measured."""
        found: dict[str, list[Case]] = defaultdict(list)
        for case in self.cases:
            if case.scaling.speedup:
                found[f"{case.workload.model.name} · {case.workload.recipe.name}"].append(case)
        return found


def find(evidence: Evidence) -> list[Group]:
    """Launches of one machine are held against each other, and cold ones against cold ones."""
    launches: dict[Hashable, dict[Cell, list[Record]]] = defaultdict(lambda: defaultdict(list))
    for record in evidence.latest:
        launches[record.machine.type, record.cold][record.cell].append(record)
    groups: dict[Hashable, list[tuple[Counterpart, list[Record], list[Record]]]] = defaultdict(list)
    for place, own in launches.items():
        supported = [cell for cell, records in own.items() if any(r.status != "unsupported" for r in records)]
        for pair in counterparts(supported):
            cell = pair.several
            key = (place, cell.task, cell.model, cell.track, cell.device, cell.threads, cell.precision)
            groups[key].append((pair, own[pair.one], own[pair.several]))
    return [_group(evidence, pairs) for pairs in groups.values()]


def _group(evidence: Evidence, pairs: Sequence[tuple[Counterpart, list[Record], list[Record]]]) -> Group:
    steps: dict[int, Steps] = {}
    for i, (pair, one, several) in enumerate(pairs):
        certified = all(evidence.certified(records) is not False for records in (one, several))
        found = [_steps(records) if certified else {} for records in (one, several)]
        steps[i] = Steps(pair.kind, pair.several.replicas, *found)
    scalings = scale(steps, MARGIN)
    cases = []
    for i, (pair, one, several) in enumerate(pairs):
        own, workload = steps[i], Workload.of(several[-1], evidence.run)
        alone, all_ = (median_of(list(blocks.values())) if blocks else None for blocks in (own.one, own.several))
        reason = None if scalings[i].speedup else _reason(evidence, one, several)
        entry = Entry.of(pair.several)
        cases.append(Case(entry, workload, own.replicas, own.kind, alone, all_, scalings[i], reason))
    cases.sort(key=lambda c: (c.kind, c.workload.recipe.batch_size, c.replicas, c.entry))
    first = cases[0].workload
    return Group(f"{first.label} ({first.track}, {first.device}, {count(first.threads, 'core')} a rank)", tuple(cases))


def _steps(records: Sequence[Record]) -> dict[int, float]:
    return {r.block: step for r in records if (step := step_seconds(r)) is not None}


def _reason(evidence: Evidence, one: Sequence[Record], several: Sequence[Record]) -> str:
    for records, where in ((several, "several ranks"), (one, "one rank")):
        if evidence.certified(records) is False:
            return f"not certified on {where}"
        if not _steps(records):
            told = [r.reason or r.unproved for r in records if r.reason or r.unproved]
            disturbed = any(is_disturbed(r) for r in records)
            return f"on {where}: {told[-1] if told else DISTURBED if disturbed else 'no steady epoch was recorded'}"
    return "no block has both"


def section(evidence: Evidence) -> Section:
    groups = find(evidence)
    cells = {record.cell for record in evidence.latest}
    shared = any(cell.replication == "devices" and cell.device == "cpu" for cell in cells)
    notes = (f"{capital(SHARED)}.",) if shared else ()
    if not groups:
        told = f"The {SHARED}. " if shared else "It trained nothing on several ranks. "
        return Section(missing=told + "levelfield run replicas")
    cases = [case for group in groups for case in group.cases]
    drawn = {name: own for group in groups for name, own in group.panels.items()}
    found = sentences(cases)
    pictures = [picture(drawn, found[0])] if drawn else []
    tables = [table(group, i) for i, group in enumerate(groups, start=1)]
    told = "Nothing here is judged."
    if best := max((c for c in cases if c.judged and c.scaling.efficiency), key=_efficiency, default=None):
        told = f"At best {percent(_efficiency(best))} efficiency: {best.entry.label}, {best.replicas} ranks."
    return Section(tuple(found), (*pictures, *tables), notes=notes, glance=Glance(told))


def sentences(cases: Sequence[Case]) -> list[str]:
    """The most and the least efficient of those that are judged, for each kind of scaling."""
    told = []
    for kind in ("strong", "weak"):
        own = sorted((c for c in cases if c.kind == kind and c.judged), key=_efficiency)
        if not own:
            continue
        ends = _phrase(own[-1]) if len(own) == 1 else f"at best {_phrase(own[-1])}; at worst {_phrase(own[0])}"
        told.append(f"{kind.capitalize()} scaling: {ends}.")
    if not told:
        reasons = sorted({case.reason or case.scaling.verdict.reason for case in cases})
        return [f"Nothing on several ranks is judged: {listing(reasons)}."]
    return told


def _efficiency(case: Case) -> float:
    return case.scaling.efficiency.estimate if case.scaling.efficiency else 0.0


def _phrase(case: Case) -> str:
    found = case.scaling.efficiency
    assert found is not None
    sense = "" if case.kind == "strong" else f", with a batch {case.replicas} times as large"
    return (
        f"{case.where} on {case.replicas} ranks{sense} is {speed_phrase(case.scaling.verdict, 'on one')}, "
        f"an efficiency of {percent(found.estimate)} ({_span(found)})"
    )


def _span(i: Interval) -> str:
    return f"{significant(100 * i.low, 2)}–{significant(100 * i.high, 2)}"


def table(group: Group, number_: int) -> Table:
    columns = (
        ENTRY,
        Column("Scaling", numeric=False),
        Column("Batch", "in all"),
        Column("Ranks"),
        Column("Step on one"),
        Column("Step on all"),
        Column("Speed-up", "samples a second"),
        Column("Efficiency", "speed-up a rank"),
        Column("Verdict", "several against one", numeric=False),
    )
    lines = tuple(Line.of(case.entry, case.workload, "", *_values(case)) for case in group.cases)
    return Table(f"ranks-table-{number_}", f"Scaling with ranks: {group.title}", columns, lines)


def _values(case: Case) -> tuple[Value, ...]:
    batch, found = case.workload.recipe.batch_size, case.scaling
    own = (
        text(case.kind),
        number(str(batch), batch),
        number(str(case.replicas), case.replicas),
        *(verdicts.step(time, case.reason or "") for time in (case.one, case.several)),
    )
    if found.speedup is None or found.efficiency is None:
        return (*own, absent(), absent(), text("not judged", detail=case.reason or "", tone="absent"))
    speedup, efficiency, word = found.speedup, found.efficiency, found.verdict.word
    judged = text(f"{SIGNS[word]} {word}", tone=word)
    limits = factors(speedup.low, speedup.high), _span(efficiency)
    if not case.judged:  # limits from too few blocks would be false precision
        judged = text(word, detail=found.verdict.reason, tone="absent")
        limits = "", ""
    return (
        *own,
        number(factor(speedup.estimate), speedup.estimate, detail=limits[0]),
        number(percent(efficiency.estimate), efficiency.estimate, detail=limits[1]),
        judged,
    )


def picture(panels: dict[str, list[Case]], alt: str) -> Picture:
    return Picture(
        "ranks-1",
        partial(draw, panels, "ranks-1", alt),
        "Samples a second against one rank, by ranks.",
        "Solid: strong scaling, the same batch. Dashed: weak scaling, a batch that grows with the ranks. "
        "Dotted: ideal. Bar: simultaneous interval, where it is judged.",
    )


def draw(panels: dict[str, list[Case]], name: str, alt: str) -> figure.Markup:
    ranks = sorted({1} | {case.replicas for own in panels.values() for case in own})
    drawing, axes_of = figure.grid(len(panels), 4, 1.9, top=figure.LEGEND + 0.1)
    highest = max((s.high for own in panels.values() for c in own if c.judged and (s := c.scaling.speedup)), default=0)
    for axes, (title, own) in zip(axes_of, panels.items(), strict=True):
        axes.plot(ranks, ranks, color=figure.MUTED, linewidth=1, linestyle=(0, (1, 2)), zorder=1)
        for place, (entry, kind) in enumerate(sorted({(c.entry, c.kind) for c in own})):
            _line(axes, [c for c in own if (c.entry, c.kind) == (entry, kind)], place)
        axes.set_xlim(0.8, ranks[-1] + 0.3)
        axes.set_ylim(0, 1.08 * max(ranks[-1], min(highest, 2 * ranks[-1])))
        axes.set_xticks(ranks, [str(n) for n in ranks])
        figure.title(axes, title)
    figure.outer_labels(drawing, "ranks", "speed-up")
    figure.legend(drawing, sorted({c.entry for own in panels.values() for c in own}))
    return figure.to_svg(drawing, name, alt)


def _line(axes: figure.Axes, cases: Sequence[Case], place: int) -> None:
    """From one rank to most; `place` keeps the intervals of several lines apart."""
    entry, kind = cases[0].entry, cases[0].kind
    colour, style = figure.family_colour(entry.family), "-" if kind == "strong" else (0, (4, 2))
    points = [(c.replicas + 0.035 * place, c.scaling.speedup, c.judged) for c in cases if c.scaling.speedup]
    axes.plot([1, *(x for x, _, _ in points)], [1, *(s.estimate for _, s, _ in points)], color=colour, linewidth=1.2,
              linestyle=style, zorder=2)  # fmt: skip
    for x, s, judged in points:
        if judged:
            axes.plot([x, x], [s.low, s.high], color=figure.INK, linewidth=1.1, zorder=3)
        figure.dot(axes, x, s.estimate, figure.marker(entry), 5.5, zorder=4)
