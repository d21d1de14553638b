"""Small pictures for a line of text: no axis, the numbers are in the line beside them."""

from __future__ import annotations

from collections.abc import Sequence
from math import log
from typing import NamedTuple

from markupsafe import Markup, escape

from levelfield.reports.findings.text import visible
from levelfield.reports.page.figure import family_colour, to_variable

WIDTH, HEIGHT, EDGE = 132, 44, 9


class Mark(NamedTuple):
    """A value in the colour of its framework; `to`: where a bar from it ends."""

    family: str
    value: float
    to: float | None = None


class Rise(NamedTuple):
    """From one level to a higher one: (column, value) each."""

    family: str
    start: tuple[int, float]
    end: tuple[int, float]


def strip(
    marks: Sequence[Mark], alt: str, ends: tuple[str, str], *, low: float, high: float, band: tuple[float, float] | None
) -> Markup:
    """Marks from `low` to `high` on a linear axis whose ends are named; `band`: shaded, with its middle ruled."""

    def x(value: float) -> float:
        return EDGE + (WIDTH - 2 * EDGE) * (value - low) / ((high - low) or 1)

    parts = [f'<path d="M{EDGE} 30H{WIDTH - EDGE}" stroke="var(--edge)"/>']
    if band:
        left, right = x(band[0]), x(band[1])
        parts.append(f'<rect x="{left:.1f}" y="4" width="{right - left:.1f}" height="26" fill="var(--line)"/>')
        parts.append(f'<path d="M{(left + right) / 2:.1f} 4V30" stroke="var(--ink)"/>')
    for row, mark in enumerate(marks):
        y = 7 + 19 * row / max(1, len(marks) - 1) if len(marks) > 1 else 17
        colour = to_variable(family_colour(mark.family))
        if mark.to is not None:
            parts.append(
                f'<path d="M{x(mark.value):.1f} {y:.1f}H{x(mark.to):.1f}" stroke="{colour}" stroke-width="2"/>'
            )
        parts.append(_dot(x(mark.value if mark.to is None else mark.to), y, colour))
    parts += [_word(EDGE - 5, ends[0], "start"), _word(WIDTH - EDGE + 5, ends[1], "end")]
    return _svg(parts, alt)


def ladder(rises: Sequence[Rise], columns: Sequence[str], alt: str) -> Markup:
    """Lines from column to column, logarithmic: the steeper, the larger the ratio."""
    values = [log(v) for r in rises for v in (r.start[1], r.end[1])]
    gap, parts = _gap(len(columns)), []
    for rise in rises:
        colour = to_variable(family_colour(rise.family))
        x1, x2 = (EDGE + 5 + gap * column for column, _ in (rise.start, rise.end))
        y1, y2 = (_height(log(value), values) for _, value in (rise.start, rise.end))
        parts.append(f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="{colour}" stroke-width="1.5"/>')
        parts += [_dot(x1, y1, colour), _dot(x2, y2, colour)]
    anchors = ("start", *["middle"] * (len(columns) - 2), "end")
    places = (EDGE - 5, *(EDGE + 5 + gap * i for i in range(1, len(columns) - 1)), WIDTH - EDGE + 5)
    parts += [_word(x, word, anchor) for x, word, anchor in zip(places, columns, anchors, strict=True)]
    return _svg(parts, alt)


def steps(values: Sequence[float], colour: str, alt: str, ends: tuple[str, str]) -> Markup:
    """From level to level of an axis whose ends are named, linear in height."""
    gap = _gap(len(values))
    points = [(EDGE + 5 + gap * i, _height(v, values)) for i, v in enumerate(values)]
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    parts = [f'<path d="M{path}" fill="none" stroke="{to_variable(colour)}" stroke-width="1.5"/>']
    parts += [_dot(x, y, to_variable(colour)) for x, y in points]
    parts += [_word(EDGE - 5, ends[0], "start"), _word(WIDTH - EDGE + 5, ends[1], "end")]
    return _svg(parts, alt)


def _gap(columns: int) -> float:
    return (WIDTH - 2 * EDGE - 10) / max(1, columns - 1)


def _height(value: float, among: Sequence[float]) -> float:
    low, high = min(among), max(among)
    return 29 - 23 * (value - low) / ((high - low) or 1)


def _dot(x: float, y: float, colour: str) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.6" fill="{colour}"/>'


def _word(x: float, word: str, anchor: str) -> str:
    return f'<text x="{x:.0f}" y="42" text-anchor="{anchor}" font-size="10" fill="var(--muted)">{escape(word)}</text>'


def _svg(parts: Sequence[str], alt: str) -> Markup:
    head = f'<svg class="small" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" '
    return Markup(f'{head}aria-label="{escape(visible(alt))}">{"".join(parts)}</svg>')  # noqa: S704 - escaped above
