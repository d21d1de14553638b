"""The measurements as sections, and sections as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill
from typing import Any

import bars
from half import MARGIN as HALF_MARGIN
from measurements import Measurements, Row
from overhead import LONG_EPOCH, MOST_DIFFERENCE, MOST_RATIO
from parts import PARTS
from product import LEAST_SHARE
from startup import BARS

from levelfield.harness.doctor import tables
from levelfield.harness.doctor.parts import PARTS as DOCTOR
from levelfield.harness.doctor.tables import Section, plain, ratio
from levelfield.harness.judge.statistics import Interval
from levelfield.harness.system.numbers import counted

HOLDS = {True: "yes", False: "no", None: "open"}
AGREE = {True: "agree", False: "differ", None: "open"}
TIED = {True: "tied", False: "differ", None: "open"}


def sections(found: Measurements, soak: dict[str, Any] | None) -> list[Section]:
    """The machine, the bars, then each part that was measured."""
    assert found.looked is not None
    looked = found.looked
    here = tables.machine(looked.machine, looked.frameworks, f"Looked at on {looked.date}.")
    parts = [section for part in PARTS if found.rows.get(part) for section in of_part(part, found.rows[part])]
    return [here, _bars(found, soak), tables.conditions(looked.conditions), *parts]


def of_part(part: str, rows: Sequence[Row]) -> list[Section]:
    """The sections of one part, the last of which ends with when it was measured."""
    results = [row.result for row in rows]
    *others, last = tables.of_part(part, results) if part in DOCTOR else [_SECTIONS[part](rows)]
    if "measured" in last.header:
        return [*others, last]
    return [*others, Section(last.title, last.header, last.rows, [*last.sentences, *_when(rows)])]


def _when(rows: Sequence[Row]) -> list[str]:
    """When the rows were measured; where that differs, which of them."""
    groups: dict[str, list[str]] = {}
    for row in rows:
        when = f"on {row.date} with {counted(row.threads, 'thread')}, levelfield {row.commit}"
        groups.setdefault(when, []).append(getattr(row.result, "adapter", "") or getattr(row.result, "command", ""))
    if len(groups) == 1:
        return [f"Measured {when}." for when in groups]
    return [f"{', '.join(names)}: measured {when}." for when, names in groups.items()]


def markdown(found: Sequence[Section]) -> str:
    return "\n\n".join(map(_markdown, found)) + "\n"


def _markdown(section: Section) -> str:
    lines = [f"### {section.title}", ""]
    if section.rows:
        lines += [_line(section.header), "|" + "---|" * len(section.header)]
        lines += [_line(row) for row in section.rows]
        lines.append("")
    lines += [fill(f"* {sentence}", 116, subsequent_indent="  ") for sentence in section.sentences]
    return "\n".join(lines).rstrip()


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(word.replace("|", "\\|") for word in cells) + " |"


def _bars(found: Measurements, soak: dict[str, Any] | None) -> Section:
    sentences = ["Open: the interval holds both sides of the bar, or it was not measured."]
    rows = [(bar.row, bar.bar, bar.found, bar.word) for bar in bars.bars(found, soak)]
    return Section("The bars", ("row", "bar", "found", "word"), rows, sentences)


def _overhead(found: Sequence[Row]) -> Section:
    rows, sentences = [], []
    for one, row in ((row, row.result) for row in found):
        if row.ratio is None or row.extra is None or row.epoch_seconds is None:
            sentences.append(f"{row.adapter} ({row.mode}): not measured, because {plain(row.reason)}.")
            continue
        cells = (ratio(row.ratio), _microseconds(row.extra), str(row.ratio.n), HOLDS[row.holds], _measured(one))
        rows.append((row.adapter, row.mode, f"{1e3 * row.epoch_seconds:.3g}", *cells))
    sentences.append("Both sides of a pair take turns on one core, with one thread.")
    sentences.append(
        f"The bar: a ratio of at most {MOST_RATIO:g} where an epoch lasts {1e3 * LONG_EPOCH:g} ms or more, else at "
        f"most {1e6 * MOST_DIFFERENCE:g} µs an epoch more; open: the interval holds both sides of it."
    )
    cells = ("epoch, ms", "ratio", "more, µs an epoch", "pairs", "holds", "measured")
    return Section("Through the harness, against a plain script", ("adapter", "mode", *cells), rows, sentences)


def _switch(found: Sequence[Row]) -> Section:
    rows, sentences = [], []
    for row in (one.result for one in found):
        if row.turn_seconds is None:
            sentences.append(f"{row.adapter} ({row.mode}): not measured, because {plain(row.reason)}.")
            continue
        lost = f"{1e3 * row.seconds:.2f} ({1e3 * row.seconds_90:.2f})"
        share = f"{row.share:.1%} ({row.share_90:.1%})"
        rows.append((row.adapter, row.mode, f"{1e3 * row.turn_seconds:.1f}", lost, share, str(row.turns)))
    sentences.append("The median, and in brackets the 90th percentile, of what of a turn lies in none of its epochs.")
    header = ("adapter", "mode", "a turn, ms", "outside of its epochs, ms", "of the turn", "turns")
    return Section("What a turn costs", header, rows, sentences)


def _blocks(found: Sequence[Row]) -> Section:
    rows, sentences = [], []
    for one, row in ((row, row.result) for row in found):
        where = "with a neighbour" if row.beside else "quiet"
        if row.spread is None:
            name = f"{row.adapter} ({row.mode}), {counted(row.threads, 'thread')}, {where}"
            sentences.append(f"{name}: not measured, because {plain(row.reason)}.")
            continue
        agree = "too few blocks" if row.agree is None else f"{row.agree:.2f}"
        holds = HOLDS[row.holds] if row.beside else ""
        cells = (str(row.threads), where, bars.percent(row), str(row.n), agree, holds, _measured(one))
        rows.append((row.adapter, row.mode, *cells))
    sentences.append(
        "Each adapter is twice in a block, with a process of its own to start from. The bars are rows 2a and 2b."
    )
    cells = ("threads", "machine", "standard deviation of a block's log-ratio", "blocks")
    header = ("adapter", "mode", *cells, "neighbouring blocks correlate by", "holds", "measured")
    return Section("Blocks: an adapter against itself", header, rows, sentences)


def _start(found: Sequence[Row]) -> Section:
    rows = [
        (f"levelfield {row.command}", f"{1e3 * row.bare_seconds:.0f}", ratio(row.ratio), f"{BARS[row.command]:g}")
        for row in (row.result for row in found)
    ]
    return Section("The command's start", ("command", "bare interpreter, ms", "ratio", "bar"), rows)


def _half(found: Sequence[Row]) -> Section:
    title, row = "A loop that is busy for half of the time on one core, as the probes see it", found[0].result
    if row.true is None or row.cpu_share is None:
        return Section(title, sentences=[f"Not measured, because {plain(row.reason)}."])
    strip = "no strip" if row.strip is None else f"{row.strip:.1%} by the core-busy strip sampled beside it"
    word = "holds" if row.holds else "does not hold"
    sentences = [
        f"Of {counted(row.cores, 'core')} it keeps {row.true:.0%} busy. "
        f"Measured: {row.cpu_share:.1%} by its own CPU time, "
        f"{strip}. The bar, within {100 * HALF_MARGIN:g} points, {word}."
    ]
    if row.sample_seconds is not None:
        sentences.append(f"A sample beside it cost {1e6 * row.sample_seconds:.0f} µs of CPU time, waking up included.")
    return Section(title, sentences=sentences)


def _product(found: Sequence[Row]) -> Section:
    title, row = "A matrix product of known size, as a share of its own peak", found[0].result
    if row.share is None or row.peak is None:
        return Section(title, sentences=[f"Not measured, because {plain(row.reason)}."])
    word = "holds" if row.holds else "does not hold"
    sentence = (
        f"The peak is {row.peak / 1e9:.1f} GFLOP/s ({row.source}). Launched once more, the median of its repeats "
        f"reads {row.share:.1%} of it. The bar, at least {LEAST_SHARE:.0%}, {word}."
    )
    return Section(title, sentences=[sentence])


def _time(found: Sequence[Row]) -> Section:
    title, share = "Time inside measured phases", found[0].result
    if share.reason is not None:
        return Section(title, sentences=[f"Not measured, because {plain(share.reason)}."])
    sentences = [
        f"Run {share.run}: of the {share.wall:.0f} s that its {share.launches} speed launches took, "
        f"{share.measured / share.wall:.0%} lie inside measured phases, {share.core / share.wall:.0%} in steady "
        "epochs and prediction.",
        f"Of the {share.span:.0f} s from its start to its last launch, learning included, "
        f"{share.measured / share.span:.0%} and {share.core / share.span:.0%}.",
    ]
    return Section(title, sentences=sentences)


_SECTIONS = {
    "blocks": _blocks,
    "overhead": _overhead,
    "switch": _switch,
    "start": _start,
    "half": _half,
    "product": _product,
    "time": _time,
}


def _measured(row: Row) -> str:
    return f"{row.date}, {row.commit}"


def _microseconds(extra: Interval) -> str:
    return f"{1e6 * extra.estimate:.1f} ({1e6 * extra.low:.1f} to {1e6 * extra.high:.1f})"
