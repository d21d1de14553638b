"""What the fits of a study say: quantities over one axis, with intervals over seeds, and how far adapters agree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite

import numpy as np

from levelfield.harness.judge import bias_variance, statistics
from levelfield.harness.judge.statistics import Interval
from levelfield.harness.records.cell import Cell
from levelfield.harness.records.record import EpochScores, Record, StudyName
from levelfield.reports.findings import intervals
from levelfield.reports.findings.evidence import CONFIDENCE, Evidence
from levelfield.reports.findings.learning import Quantity, loss_gap

FIVE_POINTS = "five-points"  # the task
LEAST_WIDTHS = 3  # fewer are no study

Where = tuple[str, str]  # adapter, mode
Values = Mapping[Where, Mapping[int, float]]  # by seed


def test_error(s: EpochScores) -> float | None:
    return s.test.loss if s.test.accuracy is None else 1 - s.test.accuracy


QUANTITIES: dict[str, Quantity] = {"gap in loss": loss_gap, "test error": test_error}
ERRORS: dict[str, Quantity] = {"training loss": lambda s: s.train.loss, "validation loss": lambda s: s.validation.loss}


@dataclass(frozen=True)
class Level:
    """One place on the axis: `values` of each quantity."""

    name: str
    values: Mapping[str, Values]

    def of(self, quantity: str, where: Where) -> Mapping[int, float]:
        return self.values.get(quantity, {}).get(where, {})

    def mean(self, quantity: str, where: Where) -> Interval | None:
        found = list(self.of(quantity, where).values())
        return intervals.mean_of(found) if found else None


@dataclass(frozen=True)
class Turn:
    """A level at which a quantity is lowest or highest; how it changes from the first one, and to the last."""

    level: Level
    before: Interval
    after: Interval


@dataclass(frozen=True)
class Series:
    """The levels along one axis, in order; `main` is the entry with the most fits."""

    axis: str
    levels: tuple[Level, ...]
    main: Where

    def change(self, quantity: str, start: Level, end: Level, comparisons: int = 1) -> Interval | None:
        """`end` less `start`, paired by seed, for the main entry; simultaneous over so many comparisons."""
        a, b = start.of(quantity, self.main), end.of(quantity, self.main)
        seeds = sorted(a.keys() & b.keys())
        if len(seeds) < 2:
            return None
        return statistics.mean_interval([b[s] - a[s] for s in seeds], 1 - (1 - CONFIDENCE) / comparisons)

    def turns(self, quantity: str, comparisons: int = 1) -> list[Turn]:
        """The lowest level between the ends, and the highest, where the intervals of both changes exclude zero.

        Which level that is the same fits decide; the intervals hold together for all that it might have been.
        """
        first, *between, last = self.levels
        means = {i: mean.estimate for i, level in enumerate(between) if (mean := level.mean(quantity, self.main))}
        found = []
        for choose, valley in ((min, True), (max, False)) if means else ():
            level, among = between[choose(means, key=means.__getitem__)], 2 * len(between) * comparisons
            before, after = self.change(quantity, first, level, among), self.change(quantity, level, last, among)
            if before and after and _turns(before, after, valley):
                found.append(Turn(level, before, after))
        return found

    def same_way(self, quantity: str, start: Level, end: Level, grows: bool) -> list[bool]:
        """For each other entry that has both levels: whether its mean changes like that."""
        found = []
        for where in start.values.get(quantity, {}).keys() - {self.main}:
            a, b = start.of(quantity, where), end.of(quantity, where)
            if seeds := a.keys() & b.keys():
                found.append((sum(b[s] - a[s] for s in seeds) > 0) == grows)
        return found

    def confirmed(self, quantity: str) -> int:
        """Levels on which another entry was fitted with a seed of the main one's."""
        return sum(
            any(
                own.keys() & level.of(quantity, self.main).keys() for where, own in values.items() if where != self.main
            )
            for level in self.levels
            if (values := level.values.get(quantity, {}))
        )

    def others(self, quantity: str) -> dict[Where, float]:
        """For each other entry its largest deviation from the main one on the same level and seed."""
        found: dict[Where, float] = {}
        for level in self.levels:
            own = level.of(quantity, self.main)
            for where, values in level.values.get(quantity, {}).items():
                for seed in values.keys() & own.keys() if where != self.main else ():
                    found[where] = max(found.get(where, 0.0), abs(values[seed] - own[seed]))
        return found


def _turns(before: Interval, after: Interval, valley: bool) -> bool:
    return before.high < 0 < after.low if valley else after.high < 0 < before.low


def axes(study: StudyName, cell: Cell) -> Iterator[tuple[str, float, str]]:
    """(axis, place, name) of every series that a fit belongs to."""
    hidden, variant = cell.model.hidden, cell.variant
    match study:
        case "five-points":
            parameters = 2 if not hidden else 3 * hidden[0] + 1
            yield "parameters", parameters, f"{parameters} ({cell.model.name})"
        case "capacity":
            if len(hidden) == 1:
                yield "width", hidden[0], str(hidden[0])
            if hidden and set(hidden) == {64}:
                yield "hidden layers of 64", len(hidden), str(len(hidden))
        case "samples":
            yield "share of training samples", 100 * variant.share, f"{100 * variant.share:g} %"
        case "noise":
            if not variant.input_noise:
                yield "labels flipped", 100 * variant.label_noise, f"{100 * variant.label_noise:g} %"
            if not variant.label_noise:
                yield "input noise", variant.input_noise, f"{variant.input_noise:g}"
        case "regularisation":
            remedies = [("L2", bool(cell.model.l2)), ("dropout", bool(cell.model.dropout))]
            remedies += [("early stopping", cell.recipe.early_stopping is not None)]
            used = [name for name, on in remedies if on]
            named = "all together" if len(used) == 3 else " and ".join(used) or "none"
            yield "remedy", sum(2**i for i, (_, on) in enumerate(remedies) if on), named
        case "bias-variance":
            yield "width", hidden[0] if hidden else 0, str(hidden[0] if hidden else 0)


def fits(evidence: Evidence) -> dict[StudyName, list[Record]]:
    """Of every study of the run, its fits that ended well, on one device each; those that hold no certificate take no
    part. A suite that names no study may hold two: the lesson's five points, and one setting in several widths.
    """
    records = [r for r in evidence.latest if r.cell.kind == "learning" and r.status == "ok" and r.final is not None]
    records = [r for r in records if r.cell.replicas == 1 and evidence.certified([r]) is not False]
    if study := evidence.run.study:
        return {study: records}
    lesson = [r for r in records if r.cell.task == FIVE_POINTS and r.cell.track == "matched"]
    widths: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        if record.cell.task != FIVE_POINTS and len(record.cell.model.hidden) == 1:
            widths[_setting(record.cell)].append(record)
    widest = max(widths.values(), key=_widths, default=[])
    found: dict[StudyName, list[Record]] = {}
    if len({r.cell.model.hidden for r in lesson}) > 1:
        found["five-points"] = lesson
    if _widths(widest) >= LEAST_WIDTHS:
        found["capacity"] = widest
    return found


def _setting(cell: Cell) -> str:
    """All that changes what is learnt, but for the width and the adapter."""
    model = replace(cell.model, name="", hidden=())
    return str((cell.task, cell.variant, cell.track, cell.device, cell.precision, model, replace(cell.recipe, name="")))


def _widths(records: Sequence[Record]) -> int:
    return len({r.cell.model.hidden for r in records})


def series(study: StudyName, records: Sequence[Record]) -> tuple[Series, ...]:
    """One for each axis along which the `fits` of a study differ."""
    groups: dict[str, dict[tuple[float, str], list[Record]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        for axis, place, name in axes(study, record.cell):
            groups[axis][place, name].append(record)
    made = []
    for axis, levels in groups.items():
        if len(levels) < 2:
            continue
        counts: dict[Where, int] = defaultdict(int)
        for own in levels.values():
            for record in own:
                counts[record.cell.adapter, record.cell.mode] += 1
        main = max(counts, key=lambda where: (counts[where], where))
        measure = _decomposed if study == "bias-variance" else _quantities
        made.append(Series(axis, tuple(Level(name, measure(own)) for (_, name), own in sorted(levels.items())), main))
    return tuple(sorted(made, key=lambda one: -len(one.levels)))


def _quantities(records: Sequence[Record]) -> dict[str, Values]:
    found: dict[str, dict[Where, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    for record in records:
        for name, quantity in (QUANTITIES | ERRORS).items():
            value = quantity(record.final) if record.final else None
            if value is not None and isfinite(value):
                found[name][record.cell.adapter, record.cell.mode][record.seed] = value
    return {name: dict(values) for name, values in found.items()}


def _decomposed(records: Sequence[Record]) -> dict[str, Values]:
    """Of every seed whose fits on all parts are there; the classes of the test split are told by `test_classes`."""
    fits: dict[tuple[Where, int], dict[int, Record]] = defaultdict(dict)
    for record in records:
        if record.test_log_probabilities:
            fits[(record.cell.adapter, record.cell.mode), record.seed][record.cell.variant.part] = record
    found: dict[str, dict[Where, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    for (where, seed), parts in fits.items():
        some = next(iter(parts.values()))
        if len(parts) < max(2, some.cell.variant.parts):
            continue
        logs = np.array([parts[k].test_log_probabilities for k in sorted(parts)])
        y = np.array(some.test_classes)
        for name, split in {
            "squared loss": bias_variance.squared(np.exp(logs), np.eye(logs.shape[2])[y]),
            "cross-entropy": bias_variance.cross_entropy(logs, y),
            "0-1 loss": bias_variance.zero_one(logs.argmax(axis=2), y),
        }.items():
            found[f"bias, {name}"][where][seed] = split.bias
            found[f"variance, {name}"][where][seed] = split.variance
    return {name: dict(values) for name, values in found.items()}
