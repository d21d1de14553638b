"""Do two adapters learn equally well? Differences of accuracy and of the gap, paired by seed, held to a margin.

The unit is the seed. *Equivalent* needs proof of its own: that no difference was found says nothing, so that the whole
interval of the difference must lie within a margin declared beforehand (two one-sided tests by interval, Schuirmann
1987). The intervals of all comparisons of a table hold together. Simulated size and power: ``docs/statistics.md``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite, sqrt
from typing import Literal

import numpy as np

from levelfield.harness.judge.statistics import Interval
from levelfield.tasks.errors import UserError

Word = Literal["equivalent", "different", "inconclusive", "not judged"]
Seeds = Mapping[int, float]  # seed -> the adapter's value for it

MARGIN = 0.005  # of accuracy: half a point
LEAST_SEEDS = {"matched": 20, "idiomatic": 60}
LEAST_TEST_SAMPLES = 700


@dataclass(frozen=True)
class Comparison:
    """`difference`: own less baseline, mean over the seeds that both have; None where fewer than two are common."""

    word: Word
    difference: Interval | None


def paired_difference(own: Sequence[float], base: Sequence[float], confidence: float, resolution: float) -> Interval:
    """Mean of own − base (value i with value i) with Student's t-interval; infinite limits from one pair.

    `resolution`: the smallest step of a value, 1/700 for an accuracy on 700 samples. The deviation is taken as at
    least this. Matched adapters often agree on every sample for every seed, and the interval would else be a point,
    which is more than some seeds can tell.
    """
    from scipy.special import stdtrit  # much lighter to import than scipy.stats

    if len(own) != len(base):
        raise UserError(f"{len(own)} values cannot be paired with {len(base)}", "pass one value per seed")
    x = np.asarray(own, dtype=np.float64) - np.asarray(base, dtype=np.float64)
    if not len(x) or not np.isfinite(x).all():
        raise UserError("an interval needs finite values, at least one", "leave out what was not measured")
    n, mean = len(x), float(np.mean(x))
    if n < 2:
        return Interval(mean, -inf, inf, n, confidence)
    deviation = max(float(np.std(x, ddof=1)), resolution)
    half = float(stdtrit(n - 1, (1 + confidence) / 2)) * deviation / sqrt(n)
    return Interval(mean, mean - half, mean + half, n, confidence)


def judge(difference: Interval, margin: float = MARGIN) -> Word:
    """*Equivalent*: wholly within ±margin, even without 0; *different*: not within it, and 0 excluded; else open."""
    if -margin <= difference.low and difference.high <= margin:
        return "equivalent"
    return "inconclusive" if difference.low <= 0 <= difference.high else "different"


def compare(
    values: Mapping[str, Seeds],
    baseline: Seeds,
    *,
    resolution: float,
    quantities: int = 1,
    confidence: float = 0.95,
    margin: float = MARGIN,
    least_seeds: int = LEAST_SEEDS["matched"],
) -> dict[str, Comparison]:
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
    found = {}
    for name, own in values.items():
        pairs = [(own[s], baseline[s]) for s in sorted(own.keys() & baseline.keys())]
        known = [(a, b) for a, b in pairs if isfinite(a) and isfinite(b)]
        if len(known) < 2:
            found[name] = Comparison("not judged", None)
            continue
        difference = paired_difference([a for a, _ in known], [b for _, b in known], each, resolution)
        found[name] = Comparison(judge(difference, margin) if len(known) >= least_seeds else "not judged", difference)
    return found
