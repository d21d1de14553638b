"""Do two adapters learn equally well? Differences of accuracy and of the gap, paired by seed, held to a margin.

The unit is the seed. *Equivalent* needs proof of its own: that no difference was found says nothing, so that the whole
interval of the difference must lie within a margin declared beforehand (two one-sided tests by interval, Schuirmann
1987). The intervals of all comparisons of a table hold together. Simulated size and power: ``docs/statistics.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Literal

from levelfield.harness.judge.statistics import Interval, Key, mean_difference

Word = Literal["equivalent", "different", "inconclusive", "not judged"]
Seeds = Mapping[int, float]  # seed -> the adapter's value for it

MARGIN = 0.005  # of accuracy: half a point
LEAST_SEEDS = {"matched": 20, "idiomatic": 60}
LEAST_TEST_SAMPLES = 700


@dataclass(frozen=True)
class Equivalence:
    """`difference`: own less baseline, mean over the seeds that both have; None where fewer than two are common."""

    word: Word
    difference: Interval | None


def judge(difference: Interval, margin: float = MARGIN) -> Word:
    """*Equivalent*: wholly within ±margin, even without 0; *different*: not within it, and 0 excluded; else open."""
    if -margin <= difference.low and difference.high <= margin:
        return "equivalent"
    return "inconclusive" if difference.low <= 0 <= difference.high else "different"


def compare(
    values: Mapping[Key, Seeds],
    baseline: Seeds,
    *,
    resolution: float,
    quantities: int = 1,
    confidence: float = 0.95,
    margin: float = MARGIN,
    least_seeds: int = LEAST_SEEDS["matched"],
) -> dict[Key, Equivalence]:
    """A word for each adapter of one table against the baseline, from the seeds that both have.

    `quantities`: so many are judged for each adapter (accuracy, gap), one call each. All their intervals hold
    together with `confidence` (Bonferroni's inequality, whatever their dependence). An adapter with fewer than
    `least_seeds` common seeds is *not judged*; it counts all the same, for the number of comparisons is fixed by the
    plan, not by what happened to finish.

    Seeds are paired on the idiomatic track too. There the frameworks draw from streams of their own and pairs are
    independent, which costs 3 % of width at 60 seeds against Welch's interval; but adapters of one framework may
    share a stream, and only the paired interval holds both ways.
    """
    each = 1 - (1 - confidence) / max(1, quantities * len(values))
    found: dict[Key, Equivalence] = {}
    for name, own in values.items():
        pairs = [(own[s], baseline[s]) for s in sorted(own.keys() & baseline.keys())]
        known = [(a, b) for a, b in pairs if isfinite(a) and isfinite(b)]
        if len(known) < 2:
            found[name] = Equivalence("not judged", None)
            continue
        difference = mean_difference([a for a, _ in known], [b for _, b in known], each, resolution=resolution)
        found[name] = Equivalence(judge(difference, margin) if len(known) >= least_seeds else "not judged", difference)
    return found
