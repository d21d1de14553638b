"""From paired blocks to words: intervals of ratios, and what may be said about them.

The unit of replication is the launch, and the launches of one block form pairs (same seed, same minute), so that
everything starts from the per-block log-ratio of a cell to the baseline. The intervals of one table hold together.
Why these methods and not others, with their simulated coverage: ``docs/statistics.md``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import exp, inf, isfinite, log, sqrt
from typing import Literal

import numpy as np

from tasks.errors import UserError, unknown

Word = Literal["faster", "slower", "tied", "inconclusive", "not judged"]
Blocks = Mapping[int, float]  # block -> the cell's value in that block

LEAST_BLOCKS = 5


@dataclass(frozen=True)
class Interval:
    """An estimate from `n` values with limits that hold the true value with probability `confidence`.

    `confidence` is that of this one interval: where several hold together it is higher than that of the table.
    """

    estimate: float
    low: float
    high: float
    n: int
    confidence: float


@dataclass(frozen=True)
class Verdict:
    """What may be said about one cell against the baseline, and why.

    `ratio` > 1 means that the cell takes longer. `material`: the difference also clears the margin.
    """

    word: Word
    material: bool
    ratio: Interval | None
    margin: float
    reason: str


# Intervals


def paired_ratio(cell: Sequence[float], baseline: Sequence[float], confidence: float = 0.95) -> Interval:
    """Ratio cell / baseline of paired positive values (block i with block i); > 1: the cell takes longer.

    Raises UserError when the lengths differ or a value is not positive and finite.
    """
    if len(cell) != len(baseline) or not len(cell):
        raise UserError(f"{len(cell)} values cannot be paired with {len(baseline)}", "pass one value per block")
    difference = _logs(cell) - _logs(baseline)
    centre = _location(difference, confidence)
    return Interval(exp(centre.estimate), _exp(centre.low), _exp(centre.high), centre.n, confidence)


def _location(x: np.ndarray, confidence: float) -> Interval:
    drop = _walsh_to_drop(len(x), confidence)
    return _student(x, confidence) if drop is None else _hodges_lehmann(x, drop, confidence)


def _hodges_lehmann(x: np.ndarray, drop: int, confidence: float) -> Interval:
    """Pseudomedian and the interval that inverts the signed-rank test (Hollander & Wolfe, section 3.2-3.3)."""
    rows, columns = np.triu_indices(len(x))
    walsh = np.sort((x[rows] + x[columns]) / 2)
    return Interval(float(np.median(walsh)), float(walsh[drop]), float(walsh[-1 - drop]), len(x), confidence)


def _student(x: np.ndarray, confidence: float) -> Interval:
    from scipy.special import stdtrit  # much lighter to import than scipy.stats

    n, mean = len(x), float(np.mean(x))
    if n < 2:
        return Interval(mean, -inf, inf, n, confidence)
    half = float(stdtrit(n - 1, (1 + confidence) / 2)) * float(np.std(x, ddof=1)) / sqrt(n)
    return Interval(mean, mean - half, mean + half, n, confidence)


@cache
def _walsh_to_drop(n: int, confidence: float) -> int | None:
    """How many Walsh averages fall away at each end; None when even the range has less than `confidence`."""
    counts = np.ones(1)
    for rank in range(1, n + 1):  # convolution with (1 + z^rank) / 2: each rank is negative with probability 1/2
        shifted = np.zeros(len(counts) + rank)
        shifted[: len(counts)] += counts / 2
        shifted[rank:] += counts / 2
        counts = shifted
    tail = np.cumsum(counts)
    allowed = int(np.searchsorted(tail, (1 - confidence) / 2 * (1 + 1e-9), side="right"))
    return allowed - 1 if allowed else None


def median_interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """Median with the interval between two order statistics that inverts the sign test (no shape is assumed).

    Fewer than six values have no such interval at 95 %: the range is given, with the confidence that it has.
    """
    from scipy.special import bdtr

    x = np.sort(_finite(values))
    n = len(x)
    drop = 0
    while 2 * drop + 2 < n and 2 * bdtr(drop + 1, n, 0.5) <= 1 - confidence:
        drop += 1
    covered = 1 - 2 * float(bdtr(drop, n, 0.5))
    return Interval(float(np.median(x)), float(x[drop]), float(x[-1 - drop]), n, min(confidence, max(covered, 0.0)))


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """Mean with Student's t-interval; from one value the limits are infinite."""
    return _student(_finite(values), confidence)


def mean_difference(a: Sequence[float], b: Sequence[float], confidence: float = 0.95) -> Interval:
    """Mean of the paired differences a − b with Student's t-interval (gaps and accuracies, paired by seed)."""
    if len(a) != len(b):
        raise UserError(f"{len(a)} values cannot be paired with {len(b)}", "pass one value per seed")
    return _student(_finite(a) - _finite(b), confidence)


def geometric_mean(ratios: Sequence[Interval]) -> Interval:
    """Geometric mean of ratios from different workloads; `n` is their number.

    The limits combine the errors of the workloads as independent ones, each side by itself (MOVER: Zou & Donner
    2008). The workloads are taken as they are, not as a sample of others. All rows of a table must average over
    the same workloads: see `complete_workloads`. Raises UserError when there are none, or confidences differ.
    """
    if not ratios:
        raise UserError("no ratios to average", "no workload was completed by every row")
    if len({r.confidence for r in ratios}) > 1:
        raise UserError("ratios of different confidence cannot be averaged", "use one confidence for the table")
    centre = [log(r.estimate) for r in ratios]
    below = sqrt(sum((c - _log(r.low)) ** 2 for c, r in zip(centre, ratios, strict=True)))
    above = sqrt(sum((_log(r.high) - c) ** 2 for c, r in zip(centre, ratios, strict=True)))
    n = len(ratios)
    mean = sum(centre) / n
    return Interval(exp(mean), _exp(mean - below / n), _exp(mean + above / n), n, ratios[0].confidence)


def complete_workloads(tables: Mapping[str, Mapping[str, Interval | None]]) -> list[str]:
    """Of workload -> row -> ratio: the workloads in which every row that occurs anywhere has a ratio."""
    rows = {row for table in tables.values() for row in table}
    return [name for name, table in tables.items() if all(table.get(row) is not None for row in rows)]


# Words


def judge(ratio: Interval | None, margin: float = 0.03) -> Verdict:
    """The word for one interval: *tied* inside the margin, *faster*/*slower* when it excludes 1, else open."""
    if ratio is None:
        return Verdict("not judged", False, None, margin, "not measured")
    low, high, percent = 1 / (1 + margin), 1 + margin, f"±{100 * margin:g} %"
    if low <= ratio.low and ratio.high <= high:
        return Verdict("tied", False, ratio, margin, f"the interval lies within {percent}")
    if ratio.low <= 1 <= ratio.high:
        return Verdict("inconclusive", False, ratio, margin, f"the interval holds 1 and leaves {percent}")
    material = ratio.high < low or ratio.low > high
    reason = f"the interval excludes 1 and {'clears' if material else 'reaches into'} {percent}"
    return Verdict("faster" if ratio.high < 1 else "slower", material, ratio, margin, reason)


def equivalence(difference: Interval, margin: float) -> Literal["equivalent", "different", "inconclusive"]:
    """Two one-sided tests by interval (Schuirmann 1987): *equivalent* inside ±margin, *different* without 0."""
    if -margin <= difference.low and difference.high <= margin:
        return "equivalent"
    return "inconclusive" if difference.low <= 0 <= difference.high else "different"


def compare(
    cells: Mapping[str, Blocks],
    baseline: str,
    *,
    confidence: float = 0.95,
    margin: float = 0.03,
    least_blocks: int = LEAST_BLOCKS,
) -> dict[str, Verdict]:
    """Verdicts of one table: every other cell against the baseline, in the order given, from their common blocks.

    The intervals of all that are judged hold together with `confidence` (Bonferroni). A cell with fewer than
    `least_blocks` blocks in common with the baseline is *not judged* and does not count. Raises UserError for an
    unknown baseline.
    """
    pairs = _pairs(cells, baseline)
    judged = [name for name, (own, _) in pairs.items() if len(own) >= least_blocks]
    each = 1 - (1 - confidence) / max(1, len(judged))
    verdicts = {}
    for name, (own, base) in pairs.items():
        ratio = paired_ratio(own, base, each) if own else None
        if name in judged:
            verdicts[name] = judge(ratio, margin)
        else:
            verdicts[name] = Verdict("not judged", False, ratio, margin, f"n = {len(own)}, not judged")
    return verdicts


def tiers(
    cells: Mapping[str, Blocks], baseline: str, *, confidence: float = 0.95, least_blocks: int = LEAST_BLOCKS
) -> list[list[str]]:
    """The judged cells and the baseline, fastest tier first; no two cells of one tier are shown to differ.

    A tier begins with a cell that is shown to be slower than one of the tier before. Cells are compared with the
    baseline as in `compare`; the share of the error of a comparison that found a difference passes on to the pairs
    of that cell, so that all claims together keep `confidence` (graphical procedure: Bretz et al. 2009).
    """
    verdicts = compare(cells, baseline, confidence=confidence, margin=0, least_blocks=least_blocks)
    ratios = {name: v.ratio for name, v in verdicts.items() if v.ratio and v.word != "not judged"}
    differs = {name for name, ratio in ratios.items() if not ratio.low <= 1 <= ratio.high}
    m = len(ratios)

    def apart(a: str, b: str) -> bool:
        if baseline in (a, b):
            return (b if a == baseline else a) in differs
        shares = (a in differs) + (b in differs)
        own, other = _pairs({a: cells[a], b: cells[b]}, b)[a]
        if not shares or len(own) < least_blocks:
            return False
        ratio = paired_ratio(own, other, 1 - (1 - confidence) * shares / (m * (m - 1)))
        return not ratio.low <= 1 <= ratio.high

    place = {baseline: 1.0} | {name: ratio.estimate for name, ratio in ratios.items()}
    result: list[list[str]] = []
    for name in sorted(place, key=lambda n: place[n]):
        if not result or any(apart(name, member) for member in result[-1]):
            result.append([])
        result[-1].append(name)
    return result


def precision_reached(
    cells: Mapping[str, Blocks],
    baseline: str,
    precision: float,
    *,
    confidence: float = 0.95,
    least_blocks: int = LEAST_BLOCKS,
) -> bool:
    """Whether the widest interval of the table is within ±`precision` (0.02: a factor of 1.02 either way).

    For the adaptive stop: it looks at widths only, never at what the intervals say. Cells with fewer than
    `least_blocks` blocks (failed, or given few launches on purpose) are not waited for.
    """
    verdicts = compare(cells, baseline, confidence=confidence, least_blocks=least_blocks)
    judged = [v.ratio for v in verdicts.values() if v.ratio and v.word != "not judged"]
    return bool(judged) and all(_half_width(ratio) <= precision for ratio in judged)


def _half_width(ratio: Interval) -> float:
    return sqrt(ratio.high / ratio.low) - 1 if ratio.low > 0 and isfinite(ratio.high) else inf


def _pairs(cells: Mapping[str, Blocks], baseline: str) -> dict[str, tuple[list[float], list[float]]]:
    if baseline not in cells:
        raise unknown("baseline", baseline, cells)
    base = cells[baseline]
    common = {name: sorted(own.keys() & base.keys()) for name, own in cells.items() if name != baseline}
    return {name: ([cells[name][b] for b in blocks], [base[b] for b in blocks]) for name, blocks in common.items()}


def _finite(values: Sequence[float]) -> np.ndarray:
    x = np.asarray(values, dtype=np.float64)
    if not len(x) or not np.isfinite(x).all():
        raise UserError("an interval needs finite values, at least one", "leave out what was not measured")
    return x


def _logs(values: Sequence[float]) -> np.ndarray:
    x = _finite(values)
    if (x <= 0).any():
        raise UserError(f"a ratio needs positive values, got {x.min():g}", "leave out what was not measured")
    return np.log(x)


def _log(x: float) -> float:
    return log(x) if x > 0 else -inf


def _exp(x: float) -> float:
    return exp(x) if x < 700 else inf
