"""The whole run in one matrix: entries down, workloads across."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from levelfield.harness.judge import statistics
from levelfield.harness.judge.statistics import Interval
from levelfield.harness.results.proved import NOT_PROVED
from levelfield.reports.findings import words
from levelfield.reports.findings.entries import Entry
from levelfield.reports.findings.evidence import CONFIDENCE, Comparison, Evidence, Place
from levelfield.reports.findings.intervals import LEAST
from levelfield.reports.findings.text import count, duration, factor, fixed, listing, significant, span, unit_for
from levelfield.reports.page import figure, verdicts
from levelfield.reports.page.blocks import (
    MOST_TABLES,
    Column,
    Line,
    Picture,
    Section,
    Table,
    Value,
    absent,
    facets,
    number,
    text,
)
from levelfield.reports.sections import studies

ORDER, SHORT, TITLE = 10, "Summary", "Summary"
PROFILE_LEAST = 3


@dataclass(frozen=True)
class Matrix:
    """Comparisons on one track with the same resources. `means`: ratio to the baseline over `complete` workloads."""

    comparisons: tuple[Comparison, ...]
    entries: tuple[Entry, ...]  # best first
    complete: tuple[str, ...]  # labels of the workloads that every measured entry completed
    means: dict[Entry, Interval]

    @property
    def title(self) -> str:
        workload = self.comparisons[0].workload
        return f"{workload.track} track, {workload.resources}"

    @property
    def drawable(self) -> bool:
        return len(self.comparisons) >= PROFILE_LEAST and any(
            p.certified is not False for c in self.comparisons for p in c.measured
        )


def find(evidence: Evidence) -> tuple[Matrix, ...]:
    groups: dict[tuple[Any, ...], list[Comparison]] = defaultdict(list)
    for comparison in evidence.speed:
        w = comparison.workload
        groups[w.track, w.resources].append(comparison)
    return tuple(_matrix(tuple(group)) for group in groups.values())


def _matrix(comparisons: tuple[Comparison, ...]) -> Matrix:
    measured = sorted({p.entry for c in comparisons for p in c.measured if p.certified is not False})
    ratios = [_ratios(c) for c in comparisons]
    # an entry that is judged nowhere (few launches, on purpose) must not empty everybody's mean
    measured = [e for e in measured if any(row.get(e) for row in ratios)]
    judged = {i: {e: row.get(e) for e in measured} for i, row in enumerate(ratios)}
    complete = statistics.complete_workloads(judged) if measured else []
    means = {}
    if len(complete) >= 2:
        for entry in measured:
            own = [r for i in complete if (r := judged[i][entry]) is not None]
            means[entry] = statistics.geometric_mean(own)
    entries = sorted({p.entry for c in comparisons for p in c.places}, key=lambda e: _rank(e, comparisons, means))
    return Matrix(comparisons, tuple(entries), tuple(comparisons[i].workload.label for i in complete), means)


def _ratios(comparison: Comparison) -> dict[Entry, Interval | None]:
    """Of every certified entry to the baseline, itself among them; None where the blocks are too few."""
    if comparison.base is None:
        return {}
    certified = {p.entry: p.steps for p in comparison.measured if p.certified is not False}
    base = {comparison.base.entry: comparison.base.steps}
    verdicts = statistics.compare(certified | base, comparison.base.entry, confidence=CONFIDENCE)
    judged = {e: v.ratio if v.word != "not judged" else None for e, v in verdicts.items()}
    n = len(comparison.base.steps)
    if n >= statistics.LEAST_BLOCKS and comparison.base.entry in certified:
        judged[comparison.base.entry] = Interval(1.0, 1.0, 1.0, n, CONFIDENCE)
    return judged


def _rank(entry: Entry, comparisons: Sequence[Comparison], means: dict[Entry, Interval]) -> tuple[float, float, Entry]:
    """By geometric mean where there is one, else by the order in the first workload that measured it."""
    if entry in means:
        return (0, means[entry].estimate, entry)
    for position, comparison in enumerate(comparisons):
        for rank, place in enumerate(comparison.places):
            if place.entry == entry and place.interval:
                return (1 + position, rank, entry)
    return (1e9, 0, entry)


def section(evidence: Evidence) -> Section:
    matrices = find(evidence)
    if not evidence.latest:
        return Section(sentences=("This run has no record yet: nothing was measured.",), extra=())
    pictures = tuple(
        Picture(f"profile-{i}", partial(draw_profile, m, f"profile-{i}"), f"Performance profile: {m.title}.")
        for i, m in enumerate(matrices, start=1)
        if m.drawable
    )
    return Section(
        sentences=sentences(evidence),
        blocks=tuple(table(m, f"summary-{i}") for i, m in enumerate(matrices, start=1)) + pictures,
        notes=tuple(note for m in matrices for note in _mean_note(m)),
    )


def sentences(evidence: Evidence) -> tuple[str, ...]:
    if not evidence.speed and evidence.run.study:
        return (studies.section(evidence).finding,)
    if not evidence.speed:
        return (f"{count(len(evidence.latest), 'launch')}, none of them a speed launch.",)
    if not any(c.judged for c in evidence.speed):
        return (f"Nothing is judged in this run: {evidence.speed[0].why_unjudged}.",)
    base = evidence.baseline_label
    tracks = {c.workload.track for c in evidence.speed}
    told = []
    for track, name in words.TRACKS.items():
        if track in tracks:
            own = [c for c in evidence.speed if c.workload.track == track]
            counted = words.word_counts([p.verdict.word for c in own for p in c.measured if p.verdict])
            by = f"{name}: " if len(tracks) > 1 else ""
            told.append(f"{by}{counted or 'none judged'}, over {count(len(own), 'workload')}")
    return (f"Against the baseline {base}: {'; '.join(told)}.",)


def _mean_note(matrix: Matrix) -> tuple[str, ...]:
    total = len(matrix.comparisons)
    if total < 2:
        return ()
    if not matrix.means:
        return (f"No geometric mean ({matrix.title}): fewer than two workloads were completed by every entry.",)
    left = [c.workload.label for c in matrix.comparisons if c.workload.label not in matrix.complete]
    without = f"; left out, because an entry has no number there: {listing(left)}" if left else ""
    return (
        f"Geometric mean ({matrix.title}): over the n = {len(matrix.complete)} of {total} workloads that every "
        f"measured entry completed{without}.",
    )


def table(matrix: Matrix, name: str) -> Table:
    columns = [Column("Adapter · mode", "framework · API", numeric=False)]
    own = matrix.comparisons[:MOST_TABLES]
    columns += [Column(c.workload.label, c.workload.recipe.name, numeric=False) for c in own]
    if matrix.means:
        columns.append(Column("Geometric mean", f"ratio, n = {len(matrix.complete)}"))
    lines = []
    for entry in matrix.entries:
        places = [c.place(entry) for c in own]
        values = [cell(p, c) for p, c in zip(places, own, strict=True)]
        if matrix.means:
            values.append(_mean(matrix.means.get(entry), entry == own[0].baseline))
        known = [p for p in places if p]
        status = "ok" if any(p.interval for p in known) else known[0].outcome if known else ""
        shown = text(entry.label, detail=entry.about)
        lines.append(Line((shown, *values), facets(entry, status=status)))
    return Table(
        name, f"Time of a steady step, ratio to the baseline, verdict: {matrix.title}", tuple(columns), tuple(lines)
    )


def _mean(mean: Interval | None, is_base: bool) -> Value:
    if mean is None:
        return absent("not complete")
    return number(factor(mean.estimate), mean.estimate, detail="baseline") if is_base else verdicts.ratio(mean)


def cell(place: Place | None, comparison: Comparison) -> Value:
    """``12.3 ms ±0.4`` with ratio, verdict and tier below; or the reason why it is empty."""
    if place is None:
        return absent("not in the plan of this run")
    if place.interval is None:
        tone = "failed" if place.outcome in ("failed", NOT_PROVED) else "absent"
        return Value(place.outcome, None, place.reason or "", tone)
    interval = place.interval
    shown = duration(interval.estimate) + _plus_minus(interval)
    verdict = place.verdict
    if place.certified is False:
        return number(shown, interval.estimate, detail="not certified: takes no part", tone="uncertified")
    if place.entry == comparison.baseline:
        detail = f"{words.SIGNS['baseline']} baseline"
    elif verdict is None:
        detail = f"not judged: {comparison.why_unjudged}"
    elif verdict.word == "not judged":
        detail = f"not judged: {verdict.reason.removesuffix(', not judged')}"
    else:
        assert verdict.ratio is not None
        detail = f"{factor(verdict.ratio.estimate)} · {words.SIGNS[verdict.word]} {verdict.word}"
    if place.tier:
        detail += f" · tier {place.tier}"
    lost = place.launches - place.counts.get("ok", 0)
    if lost:
        detail += f" · {lost} of {place.launches} launches not ok: {place.reason}"
    if place.disturbed:
        detail += f" · {place.disturbed} disturbed, set aside"
    return number(shown, interval.estimate, detail=detail, tone=verdict.word if verdict else "")


def _plus_minus(interval: Interval) -> str:
    """Half the width of the interval in the unit of the estimate, or its ends where it is wide or lopsided."""
    if interval.n < LEAST:
        return ""
    half = (interval.high - interval.low) / 2
    if half > 0.25 * interval.estimate:
        return f" ({span(interval.low, interval.high)})"
    scale, _ = unit_for(interval.estimate)
    decimals = len(significant(interval.estimate / scale).partition(".")[2])
    return f" ±{fixed(half / scale, decimals)}" if half / scale >= 0.5 * 10**-decimals else f" ±<{10**-decimals:g}"


def draw_profile(matrix: Matrix, name: str) -> figure.Markup:
    """Dolan and Moré (2002): the share of workloads on which an entry is within a factor of the fastest."""
    worst: dict[Entry, list[float]] = defaultdict(list)
    for comparison in matrix.comparisons:
        measured = [p for p in comparison.measured if p.interval and p.certified is not False]
        if not measured:
            continue
        best = min(p.interval.estimate for p in measured if p.interval)
        for place in measured:
            assert place.interval
            worst[place.entry].append(place.interval.estimate / best)
    total = len(matrix.comparisons)
    limit = max(max(v) for v in worst.values()) * 1.3
    drawing, axes = figure.plot(2.8)
    curves: list[Any] = []
    dashes = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 1.5, 1.5, 1.5)))
    best_first = sorted(worst, key=lambda e: (-sum(1 / r for r in worst[e]), e))[:10]
    for position, entry in enumerate(best_first):
        ratios = sorted(worst[entry])
        xs, ys = [1.0], [0.0]
        for i, ratio in enumerate(ratios, start=1):
            xs += [ratio, ratio]
            ys += [ys[-1], i / total]
        xs.append(limit)
        ys.append(ys[-1])
        colour = figure.family_colour(entry.family)
        curves += axes.plot(xs, ys, color=colour, linewidth=1.6, linestyle=dashes[position % 4])
        figure.dot(axes, ratios[0], 1 / total, figure.marker(entry), 5)
    axes.set_xlim(1, limit)
    axes.set_ylim(0, 1.05)
    axes.set_ylabel("share of workloads")
    axes.grid(axis="y", visible=True)
    figure.log_ratios(axes)
    axes.set_xlabel("within this factor of the fastest, log scale")
    labels = [figure.label(e.label) for e in best_first]
    axes.legend(curves, labels, loc="lower right", fontsize=7.5, labelcolor=figure.INK)
    told = f"Performance profile over {total} workloads; the ten best are drawn, first {best_first[0].label}."
    return figure.to_svg(drawing, name, told)
