"""Figures that others published beside those of this run: the same to the last digit that they printed? Where their
seed is not known: inside the interval of one seed?"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import resources
from itertools import groupby
from typing import Literal, NamedTuple, get_args

from levelfield.adapters.choices import Precision
from levelfield.harness.judge.statistics import Interval, one_more
from levelfield.harness.records.record import Record
from levelfield.reports.findings.entries import Entry
from levelfield.reports.findings.evidence import Evidence
from levelfield.tasks.replay import Replay

Measure = Literal["score", "test-score", "loss"]
UNKNOWN = "no cause is known"
USUAL: Precision = "float64"  # that of the programs that are replayed
LEAST_SEEDS = 3  # of an interval


class Source(NamedTuple):
    title: str
    url: str
    read: date
    replays: Replay | None = None


@dataclass(frozen=True)
class Figure:
    """One number as it was printed. `cause`: why another one is expected here; `keras`: why from Keras."""

    source: Source
    task: str
    model: str
    recipe: str
    seed: int
    measure: Measure
    printed: str
    epoch: int = 0  # of a loss: the first is 1, and 0 is the last
    cause: str | None = None
    keras: str | None = None

    @property
    def what(self) -> str:
        if self.measure == "loss":
            return f"loss, mean over epoch {self.epoch}" if self.epoch else "loss, mean over the last epoch"
        return f"accuracy on the {'training' if self.measure == 'score' else 'test'} samples"

    def of(self, record: Record) -> bool:
        """Whether a launch replays the training that it is of; of an unknown seed, every seed is one."""
        cell = record.cell
        asked = (self.source.replays, self.task, self.model, self.recipe)
        known = self.source.replays is not None
        return asked == (cell.replays, cell.task, cell.model.name, cell.recipe.name) and (
            not known or self.seed == record.seed
        )

    def here(self, record: Record) -> str | None:
        """The number of a launch, with as many decimals as were printed."""
        value = self.value(record)
        return None if value is None else self.written(value)

    def written(self, value: float) -> str:
        return f"{value:.{len(self.printed.partition('.')[2])}f}"

    def value(self, record: Record) -> float | None:
        if self.measure == "loss":
            return next(iter(record.running_losses[self.epoch - 1 :]), None)
        if record.final is None:
            return None
        return (record.final.train if self.measure == "score" else record.final.test).accuracy


class Member(NamedTuple):
    """An entry that has a number. `precision`: None where it is that of the program whose figure it is beside.
    `certified`: None where no certificates were looked for."""

    entry: Entry
    precision: Precision | None
    certified: bool | None

    @property
    def label(self) -> str:
        """With what sets it apart, in brackets."""
        apart: list[str] = [self.precision] if self.precision else []
        apart += ["not certified"] if self.certified is False else []
        return f"{self.entry.label} ({', '.join(apart)})" if apart else self.entry.label


@dataclass(frozen=True)
class Row:
    """A figure, and who has one number in its place: of those that differ, only those of one precision.

    `interval` of one seed of its only member, where the seed of the figure is not known.
    """

    figure: Figure
    here: str
    members: tuple[Member, ...]
    interval: Interval | None = None

    @property
    def same(self) -> bool:
        """Or inside the interval."""
        if self.interval is not None:
            return self.interval.low <= float(self.figure.printed) <= self.interval.high
        return self.here == self.figure.printed

    @property
    def cause(self) -> str:
        """Of a difference; nothing where there is none."""
        if self.same:
            return ""
        precision = self.members[0].precision
        if self.figure.keras and all(one.entry.adapter.startswith("keras-") for one in self.members):
            return self.figure.keras
        return self.figure.cause or (f"computed in {precision}" if precision else UNKNOWN)


@cache
def figures() -> tuple[Figure, ...]:
    """All that are known, from published.toml."""
    text = resources.files(__package__).joinpath("published.toml").read_text(encoding="utf-8")
    return tuple(_read(tomllib.loads(text)["sources"]))


def _read(sources: Sequence[dict]) -> Iterable[Figure]:  # type: ignore[type-arg]
    for told in sources:
        source = Source(**{name: told[name] for name in Source._fields if name in told})
        for training in told["trainings"]:
            of = (source, training["task"], training["model"], training["recipe"], training.get("seed", 0))
            why = {"cause": training.get("cause"), "keras": training.get("keras")}
            for epoch, printed in enumerate(training.get("losses", ()), start=1):
                yield Figure(*of, "loss", printed, epoch, **why)
            for measure in (name for name in get_args(Measure) if name in training):
                yield Figure(*of, measure, training[measure], **why)


def compare(evidence: Evidence, known: Sequence[Figure]) -> tuple[Row, ...]:
    """The figures of which this run has a number, the same ones first of each."""
    rows: list[Row] = []
    for figure in known:
        if figure.source.replays is None:
            rows += _of_many_seeds(evidence, figure)
            continue
        found: dict[tuple[str, str], set[Member]] = {}
        for record in evidence.latest:
            here = figure.here(record) if record.status == "ok" and figure.of(record) else None
            if here is not None:
                precision = None if record.cell.precision == USUAL else record.cell.precision
                member = Member(Entry.of(record.cell), precision, evidence.certified([record]))
                key = here, "" if here == figure.printed else precision or ""
                found.setdefault(key, set()).add(member)
        ordered = sorted(found.items(), key=lambda item: (item[0][0] != figure.printed, item[0]))
        rows += [Row(figure, here, tuple(sorted(own, key=lambda m: m.entry))) for (here, _), own in ordered]
    return tuple(rows)


def _of_many_seeds(evidence: Evidence, figure: Figure) -> Iterable[Row]:
    """A row for each entry, cell by cell."""
    able = [one for one in evidence.latest if one.status == "ok" and figure.of(one) and figure.value(one) is not None]
    for _, group in groupby(sorted(able, key=lambda one: one.cell.id), key=lambda one: one.cell.id):
        records = list(group)
        values = [value for one in records if (value := figure.value(one)) is not None]
        if len(values) < LEAST_SEEDS:
            continue
        interval = one_more(values)
        here = f"{figure.written(interval.low)} to {figure.written(min(interval.high, 1.0))}"
        cell = records[0].cell
        member = Member(Entry.of(cell), None, evidence.certified(records[:1]))
        yield Row(figure, here, (member,), interval)
