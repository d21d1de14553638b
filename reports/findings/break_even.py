"""What starting costs, from an empty compile cache and from a filled one, and when compiling has paid for it.

Each is a figure of its own: a launch that met an empty cache is never in one interval with a launch that met a filled
one. Frameworks that keep nothing on the disk have one figure, under None.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil, copysign, inf, isfinite
from typing import TypeVar

from levelfield.harness.judge import statistics
from levelfield.harness.judge.statistics import Interval, Verdict
from levelfield.harness.records.record import Cache, steady_epoch, step_seconds
from levelfield.reports.findings import words
from levelfield.reports.findings.entries import Entry, Workload
from levelfield.reports.findings.evidence import CONFIDENCE, MARGIN, Comparison, Evidence, Place, too_few
from levelfield.reports.findings.text import NARROW, listing

CACHES: tuple[Cache | None, ...] = ("empty", "filled", None)  # in the order in which they are told
Kind = TypeVar("Kind")


@dataclass(frozen=True)
class Start:
    """Of each cache that launches met, what their first epoch took more than the median steady epoch.

    `extra`: block → seconds. `costs`: its median over launches, with the interval of that.
    """

    place: Place
    extra: Mapping[Cache | None, Mapping[int, float]]
    costs: Mapping[Cache | None, Interval] = field(init=False)

    def __post_init__(self) -> None:
        known = [cache for cache in CACHES if self.extra.get(cache)]
        costs = {cache: statistics.median_interval(list(self.extra[cache].values())) for cache in known}
        object.__setattr__(self, "costs", costs)

    @property
    def highest(self) -> float:
        """The largest of its figures, in seconds."""
        return max(cost.estimate for cost in self.costs.values())

    @property
    def measurable(self) -> bool:
        return any(cost.low > 0 for cost in self.costs.values())


@dataclass(frozen=True)
class Payback:
    """A compiled mode against the eager mode of the same adapter.

    `steps`: where their total times meet, by the cache that the compiled mode met; empty where it is not shown to pay.
    """

    workload: Workload
    compiled: Start
    eager: Start
    verdict: Verdict
    steps: Mapping[Cache | None, Interval]

    @property
    def sentence(self) -> str:
        name, other = self.compiled.place.entry.label, self.eager.place.entry.mode
        word = self.verdict.word
        if word == "faster" and self.steps:
            if all(steps.high <= 0 for steps in self.steps.values()):
                return f"{name} pays from the first step against {other}."
            told = [
                f"some {rounded(steps.estimate)} steps{words.WITH_CACHE[cache]} ({steps_range(steps)})"
                for cache, steps in self.steps.items()
            ]
            return f"{name} pays against {other} after {listing(told)}."
        if word == "slower":
            return f"{name} never pays against {other}: its steady step is {words.speed_phrase(self.verdict)}."
        return f"{name} is not shown to pay against {other}: {words.speed_phrase(self.verdict)}."


def rounded(value: float) -> str:
    """Steps, rounded up to two digits: more would be false precision."""
    if not isfinite(value):
        return "∞"
    whole = ceil(value)
    unit = 10 ** max(0, len(str(whole)) - 2)
    return f"{-(-whole // unit) * unit:,}".replace(",", NARROW)


def steps_range(steps: Interval) -> str:
    low = rounded(max(0.0, steps.low))
    return f"{low}–{rounded(steps.high)}" if isfinite(steps.high) else f"from {low}, no upper limit"


def find(evidence: Evidence, comparison: Comparison) -> tuple[tuple[Start, ...], tuple[Payback, ...]]:
    """All starts, and the paybacks of certified pairs; their intervals of steps hold together with `CONFIDENCE`."""
    starts = []
    for place in comparison.measured:
        extra: dict[Cache | None, dict[int, float]] = {}
        for record in evidence.speed_records(comparison.workload, place.entry):
            if step_seconds(record) and isfinite(record.phases.get("first_epoch", inf)):
                seconds = record.phases["first_epoch"] - steady_epoch(record)
                extra.setdefault(record.cache, {})[record.block] = seconds
        if extra:
            starts.append(Start(place, extra))
    usable = [s for s in starts if s.place.certified is not False]
    pairs = [
        (compiled, eager)
        for compiled in usable
        if compiled.place.entry.compiled
        for eager in usable
        if eager.place.entry.mode == "eager" and same_but_mode(eager.place.entry, compiled.place.entry)
    ]
    each = statistics.shared_confidence(max(1, len(pairs)), CONFIDENCE)
    of_steps = statistics.shared_confidence(max(1, sum(len(c.costs) for c, _ in pairs)), CONFIDENCE)
    return tuple(starts), tuple(payback(comparison.workload, c, e, each, of_steps) for c, e in pairs)


def same_but_mode(a: Entry, b: Entry) -> bool:
    return (a.adapter, a.feed, a.environment) == (b.adapter, b.feed, b.environment)


def payback(workload: Workload, compiled: Start, eager: Start, confidence: float, of_steps: float) -> Payback:
    """`confidence` is that of the verdict, `of_steps` that of each interval of steps."""
    a, b = compiled.place.paired(eager.place)
    if len(a) < statistics.LEAST_BLOCKS:
        return Payback(workload, compiled, eager, too_few(len(a)), {})
    verdict = statistics.judge(statistics.paired_ratio(a, b, confidence), MARGIN)
    steps = {}
    if verdict.word == "faster":
        for cache in compiled.costs:
            own = compiled.extra[cache]
            other = like(eager.extra, cache)
            common = sorted(own.keys() & other.keys())
            if common:
                cost = [own[block] for block in common], [other[block] for block in common]
                steps[cache] = meeting(cost, (b, a), of_steps)
    return Payback(workload, compiled, eager, verdict, {k: v for k, v in steps.items() if v is not None})


def like(by_cache: Mapping[Cache | None, Kind], cache: Cache | None) -> Kind:
    """What launches that met the same cache came to; of a framework that keeps none, what all came to."""
    return by_cache[next(key for key in (cache, None, *CACHES) if key in by_cache)]


Pairs = tuple[list[float], list[float]]


def meeting(cost: Pairs, gain: Pairs, confidence: float) -> Interval | None:
    """After how many steps the first of two has made up for its dearer start; None where its steps gain nothing.

    `cost`: extra seconds of both first epochs, paired; `gain`: seconds a step of the other and of itself, paired. The
    interval is made of one for each, which share its error: it holds at least where both do (Bonferroni's inequality).
    """
    part = 1 - (1 - confidence) / 2
    start, saved = (statistics.paired_difference(*pairs, part) for pairs in (cost, gain))
    if saved.estimate <= 0:
        return None
    ends = [
        seconds / saving if saving > 0 else copysign(inf, seconds)
        for seconds in (start.low, start.high)
        for saving in (saved.low, saved.high)
    ]
    return Interval(max(0.0, start.estimate / saved.estimate), min(ends), max(ends), start.n, confidence)
