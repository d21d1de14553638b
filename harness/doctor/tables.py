"""An examination as text for the terminal and as Markdown: the same sections and tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from math import isfinite
from textwrap import fill
from typing import Any

from levelfield.harness.doctor import bars
from levelfield.harness.doctor.against_itself import TOGETHER, Comparison, Trial
from levelfield.harness.doctor.cold import MARGIN
from levelfield.harness.doctor.examine import Examination, short
from levelfield.harness.doctor.half import MARGIN as HALF_MARGIN
from levelfield.harness.doctor.overhead import LONG_EPOCH, MOST_DIFFERENCE, MOST_RATIO
from levelfield.harness.doctor.probed import MARGIN as PROBED_MARGIN
from levelfield.harness.doctor.product import LEAST_SHARE
from levelfield.harness.doctor.replay import Share
from levelfield.harness.doctor.share import TimeShare
from levelfield.harness.doctor.startup import BARS
from levelfield.harness.judge.statistics import Interval
from levelfield.harness.system.machine import Machine
from levelfield.harness.system.numbers import counted

TITLES = {
    "machine": "Machine and frameworks",
    "bars": "The bars",
    "conditions": "What disturbs measurements",
    "itself": "An adapter against itself: false verdicts",
    "neighbour": "An adapter against itself with a neighbour: false verdicts",
    "delays": "A known delay in every step: how soon it is found",
    "duel": "In turns: an adapter against itself, and a known delay in every step",
    "overhead": "Through the harness, against a plain script",
    "cold": "Warm against cold launches",
    "time": "Time inside measured phases",
    "start": "The command's start",
    "half": "A loop that is busy for half of the time on one core, as the probes see it",
    "probed": "Probes on against off",
    "product": "A matrix product of known size, as a share of its own peak",
}

HOLDS = {True: "yes", False: "no", None: "open"}
AGREE = {True: "agree", False: "differ", None: "open"}


@dataclass(frozen=True)
class Section:
    """A heading, a table and sentences; a table without rows is left out. `found` is False where nothing was."""

    title: str
    header: tuple[str, ...] = ()
    rows: Sequence[tuple[str, ...]] = ()
    sentences: Sequence[str] = ()
    found: bool = True


def sections(found: Examination) -> list[Section]:
    """What was looked at, each part with its date, in the order of `TITLES`."""
    measured = {
        _itself: _trials(found),
        _neighbour: _trials(found, neighbour=True),
        _sensitivity: _trials(found),
        _duels: _trials(found, turns=True),
        _overhead: found.overheads,
        _cold: found.agreements,
        _time: found.time_share,
        _start: found.startups,
        _half: found.half_busy,
        _probed: found.probed,
        _product: found.products,
    }
    when = f"Measured on {found.date[:10]} with {_threads(found)}, levelfield {short(found.machine.commit)}."
    parts = [section(found) for section, results in measured.items() if results]
    dated = [
        replace(part, sentences=[*part.sentences, when]) if part.found and "measured" not in part.header else part
        for part in parts
    ]
    return [_machine(found), _bars(found), _conditions(found), *dated]


def text(found: Examination) -> str:
    """For a terminal."""
    blocks = []
    for section in sections(found):
        lines = [section.title, ""]
        if section.rows:
            table = [section.header, *section.rows]
            widths = [max(len(row[i]) for row in table) for i in range(len(section.header))]
            for row in table:
                lines.append(
                    "  " + "  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip()
                )
        lines += [fill(sentence, 110, initial_indent="  ", subsequent_indent="    ") for sentence in section.sentences]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def markdown(found: Examination) -> str:
    """For a document that says how it came about itself."""
    return "\n\n".join(as_markdown(section) for section in sections(found)) + "\n"


def as_markdown(section: Section) -> str:
    lines = [f"### {section.title}", ""]
    if section.rows:
        lines += [_row(section.header), "|" + "---|" * len(section.header)]
        lines += [_row(row) for row in section.rows]
        lines.append("")
    lines += [fill(f"* {sentence}", 116, subsequent_indent="  ") for sentence in section.sentences]
    return "\n".join(lines).rstrip()


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(word.replace("|", "\\|") for word in cells) + " |"


def as_json(found: Examination) -> str:
    """Everything, the recorded series included; a limit that is infinite is null."""
    data = asdict(found) | {"machine": found.machine.model_dump()}
    data["half_busy"] = [asdict(row) | {"holds": row.holds} for row in found.half_busy]
    data["probed"] = [asdict(row) | {"tied": row.tied} for row in found.probed]
    data["bars"] = [asdict(row) for row in all_bars(found)]
    return json.dumps(_finite(data), indent=1, allow_nan=False)


def _machine(found: Examination) -> Section:
    machine = found.machine
    installed = ", ".join(f"{name} {version}" for name, version in found.frameworks.items() if version)
    missing = ", ".join(name for name, version in found.frameworks.items() if not version)
    sentences = [
        f"{cpu(machine)}, {machine.memory_bytes / 2**30:.1f} GiB, {machine.system}, "
        f"Python {machine.python}, levelfield {short(machine.commit)}.",
        f"Frameworks: {installed or 'none'}." + (f" Missing: {missing}." if missing else ""),
        f"Looked at on {found.date[:10]} with {_threads(found)} for {found.took:.0f} s ({found.effort} effort)."
        + (" It was stopped before everything was measured." if found.stopped else ""),
    ]
    return Section(TITLES["machine"], sentences=sentences)


def _conditions(found: Examination) -> Section:
    rows = [(c.name, c.state, c.found, c.remedy or "") for c in found.conditions]
    return Section(TITLES["conditions"], ("what", "state", "found", "how to change it"), rows)


def _bars(found: Examination) -> Section:
    sentences = ["Open: the interval holds both sides of the bar, or it was not measured."]
    rows = [bar_cells(bar) for bar in all_bars(found)]
    return Section(TITLES["bars"], ("row", "bar", "found", "word"), rows, sentences)


def all_bars(found: Examination) -> list[bars.Bar]:
    return bars.bars(found.overheads, found.trials, found.time_share, found.startups)


def bar_cells(bar: bars.Bar) -> tuple[str, ...]:
    return (bar.row, bar.bar, bar.found, bar.word)


def _trials(found: Examination, *, turns: bool = False, neighbour: bool = False) -> list[Trial]:
    return [trial for trial in found.trials if trial.turns == turns and trial.neighbour == neighbour]


def _itself(found: Examination) -> Section:
    return _false(TITLES["itself"], _trials(found))


def _neighbour(found: Examination) -> Section:
    section = _false(TITLES["neighbour"], _trials(found, neighbour=True))
    together = f"{TOGETHER} labels are compared with the baseline at once; their intervals hold together."
    return replace(section, sentences=[*section.sentences, together])


def _false(title: str, trials: Sequence[Trial]) -> Section:
    rows = []
    for trial in trials:
        for rates in bars.together(trial):
            runs = counted(rates.pairs, "pair")
            rows.append((trial.adapter, runs, _share(rates.called), _share(rates.differs), _windows(rates.differs)))
        for comparison in trial.comparisons[:1]:
            stop = comparison.stop
            if stop is not None and stop.differs is not None:
                runs = f"until ± {stop.precision:.0%} ({stop.pairs:g} pairs)"
                rows.append((trial.adapter, runs, "", _share(stop.differs), _windows(stop.differs)))
    sentences = [_why(trial) for trial in trials if trial.reason is not None]
    for trial in trials:
        for comparison in trial.comparisons[:1]:
            if not comparison.rates:
                sentences.append(f"{_name(trial)}: not judged, because {_pairs(comparison)} were too few.")
            sentences.append(
                f"{_name(trial)}: ratio to itself {_ratio(comparison.ratio)} over the whole series; "
                f"{trial.disturbed} of {counted(trial.launches, 'launch')} were void and repeated"
                + (
                    ""
                    if comparison.agree is None
                    else f"; blocks next to each other correlate by {comparison.agree:.2f}"
                )
                + "."
            )
    header = ("adapter", "a run of", "called faster or slower", "interval excludes 1", "windows")
    return Section(title, header, rows, sentences, bool(rows))


def _sensitivity(found: Examination) -> Section:
    rows = [
        _delay(trial, comparison)
        for trial in _trials(found)
        for comparison in trial.comparisons
        if comparison.delay > 0
    ]
    sentences = [] if rows else ["Not measured, because no series of an adapter against itself could be recorded."]
    if rows:
        sentences.append(_STOP)
    return Section(TITLES["delays"], _DELAY, rows, sentences, bool(rows))


def _duels(found: Examination) -> Section:
    trials = _trials(found, turns=True)
    rows = [_delay(trial, comparison) for trial in trials for comparison in trial.comparisons]
    sentences = [_why(trial) for trial in trials if trial.reason is not None]
    if rows:
        sentences += [_STOP, "Without a delay, what is found is false; such a run stops at ± 2%."]
    return Section(TITLES["duel"], _DELAY, rows, sentences, bool(rows))


_STOP = (
    "A run stops when its interval is as narrow as the delay; pairs and seconds are the median and, in brackets, the "
    "90th percentile over runs that begin at every block of the series."
)
_DELAY = (
    "adapter",
    "delay",
    "true ratio",
    "measured ratio",
    "pairs",
    "found after n pairs",
    "pairs to stop",
    "seconds",
    "found by then",
)


def _delay(trial: Trial, comparison: Comparison) -> tuple[str, ...]:
    """One delay's row, by the names of `_DELAY`."""
    found = [(rates.pairs, rates.slower if comparison.delay else rates.differs) for rates in comparison.rates]
    fixed = ", ".join(f"{pairs}: {share.share:.0%}" for pairs, share in found) or "too few pairs"
    stop = comparison.stop
    if stop is None or stop.slower is None or stop.differs is None or stop.pairs is None or stop.pairs_90 is None:
        until, share, seconds = "never in this series", "", ""
    else:
        until, share = f"{stop.pairs:g} ({stop.pairs_90:g})", _share(stop.slower if comparison.delay else stop.differs)
        seconds = f"{stop.pairs * comparison.pair_seconds:.0f} ({stop.pairs_90 * comparison.pair_seconds:.0f})"
    true = "" if comparison.injected is None else f"{1 + comparison.injected:.3f}"
    pairs = "" if comparison.ratio is None else str(comparison.ratio.n)
    return (
        trial.adapter,
        f"{comparison.delay:.0%}",
        true,
        _ratio(comparison.ratio),
        pairs,
        fixed,
        until,
        seconds,
        share,
    )


def _overhead(found: Examination) -> Section:
    rows, sentences = [], []
    for row in found.overheads:
        if row.ratio is None or row.extra is None or row.epoch_seconds is None:
            sentences.append(f"{row.adapter} ({row.mode}): not measured, because {_plain(row.reason)}.")
            continue
        pairs = "more" if row.pairs_to_2_percent is None else f"{row.pairs_to_2_percent:g}"
        rows.append(
            (
                row.adapter,
                row.mode,
                f"{1e3 * row.epoch_seconds:.3g}",
                _ratio(row.ratio),
                _microseconds(row.extra),
                str(row.ratio.n),
                HOLDS[row.holds],
                pairs,
                row.measured,
            )
        )
    sentences.append("Both sides of a pair take turns of at least 20 ms on one core, with one thread.")
    sentences.append(
        f"The bar: a ratio of at most {MOST_RATIO:g} where an epoch lasts {1e3 * LONG_EPOCH:g} ms or more, else at "
        f"most {1e6 * MOST_DIFFERENCE:g} µs an epoch more; open: the interval holds both sides of it."
    )
    header = (
        "adapter",
        "mode",
        "epoch, ms",
        "ratio",
        "more, µs an epoch",
        "pairs",
        "holds",
        "pairs to ± 2 %",
        "measured",
    )
    return Section(TITLES["overhead"], header, rows, sentences, bool(rows))


def _cold(found: Examination) -> Section:
    rows, sentences = [], []
    for row in found.agreements:
        if row.ratio is None or row.import_seconds is None:
            sentences.append(f"{row.adapter} ({row.mode}): not measured, because {_plain(row.reason)}.")
            continue
        imports, ratio, pairs = f"{row.import_seconds:.1f}", _ratio(row.ratio), str(row.ratio.n)
        rows.append((row.adapter, row.mode, imports, ratio, pairs, AGREE[row.agree], row.measured))
    sentences.append(f"They agree where the whole interval lies within ± {MARGIN:.0%}.")
    header = ("adapter", "mode", "a cold import, s", "steady epochs, warm / cold", "pairs", "word", "measured")
    return Section(TITLES["cold"], header, rows, sentences, bool(rows))


def _start(found: Examination) -> Section:
    rows = [
        (f"levelfield {row.command}", f"{1e3 * row.bare_seconds:.0f}", _ratio(row.ratio), f"{BARS[row.command]:g}")
        for row in found.startups
    ]
    return Section(TITLES["start"], ("command", "bare interpreter, ms", "ratio", "bar"), rows)


def _half(found: Examination) -> Section:
    title, (row,) = TITLES["half"], found.half_busy
    if row.true is None or row.cpu_share is None:
        return Section(title, sentences=[f"Not measured, because {_plain(row.reason)}."], found=False)
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


def _probed(found: Examination) -> Section:
    rows, sentences = [], []
    for row in found.probed:
        if row.ratio is None:
            sentences.append(f"{row.adapter}: not measured, because {_plain(row.reason)}.")
            continue
        word = {True: "tied", False: "differ", None: "open"}[row.tied]
        rows.append((row.adapter, _ratio(row.ratio), str(row.ratio.n), word))
    sentences.append(f"They are tied where the whole interval lies within ± {PROBED_MARGIN:.0%}.")
    return Section(
        TITLES["probed"], ("adapter", "steady epochs, on / off", "pairs", "word"), rows, sentences, bool(rows)
    )


def _product(found: Examination) -> Section:
    title, (row,) = TITLES["product"], found.products
    if row.share is None or row.peak is None:
        return Section(title, sentences=[f"Not measured, because {_plain(row.reason)}."], found=False)
    word = "holds" if row.holds else "does not hold"
    return Section(
        title,
        sentences=[
            f"The peak is {row.peak / 1e9:.1f} GFLOP/s ({row.source}). Launched once more, the median of its repeats "
            f"reads {row.share:.1%} of it. The bar, at least {LEAST_SHARE:.0%}, {word}."
        ],
    )


def _time(found: Examination) -> Section:
    share = found.time_share
    if not isinstance(share, TimeShare):
        return Section(TITLES["time"], sentences=[f"Not measured, because {_plain(share)}."], found=False)
    return Section(
        "Time inside measured phases",
        sentences=[
            f"Run {share.run}: of the {share.wall:.0f} s that its {share.launches} speed launches took, "
            f"{share.measured / share.wall:.0%} lie inside measured phases, {share.core / share.wall:.0%} in steady "
            "epochs and prediction.",
            f"Of the {share.span:.0f} s from its start to its last launch, learning included, "
            f"{share.measured / share.span:.0%} and {share.core / share.span:.0%}.",
        ],
    )


def cpu(machine: Machine) -> str:
    return f"{machine.cpu}, {counted(machine.cores, 'core')}"


def _threads(found: Examination) -> str:
    return counted(found.threads, "thread")


def _name(trial: Trial) -> str:
    return f"{trial.adapter} ({trial.mode}){' with a neighbour' if trial.neighbour else ''}"


def _why(trial: Trial) -> str:
    return f"{_name(trial)}: not measured, because {_plain(trial.reason)}."


def _pairs(comparison: Comparison) -> str:
    n = comparison.ratio.n if comparison.ratio else 0
    return f"{n} undisturbed pairs" if n else "the undisturbed pairs"


def _share(share: Share) -> str:
    return f"{share.share:.1%} ({share.low:.0%} to {share.high:.0%})"


def _windows(share: Share) -> str:
    return f"{share.windows}, worth {share.independent:.0f}"


def _ratio(ratio: Interval | None) -> str:
    return "too few pairs" if ratio is None else f"{ratio.estimate:.3f} ({ratio.low:.3f} to {ratio.high:.3f})"


def _microseconds(extra: Interval) -> str:
    return f"{1e6 * extra.estimate:.1f} ({1e6 * extra.low:.1f} to {1e6 * extra.high:.1f})"


def _plain(reason: str | None) -> str:
    return (reason or "it is not known why").rstrip(".")


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_finite(item) for item in value]
    return value
