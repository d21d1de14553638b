"""An examination as text for the terminal, or as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from textwrap import fill
from typing import Any

from levelfield.harness.doctor.against_itself import TOGETHER, FalseVerdicts, Slowed, Trial
from levelfield.harness.doctor.conditions import Condition
from levelfield.harness.doctor.examine import Examination
from levelfield.harness.doctor.replay import Share
from levelfield.harness.judge.statistics import Interval
from levelfield.harness.system.console import columns
from levelfield.harness.system.machine import Machine
from levelfield.harness.system.numbers import counted

TITLES = {
    "machine": "Machine and frameworks",
    "conditions": "What disturbs measurements",
    "itself": "An adapter against itself: false verdicts",
    "delays": "A known delay in every step: how soon it is found",
    "neighbour": "An adapter against itself with a neighbour: false verdicts",
}
_STOP = (
    "A run stops when its interval is as narrow as the delay; pairs and seconds are the median and, in brackets, the "
    "90th percentile over runs that begin at every block of the series."
)


@dataclass(frozen=True)
class Section:
    """A heading, a table and sentences; a table without rows is left out."""

    title: str
    header: tuple[str, ...] = ()
    rows: Sequence[tuple[str, ...]] = ()
    sentences: Sequence[str] = ()


def sections(found: Examination) -> list[Section]:
    """What was looked at, in the order of `TITLES`."""
    by_part = {part: [trial for trial in found.trials if trial.part == part] for part in TITLES}
    parts = [section for part, trials in by_part.items() if trials for section in of_part(part, trials)]
    when = (
        f"Looked at on {found.date[:10]} with {counted(found.threads, 'thread')} for {found.took:.0f} s "
        f"({found.effort} effort)." + (" It was stopped before everything was measured." if found.stopped else "")
    )
    return [machine(found.machine, found.frameworks, when), conditions(found.conditions), *parts]


def text(found: Examination) -> str:
    """For a terminal."""
    blocks = []
    for section in sections(found):
        lines = [section.title, ""]
        if section.rows:
            lines += [f"  {line}" for line in columns([section.header, *section.rows])]
        lines += [fill(sentence, 110, initial_indent="  ", subsequent_indent="    ") for sentence in section.sentences]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def as_json(found: Examination) -> str:
    """Everything, the recorded series included; a limit that is infinite is null."""
    data = asdict(found) | {"machine": found.machine.model_dump()}
    return json.dumps(_finite(data), indent=1, allow_nan=False)


def machine(here: Machine, frameworks: Mapping[str, str | None], when: str) -> Section:
    installed = ", ".join(f"{name} {version}" for name, version in frameworks.items() if version)
    missing = ", ".join(name for name, version in frameworks.items() if not version)
    sentences = [
        f"{cpu(here)}, {here.memory_bytes / 2**30:.1f} GiB, {here.system}, Python {here.python}, "
        f"levelfield {short(here.commit)}.",
        f"Frameworks: {installed or 'none'}." + (f" Missing: {missing}." if missing else ""),
        when,
    ]
    return Section(TITLES["machine"], sentences=sentences)


def conditions(found: Iterable[Condition]) -> Section:
    rows = [(c.name, c.state, c.found, c.remedy or "") for c in found]
    return Section(TITLES["conditions"], ("what", "state", "found", "how to change it"), rows)


def of_part(part: str, trials: Sequence[Trial]) -> list[Section]:
    """The sections of the doctor's part of that name: false verdicts, and how soon a delay is found."""
    why = [f"{_name(trial)}: not measured, because {plain(trial.reason)}." for trial in trials if trial.reason]
    false = Section(TITLES[part], _FALSE, _false(trials), [*why, *_about_series(part, trials)])
    if part == "neighbour" or not _delays(trials):
        return [false]
    return [false, Section(TITLES["delays"], _DELAY, _delays(trials), [_STOP])]


_FALSE = ("adapter", "a run of", "called faster or slower", "interval excludes 1", "windows")
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


def _false(trials: Sequence[Trial]) -> list[tuple[str, ...]]:
    return [(trial.adapter, *_verdicts(run)) for trial in trials if trial.same for run in trial.same.runs]


def _verdicts(run: FalseVerdicts) -> tuple[str, ...]:
    """One row, by the names of `_FALSE` after the first."""
    pairs = f"{run.pairs:g} pairs"
    length = pairs if run.precision is None else f"until ± {run.precision:.0%} ({pairs})"
    windows = f"{run.differs.windows}, worth {run.differs.independent:.0f}"
    return (length, "" if run.called is None else share(run.called), share(run.differs), windows)


def _about_series(part: str, trials: Sequence[Trial]) -> list[str]:
    sentences = []
    for trial in trials:
        if (same := trial.same) is None:
            continue
        if not any(run.precision is None for run in same.runs):
            n = same.ratio.n if same.ratio else 0
            pairs = f"{n} pairs" if n else "the pairs"
            sentences.append(f"{_name(trial)}: not judged, because {pairs} were too few.")
        agree = "" if same.agree is None else f"; blocks next to each other correlate by {same.agree:.2f}"
        sentences.append(
            f"{_name(trial)}: ratio to itself {ratio(same.ratio)} over the whole series; {same.short} of "
            f"{counted(same.launches, 'launch')} had too few turns{agree}."
        )
    if sentences and part == "neighbour":
        sentences.append(f"{TOGETHER} labels are compared with the baseline at once; their intervals hold together.")
    return sentences


def _delays(trials: Sequence[Trial]) -> list[tuple[str, ...]]:
    return [(trial.adapter, *_delay(delay)) for trial in trials for delay in trial.delays]


def _delay(row: Slowed) -> tuple[str, ...]:
    """One row, by the names of `_DELAY` after the first."""
    if row.stop is None:
        until = ("never in this series", "", "")
    else:
        seconds = f"{row.stop.seconds:.0f} ({row.stop.seconds_90:.0f})"
        until = (f"{row.stop.pairs:g} ({row.stop.pairs_90:g})", seconds, share(row.stop.found))
    return (
        f"{row.delay:.0%}",
        "" if row.injected is None else f"{1 + row.injected:.3f}",
        ratio(row.ratio),
        "" if row.ratio is None else str(row.ratio.n),
        ", ".join(f"{one.pairs}: {one.found.share:.0%}" for one in row.after) or "too few pairs",
        *until,
    )


def _name(trial: Trial) -> str:
    return f"{trial.adapter} ({trial.mode}){' with a neighbour' if trial.part == 'neighbour' else ''}"


def cpu(here: Machine) -> str:
    return f"{here.cpu}, {counted(here.cores, 'core')}"


def short(commit: str | None) -> str:
    """How tables name it."""
    if commit is None:
        return "as installed"
    revision, _, changes = commit.partition("+")
    return revision[:12] + (" with uncommitted changes" if changes else "")


def share(found: Share) -> str:
    return f"{found.share:.1%} ({found.low:.0%} to {found.high:.0%})"


def ratio(found: Interval | None) -> str:
    return "too few pairs" if found is None else f"{found.estimate:.3f} ({found.low:.3f} to {found.high:.3f})"


def plain(reason: str | None) -> str:
    """A reason inside a sentence."""
    return (reason or "it is not known why").rstrip(".")


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_finite(item) for item in value]
    return value
