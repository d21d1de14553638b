"""What the learning launches say: curves, the generalisation gap of one snapshot, epochs to a target.

The unit is the seed. A gap is always that of one snapshot in evaluation mode: validation − training loss, and
training − validation accuracy; positive means worse on data that was not trained on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import inf, isfinite
from typing import Any, Protocol, TypeVar

from levelfield.harness.judge import equivalence
from levelfield.harness.judge.equivalence import LEAST_SEEDS, LEAST_TEST_SAMPLES, Equivalence
from levelfield.harness.judge.statistics import Interval
from levelfield.harness.records.record import EpochScores, Record
from levelfield.reports.findings import intervals, task_facts
from levelfield.reports.findings.entries import Entry, Workload
from levelfield.reports.findings.evidence import CONFIDENCE, Evidence, baseline_among, holds_certificate
from levelfield.reports.findings.text import capital, listing


@dataclass(frozen=True)
class Learner:
    """One entry on one workload: its curve for every seed that finished."""

    entry: Entry
    workload: Workload
    curves: Mapping[int, tuple[EpochScores, ...]]  # seed → scores, by epoch
    counts: Mapping[str, int]
    reason: str | None
    certified: bool | None
    finals: Mapping[int, EpochScores] = field(default_factory=dict)  # of the weights that training left

    @property
    def poor(self) -> str:
        """How launches that gave nothing ended, the worst first; empty where none did."""
        return next((s for s in ("failed", "unsupported", "skipped") if self.counts.get(s)), "")

    def best(self, seed: int) -> EpochScores | None:
        """The snapshot with the smallest validation loss, the earliest of equals; None when no loss is finite."""
        finite = [s for s in self.curves[seed] if isfinite(s.validation.loss)]
        return min(finite, key=lambda s: (s.validation.loss, s.epoch)) if finite else None

    def end(self, seed: int) -> EpochScores:
        return self.finals.get(seed, self.curves[seed][-1])

    def onset(self, seed: int) -> int | None:
        """The epoch from which on validation only gets worse than it was there: that of the best snapshot.

        None where that is the last one evaluated: overfitting has not set in.
        """
        best = self.best(seed)
        return None if best is None or best.epoch == self.curves[seed][-1].epoch else best.epoch

    def excess(self, seed: int) -> float | None:
        """Validation loss of the last evaluation less the best one."""
        best = self.best(seed)
        return None if best is None else self.curves[seed][-1].validation.loss - best.validation.loss

    def bests(self) -> dict[int, EpochScores]:
        return {seed: best for seed in self.curves if (best := self.best(seed))}

    def ends(self) -> dict[int, EpochScores]:
        return {seed: self.end(seed) for seed in self.curves}


APART = 0.005  # of a curve's height


@dataclass(frozen=True)
class Alike:
    """Learners with one curve; `distance`: the largest of any loss of theirs to that of the first."""

    learners: tuple[Learner, ...]
    distance: float
    everybody: bool

    @property
    def label(self) -> str:
        return alike_label([x.entry for x in self.learners], self.everybody)


def alike_label(entries: Sequence[Entry], everybody: bool) -> str:
    """The name of one, or how many they are."""
    if len(entries) == 1:
        return entries[0].label
    return f"all {len(entries)} entries" if everybody else f"{len(entries)} alike"


class Learnt(Protocol):
    @property
    def learner(self) -> Learner: ...


Found = TypeVar("Found", bound=Learnt)


def one_of_each(
    found: Sequence[Found], shown: Callable[[Found], Hashable]
) -> tuple[list[Found], list[list[Entry]], list[str]]:
    """One of each group that is `shown` alike, the entries of the groups, and their names."""
    groups: dict[Hashable, list[Found]] = defaultdict(list)
    for one in found:
        groups[shown(one)].append(one)
    entries = [[one.learner.entry for one in own] for own in groups.values()]
    return [own[0] for own in groups.values()], entries, [alike_label(own, len(groups) == 1) for own in entries]


def _losses(learner: Learner) -> list[tuple[int, int, float]]:
    return [
        (seed, s.epoch, v) for seed, c in learner.curves.items() for s in c for v in (s.train.loss, s.validation.loss)
    ]


def _distance(a: Learner, b: Learner) -> float:
    """Of any loss of the same seed and epoch; infinite where they were not evaluated alike, or diverged."""
    ours, theirs = _losses(a), _losses(b)
    if [x[:2] for x in ours] != [x[:2] for x in theirs]:
        return inf
    apart = max((abs(x[2] - y[2]) for x, y in zip(ours, theirs, strict=True)), default=inf)
    return apart if isfinite(apart) else inf


def _height(learner: Learner) -> float:
    values = [v for _, _, v in _losses(learner) if isfinite(v)]
    return max(values) - min(values) if values else 0.0


@dataclass(frozen=True)
class Study:
    workload: Workload
    learners: tuple[Learner, ...]
    baseline: Learner | None
    samples: Mapping[str, int]  # split → how many, as far as known
    task: Mapping[str, Any] = field(default_factory=dict)  # what the run's head says about it

    @property
    def guess(self) -> float | None:
        """What is reached on the test split without looking: an accuracy, or a loss."""
        return task_facts.guess(self.task)

    @property
    def beside(self) -> str:
        """What guessing reaches, and who does worse; a sentence, or nothing."""
        if self.guess is None:
            return ""
        test = accuracy_on_test if self.classification else loss_on_test
        means = {x.entry.label: mean_of(x.bests(), test) for x in self.measured}
        sign = 1 if self.classification else -1
        worse = [name for name, mean in means.items() if mean and sign * (mean.estimate - self.guess) < 0]
        told = capital(task_facts.guessing(self.task, self.guess))
        return told + (f"; worse than that: {listing(worse, most=4)}." if worse else ".")

    @property
    def seeds(self) -> int:
        return max((len(x.curves) for x in self.learners), default=0)

    @cached_property
    def alike(self) -> tuple[Alike, ...]:
        """The measured learners by their curves, those that nobody could tell apart in a picture together."""
        groups: list[list[Learner]] = []
        far: list[float] = []
        for learner in self.measured:
            for i, own in enumerate(groups):
                distance = _distance(learner, own[0])
                if distance <= APART * _height(own[0]):
                    own.append(learner)
                    far[i] = max(far[i], distance)
                    break
            else:
                groups.append([learner])
                far.append(0.0)
        return tuple(Alike(tuple(own), d, len(own) == len(self.measured)) for own, d in zip(groups, far, strict=True))

    @property
    def classification(self) -> bool:
        return any(s.validation.accuracy is not None for x in self.learners for c in x.curves.values() for s in c[:1])

    @property
    def least_seeds(self) -> int:
        return LEAST_SEEDS.get(self.workload.track, max(LEAST_SEEDS.values()))

    @property
    def measured(self) -> tuple[Learner, ...]:
        return tuple(x for x in self.learners if x.curves)

    def why_not_judged(self) -> str | None:
        """The rule, fixed beforehand, by which differences of accuracy are too little founded to be judged."""
        lacks, test = [], self.samples.get("test")
        if self.seeds < self.least_seeds:
            lacks.append(f"{self.least_seeds} seeds (here {self.seeds})")
        if test is None:
            lacks.append(f"a known test split of {LEAST_TEST_SAMPLES} samples (here unknown)")
        elif test < LEAST_TEST_SAMPLES:
            lacks.append(f"a test split of {LEAST_TEST_SAMPLES} samples (here {test})")
        if self.baseline is None:
            lacks.append("the baseline")
        if self.baseline and self.baseline.certified is False:
            lacks.append("a certificate of the baseline")
        return f"judging needs {' and '.join(lacks)}" if lacks else None


def studies(evidence: Evidence) -> tuple[Study, ...]:
    """Without published trainings that were replayed: their figures are compared one by one, see findings.published."""
    own = ((workload, launches) for workload, launches in evidence.learning if workload.replays is None)
    return tuple(_study(evidence, workload, launches) for workload, launches in own)


def _study(evidence: Evidence, workload: Workload, launches: Mapping[Entry, Sequence[Record]]) -> Study:
    learners = tuple(_learner(evidence, workload, entry, own) for entry, own in launches.items())
    named = baseline_among([x.entry for x in learners], evidence.baseline)
    base = next((x for x in learners if x.entry == named and x.curves), None)
    task = evidence.run.tasks.get(workload.task, {})
    return Study(workload, learners, base, _samples(task), task)


def _learner(evidence: Evidence, workload: Workload, entry: Entry, launches: Sequence[Record]) -> Learner:
    curves, finals = {}, {}
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
            finals[record.seed] = record.final or scores[-1]
        else:
            reason = "no epoch was evaluated"
    certified = holds_certificate(entry, workload, evidence.certificates, launches)
    return Learner(entry, workload, dict(sorted(curves.items())), counts, reason, certified, finals)


def _samples(task: Mapping[str, Any]) -> dict[str, int]:
    found = task.get("samples", {})
    known = found.items() if isinstance(found, Mapping) else ()
    return {split: int(n) for split, n in known if isinstance(n, int | float) and isfinite(n) and n > 0}


def untrained(evidence: Evidence) -> str:
    """Why only some of the adapters that were timed are trained for what is learnt; a sentence, or nothing."""
    places = [p for c in evidence.speed if c.workload.track == "matched" for p in c.places]
    timed = {p.entry.adapter for p in places if p.certified and p.counts.get("ok")}
    trained = {
        entry.adapter for workload, launches in evidence.learning if workload.track == "matched" for entry in launches
    }
    if not trained or timed <= trained:
        return ""
    both = len(timed & trained)
    return (
        f"Of {len(timed)} timed adapters, {both} {'is' if both == 1 else 'are'} trained here: by their certificates, "
        "matched adapters start alike and step alike, so that the others would learn the same."
    )


# Quantities of one snapshot

Quantity = Callable[[EpochScores], float | None]


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


# What a quantity can be at least and at most: no interval is shown to be wider
LIMITS: Mapping[Quantity, tuple[float, float]] = {
    accuracy_gap: (-1, 1),
    accuracy_on_test: (0, 1),
    loss_on_test: (0, inf),
}


def mean_of(snapshots: Mapping[int, EpochScores], quantity: Quantity) -> Interval | None:
    """Mean over seeds with its t-interval (infinite limits for one or two seeds); None where nothing is finite."""
    values = [v for s in snapshots.values() if (v := quantity(s)) is not None and isfinite(v)]
    return intervals.mean_of(values, *LIMITS.get(quantity, (-inf, inf))) if values else None


JUDGED = {"test accuracy": (accuracy_on_test, "test"), "gap": (accuracy_gap, "validation")}
"""What is held to the baseline's, at the best snapshots, and the smallest split that it is computed from."""


def against_baseline(study: Study, what: str) -> dict[Entry, Equivalence]:
    """Every certified learner's difference to the baseline in one quantity of `JUDGED`, all of them together."""
    base = study.baseline
    if base is None:
        return {}
    quantity, split = JUDGED[what]

    def of(learner: Learner) -> dict[int, float]:
        return {seed: v for seed, best in learner.bests().items() if (v := quantity(best)) is not None}

    own = {x.entry: of(x) for x in study.measured if x.entry != base.entry and x.certified is not False}
    found = equivalence.compare(
        own,
        of(base),
        resolution=1 / study.samples.get(split, 1),
        quantities=len(JUDGED),
        confidence=CONFIDENCE,
        least_seeds=study.least_seeds,
    )
    if study.why_not_judged():
        found = {entry: Equivalence("not judged", one.difference) for entry, one in found.items()}
    return {
        entry: Equivalence(one.word, intervals.bounded(one.difference, -1, 1) if one.difference else None)
        for entry, one in found.items()
    }


def mean_curve(learner: Learner, quantity: Quantity) -> tuple[list[int], list[float]]:
    """(epochs, means over the seeds that were evaluated there), thinned to at most 200 points."""
    sums: dict[int, list[float]] = {}
    for curve in learner.curves.values():
        for s in curve:
            value = quantity(s)
            if value is not None and isfinite(value):
                sums.setdefault(s.epoch, []).append(value)
    epochs = thin(sorted(sums), 200)
    return epochs, [sum(sums[e]) / len(sums[e]) for e in epochs]


def thin(items: Sequence[int], most: int) -> list[int]:
    """At most `most` of the items, evenly spread, first and last among them."""
    if len(items) <= most:
        return list(items)
    step = (len(items) - 1) / (most - 1)
    return [items[round(i * step)] for i in range(most)]
