"""How a verdict is shown: as cells of a table, and as a picture of ratios."""

from __future__ import annotations

from collections.abc import Sequence

from levelfield.harness.judge.statistics import Interval, Verdict
from levelfield.reports.findings import words
from levelfield.reports.findings.entries import Entry
from levelfield.reports.findings.text import duration, factor, factors
from levelfield.reports.page import figure
from levelfield.reports.page.blocks import Value, absent, number, text

BASELINE = text(f"{words.SIGNS['baseline']} baseline")


def word(verdict: Verdict) -> Value:
    return text(f"{words.SIGNS[verdict.word]} {verdict.word}", tone=verdict.word, detail=detail(verdict))


def detail(verdict: Verdict) -> str:
    """Only what the word and the ratio do not say."""
    if verdict.word == "not judged":
        return verdict.reason.removesuffix(", not judged")
    return f"perhaps within ±{100 * verdict.margin:g} %" if verdict.word != "tied" and not verdict.material else ""


def ratio(found: Interval | None) -> Value:
    if found is None:
        return absent()
    return number(factor(found.estimate), found.estimate, detail=factors(found.low, found.high))


def step(time: Interval | None, otherwise: str = "", *, told: str = "") -> Value:
    """Seconds of a step, and what is told beside them; or why there are none."""
    return number(duration(time.estimate), time.estimate, detail=told) if time else absent(otherwise)


def draw(
    rows: Sequence[tuple[str, Verdict, Entry]],
    axis: str,
    name: str,
    alt: str,
    *,
    most: int = 42,
    room: float = 1.08,
    unjudged: str = "not judged: ",
) -> figure.Markup:
    """A row for each ratio: its label, the verdict that holds it, and the entry whose mark it gets.

    `most`: characters of a line of a label; `room`: factor that is left beside the intervals; `unjudged`: what stands
    before the reason in place of a point.
    """
    drawing, axes = figure.panel([label for label, _, _ in rows], top=figure.LEGEND, most=most)
    ratios = [verdict.ratio for _, verdict, _ in rows if verdict.ratio]
    axes.set_xlim(min([r.low for r in ratios] + [0.95]) / room, max([r.high for r in ratios] + [1.05]) * room)
    margin = max(verdict.margin for _, verdict, _ in rows)
    axes.axvspan(1 / (1 + margin), 1 + margin, color=figure.LINE, alpha=0.55, linewidth=0)
    axes.axvline(1, color=figure.INK, linewidth=0.9, zorder=1)
    for row, (_, verdict, entry) in enumerate(rows):
        if r := verdict.ratio:
            figure.point(axes, r.estimate, r.low, r.high, row, entry)
        else:
            figure.gap_reason(axes, row, f"{unjudged}{verdict.reason}")
    figure.log_ratios(axes)
    axes.set_xlabel(axis)
    figure.legend(drawing, [entry for _, _, entry in rows])
    return figure.to_svg(drawing, name, alt)
