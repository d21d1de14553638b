"""The first screen's picture: one row an adapter, one mark a mode and track, who is faster written beside it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from math import inf
from typing import Any

from markupsafe import Markup
from matplotlib.figure import Figure

from levelfield.harness.results.proved import NOT_PROVED
from levelfield.reports.findings import words
from levelfield.reports.findings.entries import MODE_WORDS
from levelfield.reports.findings.evidence import Comparison, Evidence, Place
from levelfield.reports.findings.publishable import made_by
from levelfield.reports.findings.text import TIMES, count, factor_digits, factors
from levelfield.reports.page import figure
from levelfield.tasks.errors import UserError

WIDE, NARROW = 7.6, 3.7  # inches
ROW, NARROW_ROW = 0.29, 0.245
DASHES = (0, (4, 3))


@dataclass(frozen=True)
class Row:
    """An adapter (in one environment, fed in one way where that makes two rows): its places, the best first."""

    name: str
    places: tuple[Place, ...]

    @property
    def best(self) -> Place:
        return self.places[0]


@dataclass(frozen=True)
class Answer:
    """`main`: the comparison that is drawn; `own`: the same workload with each framework's own defaults."""

    main: Comparison
    own: Comparison | None

    @property
    def rows(self) -> tuple[Row, ...]:
        groups: dict[str, list[Place]] = defaultdict(list)
        for comparison in (self.main, self.own):
            for place in comparison.places if comparison else ():
                groups[_name(place)].append(place)
        rows = [Row(name, tuple(sorted(own, key=self._rank))) for name, own in groups.items()]
        return tuple(sorted(rows, key=lambda row: (*self._rank(row.best), row.name)))

    def _rank(self, place: Place) -> tuple[Any, ...]:
        return (
            not place.interval,
            place.workload != self.main.workload,
            place.certified is False,
            place.tier or inf,
            place.interval.estimate if place.interval else inf,
        )

    @property
    def where(self) -> str:
        w = self.main.workload
        return f"{w.label}, {words.TRACKS.get(w.track, w.track)}, {w.resources}"

    @property
    def alt(self) -> str:
        told = [f"{row.name}: {beside(row.best, self.main)}" for row in self.rows if row.best.interval]
        return f"Time of a steady step on {self.where}. {'; '.join(told)}."


def find(evidence: Evidence) -> Answer | None:
    """The comparison with most verdicts, like for like before by default; None where nothing was timed."""
    timed = [c for c in evidence.speed if c.measured]
    if not timed:
        return None
    main = max(timed, key=lambda c: (c.workload.track == "matched", len(c.judged), len(c.measured)))
    by_workload = {c.workload: c for c in timed}
    own = by_workload.get(replace(main.workload, track="idiomatic")) if main.workload.track == "matched" else None
    return Answer(main, own)


def _name(place: Place) -> str:
    entry = place.entry
    return " ".join([entry.name, *([entry.environment] if entry.environment != "default" else [])])


def beside(place: Place, comparison: Comparison, *, brief: bool = False) -> str:
    """Against the baseline, in words: ``▲ 9.05 × faster (8.7–9.4)``."""
    if place.certified is False:
        return "not certified"
    if place.entry == comparison.baseline:
        return f"{words.SIGNS['baseline']} baseline"
    word, ratio = place.word, place.ratio
    if ratio is None:
        return f"{words.SIGNS['not judged']} not judged"
    size, low, high = words.as_read(ratio, word)
    limits = "" if brief else f" ({factors(low, high)})"
    if word in ("tied", "inconclusive"):
        return f"{words.SIGNS[word]} {word}{limits}"
    return f"{words.SIGNS[word]} {factor_digits(size)}{'' if brief else ' '}{TIMES} {word}{limits}"


def lead(found: Answer) -> str:
    """Who is fastest and whether it is sure, in a sentence of at most 20 words."""
    comparison = found.main
    if not comparison.tiers:
        return f"Nothing is judged here: {comparison.why_unjudged}."
    first = next(iter(comparison.tiers.values()))
    best = first[0]
    than = "is the baseline itself" if best.entry == comparison.baseline else f"is {_than(best)}"
    if len(first) == 1:
        follows = ", ahead of all others" if len(comparison.tiers) > 1 else ""
        return f"{best.entry.label} {than}{follows}."
    tied = f"{count(len(first), 'entry', 'entries')} share the lead"
    return f"{tied}; {best.entry.label} has the smallest estimate and {than}."


def _than(place: Place) -> str:
    ratio = place.ratio
    if ratio is None or place.word not in ("faster", "slower"):
        return f"{place.word} against the baseline"
    size, _, _ = words.as_read(ratio, place.word)
    return f"{factor_digits(size)} {TIMES} {place.word} than the baseline"


def draw(found: Answer, name: str, width: float = WIDE) -> Markup:
    return figure.to_svg(_figure(found, width), name, found.alt)


def image(evidence: Evidence, form: str) -> bytes:
    """The picture as a file of its own, with run, machine and date in it. `form`: svg or png.

    Raises UserError where nothing was timed.
    """
    found = find(evidence)
    if found is None:
        raise UserError("this run timed nothing: there is no picture of it", "levelfield report makes its page")
    head = f"Which is fastest? {found.where}"
    with figure.style():
        return figure.to_file(_figure(found, WIDE, head=head, foot=made_by(evidence.run)), form)


def _figure(found: Answer, width: float, head: str = "", foot: str = "") -> Figure:
    rows, brief = found.rows, width < WIDE
    row = NARROW_ROW if brief else ROW
    named = [figure.wrapped(row.name, 18 if brief else 26) for row in rows]
    left = 0.36 + 0.063 * max(len(line) for name in named for line in name.split("\n"))
    right = 0.98 if brief else 2.0
    top = (0.58 if brief else 0.45) + (0.3 if head else 0)
    bottom = 0.42 + (0.28 if foot else 0)
    height = top + bottom + row * len(rows)
    drawing = Figure(figsize=(width, height))
    axes = drawing.add_axes((left / width, bottom / height, (width - left - right) / width, row * len(rows) / height))
    figure.in_rows(axes, len(rows))
    axes.set_yticks(range(len(rows)), named)
    limits = [x for row in rows for p in row.places if p.interval for x in (p.interval.low, p.interval.high)]
    axes.set_xlim(min(limits) / 1.25, max(limits) * 1.25)
    figure.log_times(axes)
    _tiers(axes, found, left, "best mode" if brief else "best mode of each")
    if found.main.base and found.main.base.interval:
        at = found.main.base.interval.estimate
        axes.axvline(at, color=figure.INK, linewidth=0.9, linestyle=DASHES, zorder=1)
    for y, own in enumerate(rows):
        _row(axes, y, own, found, brief)
    axes.set_xlabel("time of a steady step, log scale" + ("" if brief else "; further left is faster"))
    _legend(drawing, found, brief, 0.3 if head else 0)
    if head:
        figure.framed(drawing, head, foot)
    return drawing


def _tiers(axes: figure.Axes, found: Answer, left: float, beside_rows: str) -> None:
    """The number of the tier before each row, and a rule where it changes."""
    edge = -72 * left + 4
    if found.main.tiers:
        small: dict[str, Any] = {"color": figure.MUTED, "fontsize": 7.5}
        axes.annotate("tier", (0, 1), (edge, 5), "axes fraction", "offset points", **small)
        axes.annotate(beside_rows, (1.03, 1), (0, 5), "axes fraction", "offset points", **small)
    before = None
    for y, row in enumerate(found.rows):
        tier = row.best.tier if row.best.workload == found.main.workload else None
        if tier:
            axes.annotate(
                str(tier), (0, y), (edge + 5, 0), ("axes fraction", "data"), "offset points",
                color=figure.MUTED, fontsize=8, va="center", ha="center",
            )  # fmt: skip
        if y and tier != before:
            axes.axhline(y - 0.5, color=figure.LINE, linewidth=0.9)
        before = tier


def _row(axes: figure.Axes, y: int, row: Row, found: Answer, brief: bool) -> None:
    side = axes.get_yaxis_transform()
    shown = [p for p in row.places if p.interval]
    if not shown:
        place = row.best
        told = place.outcome if brief else f"{place.outcome}: {place.reason}"
        told = told if len(told) <= 78 else f"{place.outcome}: the reason is under Failures and gaps"
        colour = figure.VERMILLION if place.outcome in ("failed", NOT_PROVED) else figure.MUTED
        axes.text(0.01, y, figure.label(told), transform=side, va="center", fontsize=8, color=colour, style="italic")
        return
    comparison = found.main if row.best.workload == found.main.workload else found.own
    assert comparison
    told = beside(row.best, comparison, brief=brief)
    weight = "bold" if row.best.tier == 1 and comparison is found.main else "normal"
    axes.text(1.03, y, told, transform=side, va="center", fontsize=8.4 if not brief else 8, weight=weight)
    several = len({p.entry.mode for p in shown}) > 1
    matched = sorted((p for p in shown if p.workload == found.main.workload), key=_middle)
    for i, place in enumerate(matched):
        _mark(axes, place, y, by_default=False)
        if several and not brief:
            up = i % 2 == 0
            axes.annotate(
                figure.label(MODE_WORDS.get(place.entry.mode) or place.entry.mode), (_middle(place), y),
                (0, 4.2 if up else -4.2), textcoords="offset points", ha="center", va="bottom" if up else "top",
                fontsize=6.2, color=figure.MUTED,
            )  # fmt: skip
    for place in shown:
        if place.workload != found.main.workload:
            _mark(axes, place, y + 0.22, by_default=True)


def _middle(place: Place) -> float:
    assert place.interval
    return place.interval.estimate


def _mark(axes: figure.Axes, place: Place, y: float, *, by_default: bool) -> None:
    assert place.interval
    faint = place.certified is False
    low, high = place.interval.low, place.interval.high
    axes.plot([low, high], [y, y], color=figure.MUTED if by_default or faint else figure.INK, linewidth=1.2, zorder=2)
    shape = figure.marker(place.entry) | ({"marker": "v"} if by_default else {"marker": "o"})
    size = 4.2 if by_default else 5.6
    alpha = 0.5 if faint else 1.0
    figure.dot(axes, place.interval.estimate, y, shape, size, alpha=alpha, zorder=3)


def _legend(drawing: Figure, found: Answer, brief: bool, above: float) -> None:
    shown = [p for row in found.rows for p in row.places if p.interval]
    keys = []
    if len({p.entry.compiled for p in shown}) == 2:
        keys += [
            figure.key("o", figure.MUTED, figure.MUTED, "compiled"),
            figure.key("o", figure.PAPER, figure.MUTED, "eager"),
        ]
    if any(p.workload != found.main.workload for p in shown):
        keys.append(figure.key("v", figure.MUTED, figure.MUTED, "by default"))
    keys.append(figure.key("_", figure.INK, figure.INK, "interval"))
    if (base := found.main.base) and base.interval:
        keys.append(
            figure.line_key(figure.INK, DASHES, "baseline" if brief else figure.label(f"baseline {base.entry.label}"))
        )
    close = {"handletextpad": 0.3, "columnspacing": 1.2, "borderpad": 0.1}
    figure.keys(drawing, keys, 3 if brief else len(keys), above + 0.02, **close)


def others(evidence: Evidence, found: Answer, most: int = 3) -> list[tuple[str, str]]:
    """Name and answer of further workloads that were timed like for like."""
    timed = [c for c in evidence.speed if c.measured and c.workload.track == "matched" and c is not found.main]
    return [(c.workload.label, lead(Answer(c, None))) for c in timed[:most]]
