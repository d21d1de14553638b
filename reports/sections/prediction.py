"""Prediction: latency of one warm call and throughput, by batch size."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf, isfinite
from statistics import median

from levelfield.harness.judge.statistics import Interval
from levelfield.reports.findings import intervals, words
from levelfield.reports.findings.entries import Entry
from levelfield.reports.findings.evidence import Comparison, Evidence, Place
from levelfield.reports.findings.text import count, duration, per_second, span
from levelfield.reports.page import figure
from levelfield.reports.page.blocks import ENTRY, Column, Line, Picture, Section, Table, absent, number

ORDER, SHORT, TITLE = 45, "Prediction", "Prediction: latency and throughput"


@dataclass(frozen=True)
class Latency:
    """Seconds of one call by batch size: median of the launches' medians, with its interval."""

    place: Place
    by_batch: Mapping[int, Interval]


def find(evidence: Evidence, comparison: Comparison) -> tuple[Latency, ...]:
    found = []
    for place in comparison.places:
        calls: dict[int, list[float]] = defaultdict(list)
        for record in evidence.speed_records(comparison.workload, place.entry):
            for size, values in record.predict_seconds.items():
                good = [v for v in values if isfinite(v) and v > 0]
                if good and size.isascii() and size.isdigit() and int(size) > 0:
                    calls[int(size)].append(median(good))
        if calls:
            found.append(Latency(place, {size: intervals.median_of(calls[size]) for size in sorted(calls)}))
    return tuple(found)


def section(evidence: Evidence) -> Section:
    found = [own for c in evidence.speed if (own := find(evidence, c))]
    if not found:
        return Section(missing=words.why_nothing(evidence, "Its launches did not time prediction calls."))
    return Section.of_each(
        found,
        lambda own: own[0].place.workload.full,
        lambda own, i: [picture(own, i)],
        lambda own, i: [table(own, f"predict-table-{i}")],
        sentences=tuple(sentence(own) for own in found),
    )


def picture(latencies: Sequence[Latency], number_: int) -> Picture:
    return Picture(
        f"predict-{number_}",
        partial(draw, latencies, f"predict-{number_}"),
        f"Latency of a prediction call: {latencies[0].place.workload.full}.",
        "Bar: interval of the median over launches.",
    )


def sentence(latencies: Sequence[Latency]) -> str:
    """Ranges only: latencies are not paired by block here, so nothing is said of who leads."""
    where = latencies[0].place.workload.where
    told = []
    for size in _ends(latencies):
        own = [lat.by_batch[size].estimate for lat in latencies if size in lat.by_batch]
        took = " to ".join(duration(end) for end in ((min(own), max(own)) if len(own) > 1 else own))
        told.append(f"a call with {count(size, 'sample')} took {took}")
    return f"{where} {', and '.join(told)}, depending on the adapter. Differences are described, not judged."


def _ends(latencies: Sequence[Latency]) -> list[int]:
    sizes = sorted({size for lat in latencies for size in lat.by_batch})
    return sizes[:1] + sizes[-1:] if len(sizes) > 1 else sizes


def draw(latencies: Sequence[Latency], name: str) -> figure.Markup:
    """One panel for each of the smallest and the largest batch."""
    sizes = _ends(latencies)

    def fastest(latency: Latency) -> tuple[float, Entry]:
        times = [latency.by_batch[size].estimate for size in sizes if size in latency.by_batch]
        return min(times, default=inf), latency.place.entry

    rows = sorted(latencies, key=fastest)
    drawing, axes = figure.panel([lat.place.entry.label for lat in rows], top=figure.LEGEND + 0.22)
    left, bottom, width, height = axes.get_position().bounds
    panels = [axes]
    if len(sizes) == 2:
        half = width / 2 - 0.02
        axes.set_position((left, bottom, half, height))
        other = drawing.add_axes((left + half + 0.04, bottom, half, height), sharey=axes)
        figure.in_rows(other, len(rows))
        other.tick_params(axis="y", labelleft=False)
        panels.append(other)
    for panel, size in zip(panels, sizes, strict=True):
        values = [v for lat in rows if size in lat.by_batch for v in (lat.by_batch[size].low, lat.by_batch[size].high)]
        panel.set_xlim(min(values) / 1.2, max(values) * 1.2)
        for row, latency in enumerate(rows):
            if size in latency.by_batch:
                t = latency.by_batch[size]
                figure.point(panel, t.estimate, t.low, t.high, row, latency.place.entry)
        figure.log_times(panel)
        if len(panel.get_xticks()) > 4 and len(panels) == 2:
            panel.tick_params(axis="x", labelsize=7.5)
        panel.set_title(f"{count(size, 'sample')} a call")
    axes.set_xlabel("time of one call, log scale")
    figure.legend(drawing, [lat.place.entry for lat in rows])
    return figure.to_svg(drawing, name, sentence(latencies))


def table(latencies: Sequence[Latency], name: str) -> Table:
    workload = latencies[0].place.workload
    sizes = sorted({size for lat in latencies for size in lat.by_batch})
    columns = [ENTRY]
    for size in sizes:
        columns += [Column(f"Latency, {size}", "of one call"), Column(f"Throughput, {size}", "samples per second")]
    lines = []
    for latency in sorted(latencies, key=lambda lat: lat.place.entry):
        values = []
        for size in sizes:
            t = latency.by_batch.get(size)
            if t is None:
                values += [absent("not measured")] * 2
                continue
            limits = span(t.low, t.high) if t.n >= intervals.LEAST else ""
            values.append(number(duration(t.estimate), t.estimate, detail=limits))
            values.append(number(per_second(size / t.estimate), size / t.estimate))
        lines.append(Line.of(latency.place.entry, workload, latency.place.outcome, *values))
    return Table(name, f"Prediction: {workload.full}", tuple(columns), tuple(lines))
