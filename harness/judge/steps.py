"""Steps in a series: from which value on is it another one, and by how much?

Candidates are the change points of PELT (Killick, Fearnhead & Eckley 2012) for a shifted mean of the logarithms, as
ruptures computes it, with the penalty of the Bayesian information criterion and the noise of neighbours' differences.
That finds too many, so that each must pass a test: its t-interval, whose confidence is shared among all places where a
step could be, excludes 1, its estimate is outside of the margin, and two values of each level lie nearer to it than to
the other. What passes least is taken back first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import exp, inf, log, sqrt

import numpy as np

from levelfield.harness.judge.statistics import Interval, half_length, log_ratios

LEAST_VALUES = 2  # on each side of a step: one value alone may be an accident
LEAST_SERIES = 2 * LEAST_VALUES
_LEAST_NOISE = 1e-6  # of values that repeat themselves to the last digit


@dataclass(frozen=True)
class Step:
    """The value at place `first` is the first one after it; `ratio` is that of the level after to the one before."""

    first: int
    ratio: Interval


def find(values: Sequence[float], *, confidence: float = 0.95, margin: float = 0.03) -> list[Step]:
    """Steps of a series of positive values, in its order; all of them hold together with `confidence`.

    A series of less than LEAST_SERIES values has none. Raises UserError for a value that is not positive and finite.
    """
    if len(values) < LEAST_SERIES:
        return []
    x = log_ratios(values, [1.0] * len(values))
    each = 1 - (1 - confidence) / (len(x) - 1)
    places = _candidates(x)
    while places:
        found = _judged(x, places, each, margin)
        least, weakest = min(found, key=lambda one: one[0])
        if least > 0:
            return [step for _, step in found]
        places.remove(weakest.first)
    return []


def _candidates(x: np.ndarray) -> list[int]:
    from ruptures import Pelt

    differences = np.diff(x)
    noise = 1.4826 * np.median(np.abs(differences - np.median(differences))) / sqrt(2)
    penalty = 2 * max(float(noise), _LEAST_NOISE) ** 2 * log(len(x))
    return [int(place) for place in Pelt(model="l2", min_size=LEAST_VALUES, jump=1).fit(x).predict(pen=penalty)[:-1]]


def _judged(x: np.ndarray, places: Sequence[int], confidence: float, margin: float) -> list[tuple[float, Step]]:
    """The steps at these places, each with how far it is from being none, in logarithms: not positive where it is.

    The spread within the levels is that of all.
    """
    levels = [x[begin:end] for begin, end in pairwise([0, *places, len(x)])]
    freedom = len(x) - len(levels)
    variance = sum(float(((level - level.mean()) ** 2).sum()) for level in levels) / freedom
    found = []
    for place, (before, after) in zip(places, pairwise(levels), strict=True):
        n = 1 / (1 / len(before) + 1 / len(after))
        centre = float(after.mean() - before.mean())
        half = float(half_length(np.array(variance), freedom, np.array(n), confidence))
        ratio = Interval(exp(centre), exp(centre - half), exp(centre + half), len(before) + len(after), confidence)
        clearance = abs(centre) - max(half, log(1 + margin))
        found.append((clearance if _borne(before, after) else -inf, Step(place, ratio)))
    return found


def _borne(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether values enough of each level lie nearer to it than to the other: the mean of few follows an outlier."""
    middle = (before.mean() + after.mean()) / 2
    upward = after.mean() > before.mean()
    return bool(min(((before > middle) != upward).sum(), ((after > middle) == upward).sum()) >= LEAST_VALUES)
