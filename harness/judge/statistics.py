"""From paired blocks to words: intervals of ratios, and what may be said about them.

The unit of replication is the block, and its launches form pairs (same seed, in turns), so that everything starts
from the per-block log-ratio of a cell to the baseline. The intervals of one table, a *family*, hold together, and its
cells borrow from each other how much blocks differ (`moderated`).
Why these methods and not others, with their simulated coverage: ``docs/results/coverage.md``.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from math import exp, inf, isfinite, log, sqrt
from typing import Literal, TypeVar

import numpy as np

from levelfield.harness.judge.moderated import moderate
from levelfield.harness.records.quantity import Interval
from levelfield.tasks.errors import UserError, unknown

Word = Literal["faster", "slower", "tied", "inconclusive", "not judged"]
Blocks = Mapping[int, float]  # block -> the cell's value in that block
Key = TypeVar("Key", bound=Hashable)  # by which the cells of a table are known
Row = TypeVar("Row", bound=Hashable)
Pairs = tuple[Sequence[float], Sequence[float]]  # a cell's values and its baseline's, block by block

LEAST_BLOCKS = 3  # to be judged
LEAST_BLOCKS_TO_STOP = 5  # before a width is believed: the narrowest of very small samples is narrow by luck


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


def trimmed_mean(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Trimmed mean along the last axis of `x` (..., n > 1), the variance of one value, and its degrees of freedom.

    Tukey & McLaughlin (1963): the mean without the k smallest and k largest values, its error from the Winsorised
    variance. k = ⌊(n−3)/4⌋: none up to six values (Student's interval), a quarter at each end of many, so that
    neither stalls nor two clusters of launches govern the result. Their n−2k−1 degrees of freedom are too many
    (16 comparisons over 11 blocks hold together in 93 % instead of 95 %); simulation asks for 0.75 k fewer. The
    variance is such that the mean's is a share of 1 / n of it.
    """
    n = x.shape[-1]
    k = max(0, (n - 3) // 4)
    ordered = np.sort(x, axis=-1)
    winsorised = np.clip(ordered, ordered[..., k, None], ordered[..., n - 1 - k, None])
    variance = winsorised.var(axis=-1, ddof=1) / (1 - 2 * k / n) ** 2
    return ordered[..., k : n - k].mean(axis=-1), variance, n - 2 * k - 1 - 0.75 * k


def half_length(
    variance: np.ndarray, freedom: np.ndarray | float, n: np.ndarray | int, confidence: float
) -> np.ndarray:
    """Of the t-interval of a mean of `n` values with this variance each."""
    from scipy.special import stdtrit  # much lighter to import than scipy.stats

    return np.asarray(stdtrit(freedom, (1 + confidence) / 2) * np.sqrt(variance / n))


def family_intervals(
    samples: Mapping[Key, np.ndarray], confidence: float, sources: int | None = None
) -> dict[Key, Interval]:
    """Trimmed means of the values of several cells, whose t-intervals have moderated variances: `moderate`.

    For values whose spread can be compared, as log-ratios. `confidence` is that of each interval. A cell of one value
    borrows nothing and has infinite limits; a lone cell has its trimmed interval.
    """
    found = {name: trimmed_mean(x) for name, x in samples.items() if len(x) > 1}
    variances, freedom = moderate(
        np.array([variance for _, variance, _ in found.values()]),
        np.array([own for _, _, own in found.values()]),
        sources,
    )
    sizes = np.array([len(samples[name]) for name in found])
    halves = dict(zip(found, half_length(variances, freedom, sizes, confidence).tolist(), strict=True))
    result = {}
    for name, x in samples.items():
        centre, half = (float(found[name][0]), halves[name]) if name in found else (float(x.mean()), inf)
        result[name] = Interval(centre, centre - half, centre + half, len(x), confidence)
    return result


def paired_ratio(cell: Sequence[float], baseline: Sequence[float], confidence: float = 0.95) -> Interval:
    """Ratio cell / baseline of paired positive values (block i with block i); > 1: the cell takes longer.

    The trimmed interval of the log-ratios of one comparison alone; of several see `paired_ratios`. One pair gives the
    limits 0 and infinity. Raises UserError when the lengths differ or a value is not positive and finite.
    """
    return _exponential(family_intervals({0: log_ratios(cell, baseline)}, confidence)[0])


def paired_ratios(pairs: Mapping[Key, Pairs], confidence: float = 0.95) -> dict[Key, Interval]:
    """Ratios as `paired_ratio` gives them, of a family of comparisons: all intervals hold together.

    Each comparison is a cell's values and its baseline's, which need not be that of the others. Their confidence is
    shared (`shared_confidence`) and their variances are moderated. Raises UserError as `paired_ratio` does.
    """
    logs = {name: log_ratios(*pair) for name, pair in pairs.items()}
    return {k: _exponential(i) for k, i in family_intervals(logs, shared_confidence(len(pairs), confidence)).items()}


def paired_difference(cell: Sequence[float], baseline: Sequence[float], confidence: float = 0.95) -> Interval:
    """Difference cell − baseline of paired values in their unit (seconds, say): the trimmed interval."""
    _same_length(cell, baseline)
    return family_intervals({0: _finite(cell) - _finite(baseline)}, confidence)[0]


def paired_differences(pairs: Mapping[Key, Pairs], confidence: float = 0.95) -> dict[Key, Interval]:
    """Differences of a family of comparisons of positive values, in their unit; as `paired_ratios` in all else.

    What they borrow from each other is their spread as a share of the mean of both sides.
    """
    shares, units = {}, {}
    for name, (cell, baseline) in pairs.items():
        _same_length(cell, baseline)
        own, base = _finite(cell), _finite(baseline)
        units[name] = float(np.median(own) + np.median(base)) / 2
        shares[name] = (own - base) / units[name]
    found = family_intervals(shares, shared_confidence(len(pairs), confidence))
    return {
        name: Interval(i.estimate * unit, i.low * unit, i.high * unit, i.n, i.confidence)
        for (name, i), unit in zip(found.items(), units.values(), strict=True)
    }


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


def mean_interval(values: Sequence[float], confidence: float = 0.95, *, least_deviation: float = 0.0) -> Interval:
    """Mean with Student's t-interval, from at least this standard deviation; from one value the limits are infinite."""
    from scipy.special import stdtrit

    x = _finite(values)
    n, mean = len(x), float(np.mean(x))
    if n < 2:
        return Interval(mean, -inf, inf, n, confidence)
    deviation = max(float(np.std(x, ddof=1)), least_deviation)
    half = float(stdtrit(n - 1, (1 + confidence) / 2)) * deviation / sqrt(n)
    return Interval(mean, mean - half, mean + half, n, confidence)


def one_more(values: Sequence[float]) -> Interval:
    """Where another value like these lies: the prediction interval of one normal value (Hahn & Meeker 1991, section
    4.2); from one value the limits are infinite. The estimate is the mean."""
    known = mean_interval(values)
    half = (known.high - known.estimate) * sqrt(known.n + 1)
    return Interval(known.estimate, known.estimate - half, known.estimate + half, known.n, known.confidence)


def mean_difference(
    own: Sequence[float], base: Sequence[float], confidence: float = 0.95, *, resolution: float = 0.0
) -> Interval:
    """Mean of own − base (value i with value i) with Student's t-interval; infinite limits from one pair.

    `resolution`: the smallest step of a value, 1/700 for an accuracy on 700 samples. The deviation is taken as at
    least this. Matched adapters often agree on every sample for every seed, and the interval would else be a point,
    which is more than some seeds can tell.
    """
    _same_length(own, base)
    differences = np.asarray(own, dtype=np.float64) - np.asarray(base, dtype=np.float64)
    return mean_interval(differences.tolist(), confidence, least_deviation=resolution)


def geometric_mean(ratios: Sequence[Interval]) -> Interval:
    """Geometric mean of ratios from different workloads; `n` is their number.

    The limits combine the errors of the workloads as independent ones, each side by itself (MOVER: Zou & Donner
    2008). The workloads are taken as they are, not as a sample of others. All rows of a table must average over
    the same workloads: see `complete_workloads`. The lowest of their confidences holds for the mean. Raises
    UserError when there are none.
    """
    if not ratios:
        raise UserError("no ratios to average", "no workload was completed by every row")
    centre = [log(r.estimate) for r in ratios]
    below = sqrt(sum((c - _log(r.low)) ** 2 for c, r in zip(centre, ratios, strict=True)))
    above = sqrt(sum((_log(r.high) - c) ** 2 for c, r in zip(centre, ratios, strict=True)))
    n = len(ratios)
    mean = sum(centre) / n
    return Interval(exp(mean), _exp(mean - below / n), _exp(mean + above / n), n, min(r.confidence for r in ratios))


def complete_workloads(tables: Mapping[Key, Mapping[Row, Interval | None]]) -> list[Key]:
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


def shared_confidence(comparisons: int, confidence: float = 0.95) -> float:
    """Confidence of each interval so that `comparisons` of them hold together (Bonferroni's inequality).

    The error is divided by one more than their number: the spare share pays for stopping on width, which costs a
    lone comparison up to four points of coverage, two comparisons one, many none (``docs/statistics.md``).
    """
    return 1 - (1 - confidence) / (comparisons + 1)


def compare(
    cells: Mapping[Key, Blocks],
    baseline: Key,
    *,
    confidence: float = 0.95,
    margin: float = 0.03,
) -> dict[Key, Verdict]:
    """Verdicts of one table: every other cell against the baseline, in the order given, from their common blocks.

    The intervals of all that are judged hold together with `confidence` (see `shared_confidence`). A cell with
    fewer than `LEAST_BLOCKS` blocks in common with the baseline is *not judged* and does not count. Raises
    UserError for an unknown baseline.
    """
    return judge_family(common_pairs(cells, baseline), confidence, margin, few=True)


def judge_pairs(
    pairs: Mapping[Key, tuple[Blocks, Blocks]],
    *,
    confidence: float = 0.95,
    margin: float = 0.03,
) -> dict[Key, Verdict]:
    """Verdicts of one family of comparisons, each of a cell with a baseline of its own, from their common blocks.

    Of those with fewer than `LEAST_BLOCKS` blocks in common no ratio is given. In all else as `compare`.
    """
    common = {name: in_common(own, base) for name, (own, base) in pairs.items()}
    return judge_family(common, confidence, margin, few=False)


def judge_family(pairs: Mapping[Key, Pairs], confidence: float, margin: float, *, few: bool) -> dict[Key, Verdict]:
    """Verdicts of a family of comparisons, whose intervals hold together with `confidence`.

    Those with fewer than `LEAST_BLOCKS` pairs are *not judged* and do not count; they have a ratio if `few`.
    """
    judged = paired_ratios({n: pair for n, pair in pairs.items() if len(pair[0]) >= LEAST_BLOCKS}, confidence)
    each = shared_confidence(len(judged), confidence)
    verdicts = {}
    for name, (own, base) in pairs.items():
        if name in judged:
            verdicts[name] = judge(judged[name], margin)
        else:
            ratio = paired_ratio(own, base, each) if few and own else None
            verdicts[name] = Verdict("not judged", False, ratio, margin, f"n = {len(own)}, not judged")
    return verdicts


def precision_reached(cells: Mapping[Key, Blocks], baseline: Key, precision: float) -> bool:
    """Whether the widest interval of the table is within ±`precision` (0.02: a factor of 1.02 either way).

    For the adaptive stop: it looks at widths only, never at what the intervals say, and at none from fewer than
    `LEAST_BLOCKS_TO_STOP` blocks. Cells too few in blocks to be judged (failed, or given few launches on purpose)
    are not waited for; leave out cells that will get no more launches.
    """
    verdicts = compare(cells, baseline)
    judged = [v.ratio for v in verdicts.values() if v.ratio and v.word != "not judged"]
    return bool(judged) and all(r.n >= LEAST_BLOCKS_TO_STOP and half_width(r) <= precision for r in judged)


def half_width(ratio: Interval) -> float:
    """Of a ratio's interval, as a factor less one: 0.02 where it reaches from estimate / 1.02 to estimate × 1.02."""
    return sqrt(ratio.high / ratio.low) - 1 if ratio.low > 0 and isfinite(ratio.high) else inf


def log_ratios(cell: Sequence[float], baseline: Sequence[float]) -> np.ndarray:
    """Of paired values. Raises UserError as `paired_ratio` does."""
    _same_length(cell, baseline)
    return np.asarray(_logs(cell) - _logs(baseline))


def _exponential(i: Interval) -> Interval:
    return Interval(exp(i.estimate), _exp(i.low), _exp(i.high), i.n, i.confidence)


def common_pairs(cells: Mapping[Key, Blocks], baseline: Key) -> dict[Key, tuple[list[float], list[float]]]:
    """Values of every other cell and of the baseline in their common blocks; raises UserError for an unknown one."""
    if baseline not in cells:
        raise unknown("baseline", str(baseline), map(str, cells))
    base = cells[baseline]
    return {name: in_common(own, base) for name, own in cells.items() if name != baseline}


def in_common(own: Blocks, base: Blocks) -> tuple[list[float], list[float]]:
    """Both sides' values in the blocks that both have."""
    blocks = sorted(own.keys() & base.keys())
    return [own[b] for b in blocks], [base[b] for b in blocks]


def _same_length(a: Sequence[float], b: Sequence[float]) -> None:
    if len(a) != len(b):
        raise UserError(f"{len(a)} values cannot be paired with {len(b)}", "pass one value per block or seed")


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
