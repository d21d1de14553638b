"""Versions of a package beside each other: the table for the terminal, and the picture."""

from __future__ import annotations

from collections.abc import Sequence

from levelfield.harness.records.record import Run
from levelfield.reports.findings import words
from levelfield.reports.findings.intervals import LEAST
from levelfield.reports.findings.publishable import made_by
from levelfield.reports.findings.text import duration, factor, factors, span, visible
from levelfield.reports.findings.versions import Point, Row
from levelfield.reports.page import figure
from levelfield.reports.terminal import table

MOST_PANELS = 24


def text(rows: Sequence[Row], package: str) -> list[str]:
    """Lines: a table for each workload, in which every entry has a line a version."""
    lines: list[str] = []
    for workload in dict.fromkeys(row.workload for row in rows):
        lines += ["", visible(workload.full)]
        cells = [["adapter", "version", "step", "interval", "against the first", "interval", "verdict"]]
        for row in (row for row in rows if row.workload == workload):
            for place, point in enumerate(row.points):
                cells.append(
                    [row.label if not place else "", short(point.version, package), *_values(point, place == 0)]
                )
        lines += table(cells)
    return lines[1:]


def short(version: str, package: str) -> str:
    """The name of an environment without that of the package."""
    return version.removeprefix(f"{package}-") or version


def _values(point: Point, first: bool) -> list[str]:
    time, verdict = point.time, point.verdict
    shown = ["-", "-"] if time is None else [duration(time.estimate), span(time.low, time.high)]
    if time is not None and time.n < LEAST:
        shown[1] = "-"
    if point.reason:
        return [*shown, "-", "-", point.reason]
    if first or verdict is None:
        return [*shown, "-", "-", "" if first else "not judged"]
    if verdict.ratio is None:
        return [*shown, "-", "-", verdict.reason]
    ratio = verdict.ratio
    word = f"{words.SIGNS[verdict.word]} {verdict.word}" + (", materially" if verdict.material else "")
    return [*shown, factor(ratio.estimate), factors(ratio.low, ratio.high), word]


def picture(rows: Sequence[Row], package: str, run: Run) -> bytes | None:
    """SVG: the time of a step against the version, with the interval of its median; None where nothing was timed."""
    timed = [row for row in rows if any(point.time for point in row.points)][:MOST_PANELS]
    if not timed:
        return None
    names = [short(point.version, package) for point in timed[0].points]
    turned = max(map(len, names)) * len(names) > 24
    several = len({row.workload for row in timed}) > 1
    with figure.style():
        drawing, panels = figure.grid(len(timed), min(len(timed), 3), 1.6, top=0.35, bottom=0.95 if turned else 0.6)
        for axes, row in zip(panels, timed, strict=True):
            _draw(axes, row)
            figure.title(axes, f"{row.label}, {row.workload.label}" if several else row.label)
        panels[0].set_xlim(-0.5, len(names) - 0.5)
        panels[0].set_xticks(range(len(names)), [figure.label(name) for name in names])
        for axes in panels:
            axes.tick_params(axis="x", labelrotation=35 if turned else 0)
        figure.log_times(panels[0], "y")
        head = f"{package}: time of a steady step" + ("" if several else f", {timed[0].workload.label}")
        figure.framed(drawing, head, made_by(run), 10, 0.1)
        return figure.to_file(drawing, "svg")


def _draw(axes: figure.Axes, row: Row) -> None:
    points = [(x, point) for x, point in enumerate(row.points) if point.time]
    line = [(x, point.time.estimate) for x, point in points if point.time]
    axes.plot(*zip(*line, strict=True), color=figure.family_colour(row.entry.family), linewidth=0.9, zorder=1)
    for x, point in points:
        assert point.time is not None
        axes.plot([x, x], [point.time.low, point.time.high], color=figure.INK, linewidth=1.2, zorder=2)
        faint = 0.5 if point.reason else 1.0
        figure.dot(axes, x, point.time.estimate, figure.marker(row.entry), 5, alpha=faint, zorder=3)
