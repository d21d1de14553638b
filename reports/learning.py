"""What the learning launches say: curves, the generalisation gap of one snapshot, epochs to a target.

The unit is the seed. A gap is always that of one snapshot in evaluation mode: validation − training loss, and
training − validation accuracy; positive means worse on data that was not trained on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal

from harness import statistics
from harness.record import EpochScores, Record
from harness.statistics import Interval
from reports.findings import CONFIDENCE, Entry, Evidence, Workload, holds_certificate

ACCURACY_MARGIN = 0.005
LEAST_SEEDS = {"matched": 20, "idiomatic": 60}
LEAST_TEST_SAMPLES = 700

Equivalence = Literal["equivalent", "different", "inconclusive", "not judged"]


@dataclass(frozen=True)
class Learner:
    """One entry on one workload: its curve for every seed that finished."""

    entry: Entry
    workload: Workload
    curves: Mapping[int, tuple[EpochScores, ...]]  # seed → scores, by epoch
    counts: Mapping[str, int]
    reason: str | None
    certified: bool | None

    def best(self, seed: int) -> EpochScores | None:
        """The snapshot with the smallest validation loss, the earliest of equals; None when no loss is finite."""
        finite = [s for s in self.curves[seed] if isfinite(s.validation.loss)]
        return min(finite, key=lambda s: (s.validation.loss, s.epoch)) if finite else None

    def end(self, seed: int) -> EpochScores:
        return self.curves[seed][-1]

    def bests(self) -> dict[int, EpochScores]:
        return {seed: best for seed in self.curves if (best := self.best(seed))}

    def ends(self) -> dict[int, EpochScores]:
        return {seed: self.end(seed) for seed in self.curves}


@dataclass(frozen=True)
class Study:
    workload: Workload
    learners: tuple[Learner, ...]
    baseline: Learner | None
    test_samples: int | None

    @property
    def seeds(self) -> int:
        return max((len(x.curves) for x in self.learners), default=0)

    @property
    def classification(self) -> bool:
        return any(s.validation.accuracy is not None for x in self.learners for c in x.curves.values() for s in c[:1])

    @property
    def measured(self) -> tuple[Learner, ...]:
        return tuple(x for x in self.learners if x.curves)

    def why_not_judged(self) -> str | None:
        """The rule, fixed beforehand, by which differences of accuracy are too little founded to be judged."""
        need = LEAST_SEEDS.get(self.workload.track, max(LEAST_SEEDS.values()))
        lacks = []
        if self.seeds < need:
            lacks.append(f"{need} seeds (here {self.seeds})")
        if self.test_samples is None:
            lacks.append(f"a known test split of {LEAST_TEST_SAMPLES} samples (here unknown)")
        elif self.test_samples < LEAST_TEST_SAMPLES:
            lacks.append(f"a test split of {LEAST_TEST_SAMPLES} samples (here {self.test_samples})")
        if self.baseline is None:
            lacks.append("the baseline")
        return f"judging needs {' and '.join(lacks)}" if lacks else None


def studies(evidence: Evidence) -> tuple[Study, ...]:
    return tuple(_study(evidence, workload, launches) for workload, launches in evidence.learning)


def _study(evidence: Evidence, workload: Workload, launches: Mapping[Entry, Sequence[Record]]) -> Study:
    learners = tuple(_learner(evidence, workload, entry, own) for entry, own in launches.items())
    base = next((x for x in learners if x.entry == evidence.baseline and x.curves), None)
    return Study(workload, learners, base, _test_samples(evidence.run.tasks.get(workload.task, {})))


def _learner(evidence: Evidence, workload: Workload, entry: Entry, launches: Sequence[Record]) -> Learner:
    curves = {}
    counts: dict[str, int] = {}
    reason = None
    for record in launches:
        counts[record.status] = counts.get(record.status, 0) + 1
        if record.status != "ok":
            reason = record.reason or f"{record.status}, and no reason was recorded"
            continue
        scores = sorted(record.epochs, key=lambda s: s.epoch)
        if record.final and (not scores or record.final.epoch > scores[-1].epoch):
            scores.append(record.final)
        if scores:
            curves[record.seed] = tuple(scores)
        else:
            reason = "no epoch was evaluated"
    certified = holds_certificate(entry, workload.device, evidence.certificates, launches)
    return Learner(entry, workload, dict(sorted(curves.items())), counts, reason, certified)


def _test_samples(task: Mapping[str, Any]) -> int | None:
    samples = task.get("samples", {})
    found = samples.get("test") if isinstance(samples, Mapping) else None
    return int(found) if isinstance(found, int | float) and isfinite(found) else None


# Quantities of one snapshot


def loss_gap(s: EpochScores) -> float | None:
    return s.validation.loss - s.train.loss


def accuracy_gap(s: EpochScores) -> float | None:
    if s.train.accuracy is None or s.validation.accuracy is None:
        return None
    return s.train.accuracy - s.validation.accuracy


def accuracy_on_test(s: EpochScores) -> float | None:
    return s.test.accuracy


def loss_on_test(s: EpochScores) -> float | None:
    return s.test.loss


def mean_of(snapshots: Mapping[int, EpochScores], quantity: Callable[[EpochScores], float | None]) -> Interval | None:
    """Mean over seeds with its t-interval (infinite limits for one seed); None where nothing finite is known."""
    values = [v for s in snapshots.values() if (v := quantity(s)) is not None and isfinite(v)]
    return statistics.mean_interval(values, CONFIDENCE) if values else None


def against_baseline(
    study: Study, learner: Learner, quantity: Callable[[EpochScores], float | None], margin: float
) -> tuple[Equivalence, Interval | None]:
    """The paired difference to the baseline at the best snapshots, and whether it is equivalent to ±`margin`."""
    if study.baseline is None or learner.entry == study.baseline.entry or learner.certified is False:
        return "not judged", None
    own, base = learner.bests(), study.baseline.bests()
    pairs = [(quantity(own[s]), quantity(base[s])) for s in sorted(own.keys() & base.keys())]
    known = [(a, b) for a, b in pairs if a is not None and b is not None and isfinite(a) and isfinite(b)]
    if len(known) < 2:
        return "not judged", None
    comparisons = max(1, len(study.measured) - 1)
    difference = statistics.mean_difference(
        [a for a, _ in known], [b for _, b in known], 1 - (1 - CONFIDENCE) / comparisons
    )
    need = LEAST_SEEDS.get(study.workload.track, max(LEAST_SEEDS.values()))
    if study.why_not_judged() or len(known) < need:
        return "not judged", difference
    return statistics.equivalence(difference, margin), difference


def mean_curve(
    learner: Learner, quantity: Callable[[EpochScores], float | None], most: int = 200
) -> tuple[list[int], list[float]]:
    """(epochs, means over the seeds that were evaluated there), thinned to at most `most` points."""
    sums: dict[int, list[float]] = {}
    for curve in learner.curves.values():
        for s in curve:
            value = quantity(s)
            if value is not None and isfinite(value):
                sums.setdefault(s.epoch, []).append(value)
    epochs = thin(sorted(sums), most)
    return epochs, [sum(sums[e]) / len(sums[e]) for e in epochs]


def thin(items: Sequence[int], most: int) -> list[int]:
    """At most `most` of the items, evenly spread, first and last among them."""
    if len(items) <= most:
        return list(items)
    step = (len(items) - 1) / (most - 1)
    return [items[round(i * step)] for i in range(most)]
