"""A series of runs: one line for each cell over versions and dates, beside a control of the same run, and its steps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import partial

from levelfield.harness.judge.statistics import LEAST_BLOCKS, judge
from levelfield.harness.judge.steps import LEAST_SERIES, Step
from levelfield.harness.results.proved import Place
from levelfield.harness.results.run_series import MARGIN, History
from levelfield.reports.compare_page import where, workload
from levelfield.reports.findings import words
from levelfield.reports.findings.entries import Entry
from levelfield.reports.findings.text import count, duration, factor, listing
from levelfield.reports.page import embed, figure
from levelfield.reports.page import html as page
from levelfield.reports.page.blocks import ENTRY, Column, Line, Picture, Section, Table, Value, absent, facets, text

MOST_PANELS = 24


def label(place: Place) -> str:
    return Entry.of(place[0]).label + (" cold" if place[1] else "")


def build(history: History) -> str:
    """The page as HTML text: the same bytes for the same series."""
    rows = [
        {"cell": place[0].model_dump(), "cold": place[1]}
        | {"step_seconds": [own[place].estimate if place in own else None for own in history.times]}
        | {"to_control": [own[place].estimate if place in own else None for own in history.ratios]}
        | {"steps": [{"run": history.runs[s.first].name, "ratio": s.ratio.estimate} for s in of(history, place)]}
        for place in history.places
    ]
    runs = [embed.plain(run.model_dump()) for run in history.runs]
    data = {"json": embed.encode({"runs": runs, "cells": embed.plain(rows)}), "complete": True}
    with figure.style():
        section = series(history)
        about = {"name": "series", "title": "From run to run", "section": section, "history": history}
        bodies = [{"name": "series", "short": "Series", "html": page.fill("history/series.html", **about)}]
        return page.shell(
            "history/page.html", bodies, data, history=history, run=history.runs[-1], records=len(history.runs)
        )


def of(history: History, place: Place) -> list[Step]:
    """The steps of a cell; none where it has too few runs to be searched."""
    return history.steps.get(place, [])


def changed(history: History, place: Place, i: int) -> list[str]:
    """Which distributions have other versions in run i than in the last run before it that has the cell."""
    new = history.versions[i].get(place, {})
    old = next((own[place] for own in reversed(history.versions[:i]) if place in own), {})
    return [
        f"{name} {old.get(name, 'absent')} → {new.get(name, 'absent')}"
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]


def sentence(history: History, place: Place, step: Step) -> str:
    control = Entry.of(history.controls[place]).label
    phrase = words.speed_phrase(judge(step.ratio, MARGIN), "before")
    found = changed(history, place, step.first)
    why = listing(found) if found else "the same versions"
    run = history.runs[step.first].name
    return f"From {run} on, {label(place)} on {workload(place[0])} is {phrase} beside {control}, with {why}."


def series(history: History) -> Section:
    if not history.places:
        return Section(missing="None of the runs has a speed launch with a clean time.")
    groups: dict[str, list[Place]] = defaultdict(list)
    for place in history.places:
        groups[where(place[0])].append(place)
    left = (f"Left out, because they come from other machines: {listing(list(history.elsewhere), most=8)}.",)
    return Section.of_each(
        sorted(groups.items()),
        lambda group: group[0],
        lambda group, i: pictures(history, *group, f"series-{i}"),
        lambda group, i: [table(history, *group, f"series-table-{i}")],
        sentences=(summary(history), *(sentence(history, place, step) for place, step in shown(history))),
        notes=left if history.elsewhere else (),
    )


def pictures(history: History, told: str, own: Sequence[Place], name: str) -> list[Picture]:
    beside = [place for place in own if any(place in ratios for ratios in history.ratios)]
    if len(history.runs) < 2 or not beside:
        return []
    caption = f"Time of a steady step beside {Entry.of(history.controls[beside[0]]).label} in the same run: {told}."
    key = "One panel for each cell, on the same log axis; bar: interval. Dashed: a step. Runs from left."
    return [Picture(name, partial(draw, history, beside[:MOST_PANELS], name, told), caption, key)]


def shown(history: History) -> list[tuple[Place, Step]]:
    """All steps, the newest first, and the slower ones first among those of a run."""
    found = [(place, step) for place, own in history.steps.items() for step in own]
    return sorted(found, key=lambda one: (-one[1].first, one[1].ratio.estimate < 1, label(one[0])))


def summary(history: History) -> str:
    told = f"{count(len(history.places), 'cell')} over {count(len(history.runs), 'run')}"
    longest = max(sum(place in own for own in history.ratios) for place in history.places)
    if len(history.runs) > 1 and not longest:
        return f"{told}: no run has a clean time of its baseline, beside which steps could be looked for."
    if longest < LEAST_SERIES:
        return f"{told}: steps are looked for from {LEAST_SERIES} runs on."
    found = shown(history)
    newest = f", the newest from {history.runs[found[0][1].first].name} on" if found else ""
    return f"{told}: {count(len(found), 'step')}{newest}."


def draw(history: History, places: Sequence[Place], name: str, told: str) -> figure.Markup:
    drawing, panels = figure.grid(len(places), 4, 1.05, top=0.05)
    for axes, place in zip(panels, places, strict=True):
        entry = Entry.of(place[0])
        points = [(x, own[place]) for x, own in enumerate(history.ratios, start=1) if place in own]
        axes.plot(
            [x for x, _ in points], [r.estimate for _, r in points], color=figure.family_colour(entry.family), zorder=1
        )
        for x, r in points:
            if r.n >= LEAST_BLOCKS:
                axes.plot([x, x], [r.low, r.high], color=figure.INK, linewidth=1.1, zorder=2)
            figure.dot(axes, x, r.estimate, figure.marker(entry), 4.5, zorder=3)
        for step in of(history, place):
            axes.axvline(step.first + 0.5, color=figure.INK, linewidth=0.9, linestyle=(0, (3, 2)), zorder=1)
        figure.title(axes, label(place))
    runs = len(history.runs)
    panels[0].set_xlim(0.5, runs + 0.5)
    panels[0].set_xticks(range(1, runs + 1, -(-runs // 6)))
    figure.log_ratios(panels[0], "y")
    figure.outer_labels(drawing, "run", "ratio to the control")
    found = count(sum(len(of(history, place)) for place in places), "step")
    return figure.to_svg(drawing, name, f"{count(len(places), 'cell')} beside the control on {told}: {found}.")


def table(history: History, told: str, places: Sequence[Place], name: str) -> Table:
    lines = []
    for place in places:
        values = [text(label(place))]
        values += [
            _value(history, place, i) if place in own else absent("not timed") for i, own in enumerate(history.times)
        ]
        lines.append(Line(tuple(values), facets(Entry.of(place[0]), place[0].task)))
    columns = [Column(f"{i}. {run.name}", run.started[:10]) for i, run in enumerate(history.runs, start=1)]
    return Table(name, f"Step time by run: {told}", (ENTRY, *columns), tuple(lines))


def _value(history: History, place: Place, i: int) -> Value:
    """The time of a run; below it the ratio to the control, and the step where there is one."""
    time, ratio = history.times[i][place], history.ratios[i].get(place)
    control = history.controls.get(place)
    if ratio is None or control is None:
        why = "the control" if control == place[0] else "no control in this run"
        return Value(duration(time.estimate), time.estimate, why)
    told, word = [f"{factor(ratio.estimate)} {Entry.of(control).label}"], ""
    for step in (step for step in of(history, place) if step.first == i):
        word = judge(step.ratio, MARGIN).word
        told.append(f"step: {factor(step.ratio.estimate)} {words.SIGNS[word]} {word}")
        told += [listing(found)] if (found := changed(history, place, i)) else []
    return Value(duration(time.estimate), time.estimate, "; ".join(told), word)
