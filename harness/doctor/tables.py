"""An examination as text for the terminal and as Markdown for a document: the same sections and tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from textwrap import fill
from typing import Any

from harness.doctor.examine import Examination
from harness.doctor.overhead import LONG_EPOCH, MOST_DIFFERENCE, MOST_RATIO
from harness.doctor.replay import Share
from harness.doctor.share import TimeShare
from harness.doctor.trial import Comparison, Trial
from harness.statistics import Interval
from tasks.errors import UserError

START, END = "<!-- doctor -->", "<!-- end of doctor -->"


@dataclass(frozen=True)
class Section:
    """A heading, a table and sentences; a table without rows is left out."""

    title: str
    header: tuple[str, ...] = ()
    rows: Sequence[tuple[str, ...]] = ()
    sentences: Sequence[str] = ()


def sections(found: Examination) -> list[Section]:
    return [_machine(found), _conditions(found), _itself(found), _sensitivity(found), _overhead(found), _time(found)]


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
    blocks = []
    for section in sections(found):
        lines = [f"### {section.title}", ""]
        if section.rows:
            lines += ["| " + " | ".join(section.header) + " |", "|" + "---|" * len(section.header)]
            lines += ["| " + " | ".join(word.replace("|", "\\|") for word in row) + " |" for row in section.rows]
            lines.append("")
        lines += [fill(f"* {sentence}", 116, subsequent_indent="  ") for sentence in section.sentences]
        blocks.append("\n".join(lines).rstrip())
    return "\n\n".join(blocks) + "\n"


def as_json(found: Examination) -> str:
    """Everything, the recorded series included; a limit that is infinite is null."""
    data = asdict(found) | {"machine": found.machine.model_dump()}
    data["overheads"] = [asdict(row) | {"holds": row.holds} for row in found.overheads]
    return json.dumps(_finite(data), indent=1, allow_nan=False)


def write(found: Examination, document: Path) -> None:
    """Replace what stands between the marks of `document`. Raises UserError where it has none."""
    try:
        old = document.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{document}: {error.strerror}", "give a document that holds the marks") from None
    document.write_text(insert(old, markdown(found), str(document)), encoding="utf-8")


def insert(old: str, new: str, name: str) -> str:
    """`old` with `new` between its marks."""
    before, start, rest = old.partition(START)
    _, end, after = rest.partition(END)
    if not start or not end:
        raise UserError(f"{name}: has no place for it", f"put {START} and {END} on lines of their own")
    return f"{before}{START}\n{new.strip()}\n{END}{after}"


def _machine(found: Examination) -> Section:
    machine = found.machine
    installed = ", ".join(f"{name} {version}" for name, version in found.frameworks.items() if version)
    missing = ", ".join(name for name, version in found.frameworks.items() if not version)
    threads = "1 thread" if found.threads == 1 else f"{found.threads} threads"
    sentences = [
        f"{machine.cpu}, {machine.cores} cores, {machine.memory_bytes / 2**30:.1f} GiB, {machine.system}, "
        f"Python {machine.python}, levelfield {_commit(machine.commit)}.",
        f"Frameworks: {installed or 'none'}." + (f" Missing: {missing}." if missing else ""),
        f"Measured on {found.date[:10]} with {threads} in {found.took:.0f} s ({found.effort} effort).",
    ]
    return Section("Machine and frameworks", sentences=sentences)


def _conditions(found: Examination) -> Section:
    rows = [(c.name, c.state, c.found, c.remedy or "") for c in found.conditions]
    return Section("What disturbs measurements", ("what", "state", "found", "how to change it"), rows)


def _itself(found: Examination) -> Section:
    rows = []
    for trial in found.trials:
        for comparison in trial.comparisons[:1]:
            for rates in comparison.rates:
                runs = f"{rates.pairs} pairs"
                rows.append((*_who(trial), runs, _share(rates.called), _share(rates.differs), _windows(rates.differs)))
            stop = comparison.stop
            if stop is not None and stop.differs is not None:
                runs = f"until ± {stop.precision:.0%} ({stop.pairs:g} pairs)"
                rows.append((*_who(trial), runs, "", _share(stop.differs), _windows(stop.differs)))
    sentences = [_why(trial) for trial in found.trials if trial.reason is not None]
    for trial in found.trials:
        for comparison in trial.comparisons[:1]:
            if not comparison.rates:
                sentences.append(f"{_name(trial)}: not judged, because {_pairs(comparison)} were too few.")
            sentences.append(
                f"{_name(trial)}: ratio to itself {_ratio(comparison.ratio)} over the whole series; "
                f"{trial.disturbed} of {trial.launches} launches were void and were repeated"
                + (
                    ""
                    if comparison.agree is None
                    else f"; blocks next to each other correlate by {comparison.agree:.2f}"
                )
                + "."
            )
    header = ("adapter", "noise", "a run of", "called faster or slower", "interval excludes 1", "windows")
    return Section("An adapter against itself: false verdicts", header, rows, sentences)


def _sensitivity(found: Examination) -> Section:
    rows = []
    for trial in found.trials:
        for comparison in trial.comparisons[1:]:
            fixed = ", ".join(f"{r.pairs}: {r.slower.share:.0%}" for r in comparison.rates) or "too few pairs"
            stop = comparison.stop
            if stop is None or stop.slower is None or stop.pairs is None or stop.pairs_90 is None:
                until, share, seconds = "never in this series", "", ""
            else:
                until, share = f"{stop.pairs:g} ({stop.pairs_90:g})", _share(stop.slower)
                seconds = f"{stop.pairs * comparison.pair_seconds:.0f} ({stop.pairs_90 * comparison.pair_seconds:.0f})"
            true = "" if comparison.injected is None else f"{1 + comparison.injected:.3f}"
            measured = _ratio(comparison.ratio)
            rows.append((trial.adapter, f"{comparison.delay:.0%}", true, measured, fixed, until, seconds, share))
    sentences = [] if rows else ["Not measured, because no series of the section before could be recorded."]
    if rows:
        sentences.append(
            "A run stops when its interval is as narrow as the delay; pairs and seconds are the median and, in "
            "brackets, the 90th percentile over runs that begin at every block of the series."
        )
    header = (
        "adapter",
        "delay",
        "true ratio",
        "measured ratio",
        "found after n pairs",
        "pairs to stop",
        "seconds",
        "found by then",
    )
    return Section("A known delay in every step: how soon it is found", header, rows, sentences)


def _overhead(found: Examination) -> Section:
    rows, sentences = [], []
    for row in found.overheads:
        if row.ratio is None or row.extra is None or row.epoch_seconds is None:
            sentences.append(f"{row.adapter} ({row.mode}): not measured, because {_plain(row.reason)}.")
            continue
        pairs = "more" if row.pairs_to_2_percent is None else f"{row.pairs_to_2_percent:g}"
        word = {True: "yes", False: "no", None: "open"}[row.holds]
        rows.append(
            (
                row.adapter,
                row.mode,
                f"{1e3 * row.epoch_seconds:.3g}",
                _ratio(row.ratio),
                _microseconds(row.extra),
                str(row.ratio.n),
                word,
                pairs,
            )
        )
    sentences.append(
        f"The bar: a ratio of at most {MOST_RATIO:g} where an epoch lasts {1e3 * LONG_EPOCH:g} ms or more, else at "
        f"most {1e6 * MOST_DIFFERENCE:g} µs an epoch more; open: the interval holds both sides of it."
    )
    header = ("adapter", "mode", "epoch, ms", "ratio", "more, µs an epoch", "pairs", "holds", "pairs to ± 2 %")
    return Section("Through the harness, against a plain script", header, rows, sentences)


def _time(found: Examination) -> Section:
    share = found.time_share
    if not isinstance(share, TimeShare):
        return Section("Time inside measured phases", sentences=[f"Not measured, because {_plain(share)}."])
    return Section(
        "Time inside measured phases",
        sentences=[
            f"Run {share.run}: of the {share.wall:.0f} s that its {share.launches} speed launches took, "
            f"{share.measured / share.wall:.0%} lie inside measured phases, {share.core / share.wall:.0%} in steady "
            "epochs and prediction.",
            f"Of the {share.span:.0f} s from its first launch to its last, learning included, "
            f"{share.measured / share.span:.0%} and {share.core / share.span:.0%}.",
        ],
    )


def _commit(commit: str | None) -> str:
    if commit is None:
        return "as installed"
    revision, _, changes = commit.partition("+")
    return revision[:12] + (" with uncommitted changes" if changes else "")


def _who(trial: Trial) -> tuple[str, str]:
    return trial.adapter, "a neighbour" if trial.neighbour else "as it was"


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
