"""What makes the gap: the finding of the run's study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from math import isfinite

from matplotlib.figure import Figure

from levelfield.harness.judge.statistics import Interval
from levelfield.harness.records.record import StudyName
from levelfield.reports.findings.entries import Workload
from levelfield.reports.findings.evidence import Evidence
from levelfield.reports.findings.series import ERRORS, QUANTITIES, Level, Series, fits, series
from levelfield.reports.findings.text import capital, count, fixed, listing, significant
from levelfield.reports.page import figure, five_points, means, small
from levelfield.reports.page.blocks import Column, Glance, Heading, Line, Picture, Section, Table, number, text

ORDER, SHORT, TITLE = 97, "Study", "What makes the gap"
QUESTION = "What makes the gap?"
KEY = "Bars: 95 % intervals. Crosses: single fits in other frameworks, of the first seeds."
ORDERED: tuple[StudyName, ...] = ("capacity", "samples", "noise", "bias-variance")  # whose levels have an order
LOSSES = ("squared loss", "cross-entropy", "0-1 loss")
PARTS = tuple(f"{part}, {loss}" for loss in LOSSES for part in ("bias", "variance"))


@dataclass(frozen=True)
class Part:
    """The fits of one study along one axis, on `where`; `shown`: the quantities that it speaks of."""

    study: StudyName
    one: Series
    where: str

    @property
    def shown(self) -> tuple[str, ...]:
        return {"five-points": tuple(ERRORS), "bias-variance": PARTS}.get(self.study, tuple(QUANTITIES))


def parts(evidence: Evidence) -> list[Part]:
    found = []
    for study, records in fits(evidence).items():
        where = Workload.of(records[0], evidence.run) if records else None
        name = "five points" if where and where.task == five_points.TASK else where.task if where else ""
        label = f"{name} ({where.variant.label})" if where and where.variant.label else name
        found += [Part(study, one, label) for one in series(study, records)]
    return found


def section(evidence: Evidence) -> Section:
    found = parts(evidence)
    if not found:
        return Section(missing="Each cause has a suite of its own, as in: levelfield run capacity")
    sentences: list[str] = []
    blocks: list[Heading | Picture | Table] = []
    several = len({part.study for part in found}) > 1
    if several:
        sentences.append(" ".join(headline(part) for part in found))
    for i, part in enumerate(found, start=1):
        remedies = part.study == "regularisation"
        own = findings(part.one, part.shown, against_first=remedies)
        own += turns(part.one, part.shown) if part.study in ORDERED else ()
        own.append(agreement(part.one, part.shown, against_first=remedies))
        sentences += own
        name = f"study-{i}"
        blocks += [Heading(part.where)] if several else []
        alt = headline(part) if several else sentences[0]
        drawn = None if several and part.study == "five-points" else picture(evidence, part, name, alt)
        blocks += [*([drawn] if drawn else []), table(part.one, part.shown, f"study-table-{i}")]
    numbered = enumerate(found if several else [], start=1)
    pair = tuple(picture(evidence, part, f"small-{i}", headline(part), half=True) for i, part in numbered)
    return Section(tuple(sentences), tuple(blocks), pair=pair, glance=glance(found if several else found[:1]))


def picture(evidence: Evidence, part: Part, name: str, alt: str, *, half: bool = False) -> Picture:
    """What was fitted to the five points, or the means against the axis; `half`: half as wide, of the first quantity
    alone."""
    one = part.one
    if part.study == "five-points" and (fitted := five_points.picture(evidence, *one.main, name, alt, small=half)):
        return fitted
    of = f"{one.main[0]} ({one.main[1]})."
    if half:
        told = f"The {part.shown[0]} against {one.axis}: {part.where}. {of}"
        return Picture(name, partial(draw_small, one, part.shown[0], name, alt), told)
    return Picture(name, partial(draw, one, part.shown, name, alt), f"Means over seeds against {one.axis}. {of}", KEY)


def headline(part: Part) -> str:
    """How the quantities change from end to end of the axis, without intervals."""
    (first, end), one = compared(part.one, False)[-1], part.one
    told = []
    for quantity in part.shown:
        change = one.change(quantity, first, end, len(part.shown))
        if change is not None:
            told.append(f"the {quantity} {_moved(first.mean(quantity, one.main), change)}")
    where = f"On {part.where}, along {one.axis} from {first.name} to {end.name}"
    return f"{where}, {listing(told)}." if told else f"{where}, nothing can be said: that needs two seeds."


def glance(found: Sequence[Part]) -> Glance:
    """Of each part which way it goes; of the last one, the first quantity along its axis."""
    told = " ".join(brief(part, ends=len(found) == 1) for part in found)
    one, quantity = found[-1].one, found[-1].shown[0]
    means = [mean.estimate for level in one.levels if (mean := level.mean(quantity, one.main))]
    alt = f"The {quantity} along {one.axis}"
    ends = (one.levels[0].name, f"{one.axis} {one.levels[-1].name}")
    return Glance(told, small.steps(means, figure.BLUE, alt, ends) if len(found) > 1 else "")


def brief(part: Part, *, ends: bool) -> str:
    """Which quantities rise and which fall from one end of the axis to the other.

    Without the `ends`, those that show no change are left out beside others.
    """
    one, shown = part.one, part.shown
    first, end = one.levels[0], one.levels[-1]
    moved: dict[str, list[str]] = {"rises": [], "falls": [], "shows no resolved change": []}
    for quantity in shown[:3]:
        change = one.change(quantity, first, end, len(shown))
        if change is not None:
            word = "rises" if change.low > 0 else "falls" if change.high < 0 else "shows no resolved change"
            moved[word].append(quantity)
    if not ends and (moved["rises"] or moved["falls"]):
        moved.pop("shows no resolved change")
    told = "; ".join(f"{listing(own)} {word}" for word, own in moved.items() if own)
    where = f"Along {one.axis}" + (f", from {first.name} to {end.name}" if ends else "")
    return f"{where}: {told}." if told else f"{where}, nothing can be said: that needs two seeds."


def compared(one: Series, against_first: bool) -> list[tuple[Level, Level]]:
    """The ends of the axis; for remedies none, with each of them."""
    first, *rest = one.levels
    return [(first, end) for end in (rest if against_first else rest[-1:])]


def findings(one: Series, shown: tuple[str, ...], *, against_first: bool) -> list[str]:
    """How each quantity changes from one end of the axis to the other; for remedies, from none to each of them."""
    ends = compared(one, against_first)
    told = []
    for first, end in ends:
        parts = []
        for quantity in shown:
            change = one.change(quantity, first, end, len(ends) * len(shown))
            if change is not None:
                parts.append(f"the {quantity} {_change(first.mean(quantity, one.main), change)}")
        if parts:
            each = ". ".join([parts[0], *map(capital, parts[1:])])
            told.append(f"Along {one.axis}, from {first.name} to {end.name}: {each}.")
    return told or [f"Along {one.axis} nothing can be said: that needs two seeds."]


def _change(start: Interval | None, change: Interval) -> str:
    limits = _limits(change)
    if change.low > 0 or change.high < 0:
        return f"{_moved(start, change)} (95 % interval of the change: {limits})"
    return f"{_moved(start, change)} (interval {limits})"


def _moved(start: Interval | None, change: Interval) -> str:
    if change.low <= 0 <= change.high:
        return "shows no resolved change"
    values = ""
    if start:
        ends = (start.estimate, start.estimate + change.estimate)
        values = f" from {' to '.join(_level(x, max(map(abs, ends))) for x in ends)}"
    return f"{'rises' if change.estimate > 0 else 'falls'}{values}"


def _level(value: float, largest: float) -> str:
    """Two decimals, or significant digits where those would hide a small value that is not nothing."""
    hidden = 5e-4 <= abs(value) < (0.005 if largest >= 0.1 else 0.1)
    return significant(value) if hidden else fixed(value, 2)


def _limits(change: Interval) -> str:
    digits = _digits(change)
    return f"{significant(change.low, digits)} to {significant(change.high, digits)}"


def _size(change: Interval) -> Interval:
    return change if change.low > 0 else replace(change, low=-change.high, high=-change.low)


def _digits(change: Interval) -> int:
    """Two, or three where the limits would look alike."""
    return 2 if significant(change.low, 2) != significant(change.high, 2) else 3


def turns(one: Series, shown: tuple[str, ...]) -> list[str]:
    """Which quantities are lowest or highest between the ends of the axis, where the intervals say so."""
    told = []
    for quantity in shown:
        for turn in one.turns(quantity, len(shown)):
            falls = turn.before.estimate < 0
            before, after = _size(turn.before), _size(turn.after)
            mean = turn.level.mean(quantity, one.main)
            assert mean
            told.append(
                f"the {quantity} {'falls' if falls else 'rises'} to {significant(mean.estimate)} at {turn.level.name} "
                f"(by {_limits(before)}), then {'rises' if falls else 'falls'} (by {_limits(after)})"
            )
    if not told:
        return []
    return [
        f"Between the ends of {one.axis}, {'; '.join(told)}. In brackets: simultaneous 95 % intervals of the changes."
    ]


def agreement(one: Series, shown: tuple[str, ...], *, against_first: bool) -> str:
    """How far the other adapters are from the main one on the same levels and seeds, and whether they change alike."""
    largest = {quantity: max(others.values()) for quantity in shown if (others := one.others(quantity))}
    if not largest:
        return f"Along {one.axis}, no other adapter confirms it in this run."
    entries = len({where for quantity in shown for where in one.others(quantity)})
    told = f"{count(entries, 'other adapter')} {'differs' if entries == 1 else 'differ'}"
    ends = compared(one, against_first)
    alike: list[bool] = []
    for (first, end), quantity in product(ends, shown):
        change = one.change(quantity, first, end, len(ends) * len(shown))
        if change is not None and (change.low > 0 or change.high < 0):
            alike += one.same_way(quantity, first, end, change.estimate > 0)
    parts = [f"at most {significant(value, 2)} in the {quantity}" for quantity, value in largest.items()]
    if len(parts) > 2:  # or the sentence would have fifty words
        parts = [f"at most {significant(max(largest.values()), 2)} in each of {len(parts)} quantities"]
    same = f"{sum(alike)} of {count(len(alike), 'case')}"
    told_too = f" Where a change is resolved above, theirs has the same direction in {same}." if alike else ""
    where = f"on {one.confirmed(shown[0])} of {len(one.levels)} levels, on the same seeds,"
    return f"Along {one.axis}, {where} {told} by {', '.join(parts)}.{told_too}"


def draw(one: Series, shown: tuple[str, ...], name: str, alt: str) -> figure.Markup:
    columns = 2 if len(shown) <= 2 else 3
    rows = 1 if len(shown) <= 3 else 2
    drawing = Figure(figsize=(figure.WIDTH, 2.7 * rows))
    order = shown if rows == 1 else [q for part in ("bias", "variance") for q in shown if q.startswith(part)]
    for i, quantity in enumerate(order):
        axes = drawing.add_subplot(rows, columns, i + 1)
        _means(axes, one, quantity)
        axes.set_title(quantity)
    drawing.tight_layout()
    return figure.to_svg(drawing, name, alt)


def draw_small(one: Series, quantity: str, name: str, alt: str) -> figure.Markup:
    drawing, axes = figure.small_plot()
    _means(axes, one, quantity)
    axes.set_ylabel(quantity)
    keys = [
        figure.key("o", figure.BLUE, figure.BLUE, "mean over seeds"),
        figure.line_key(figure.INK, "-", "95 % interval"),
    ]
    figure.keys(drawing, keys, 2)
    return figure.to_svg(drawing, name, alt)


def _means(axes: figure.Axes, one: Series, quantity: str) -> None:
    for x, level in enumerate(one.levels):
        mean = level.mean(quantity, one.main)
        for where, values in level.values.get(quantity, {}).items():
            if where != one.main:
                axes.plot([x] * len(values), list(values.values()), "x", color=figure.MUTED, markersize=4)
        if mean is not None:
            if isfinite(mean.low):
                axes.plot([x, x], [mean.low, mean.high], color=figure.INK, linewidth=1.2)
            axes.plot([x], [mean.estimate], "o", color=figure.BLUE, markersize=5)
    axes.set_xticks(range(len(one.levels)), [figure.wrapped(level.name, 14) for level in one.levels])
    axes.tick_params(axis="x", labelsize=6.5, rotation=30 if len(one.levels) > 6 or one.axis == "remedy" else 0)
    axes.set_xlabel(one.axis)


def table(one: Series, shown: tuple[str, ...], name: str) -> Table:
    return Table(
        name,
        f"Against {one.axis}: {one.main[0]} ({one.main[1]}), means over seeds",
        (Column(one.axis, numeric=False), Column("Fits"), *(Column(q) for q in shown)),
        tuple(
            Line(
                (
                    text(level.name),
                    number(str(n := len(level.of(shown[0], one.main))), n),
                    *(means.of_fits(level.mean(q, one.main)) for q in shown),
                )
            )
            for level in one.levels
        ),
    )
