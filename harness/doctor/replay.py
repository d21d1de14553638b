"""Replay a recorded series of paired blocks: in how many windows of it would the verdict have been what?

A series is recorded once and judged many times, as the tool would have judged runs that began at each of its blocks.
Windows run on from the end of the series to its beginning, so that every block starts one. They overlap: a share over
W windows of n blocks is worth no more than (blocks of the series) / n independent runs, which is what its interval
uses (Wilson 1927).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import median, quantiles

import numpy as np

from levelfield.harness.judge.statistics import (
    LEAST_BLOCKS,
    LEAST_BLOCKS_TO_STOP,
    Interval,
    half_width,
    judge,
    paired_ratios,
)

LEAST_NEIGHBOURS = 10  # blocks, before a correlation of neighbours means anything


@dataclass(frozen=True)
class Share:
    """`share` of `windows` with its 95 % interval, as many as `independent` runs would have given."""

    share: float
    low: float
    high: float
    windows: int
    independent: float


@dataclass(frozen=True)
class Rates:
    """What windows of `pairs` blocks say: that the second label is slower, faster, or (`differs`) either."""

    pairs: int
    slower: Share
    faster: Share
    differs: Share  # the interval excludes 1, whatever the margin
    called: Share  # faster or slower in the tool's words, with its margin
    called_slower: Share


@dataclass(frozen=True)
class Stop:
    """Windows that grow until the interval is as narrow as asked for, the tool's own stop.

    `stopped`: those that get there within the series; of these, `slower` and `differs` are as in `Rates`; `pairs` and
    `pairs_90` are the median and the 90th percentile of the blocks that it took.
    """

    stopped: Share
    slower: Share
    differs: Share
    pairs: float
    pairs_90: float


def rates(own: Sequence[float], base: Sequence[float], pairs: int) -> Rates | None:
    """Judge all windows of `pairs` blocks of paired positive times; None where the series holds fewer than two."""
    found = family_rates([(own, base)], pairs)
    return found[0] if found else None


def family_rates(recorded: Sequence[tuple[Sequence[float], Sequence[float]]], pairs: int) -> list[Rates]:
    """As `rates`, of several comparisons that one table judges together; none where one series is too short."""
    blocks = min((len(own) for own, _ in recorded), default=0)
    if pairs < LEAST_BLOCKS or blocks < 2 * pairs:
        return []
    tables = [
        paired_ratios({i: (_window(own, s, pairs), _window(base, s, pairs)) for i, (own, base) in enumerate(recorded)})
        for s in range(blocks)
    ]
    return [_rates([table[i] for table in tables], pairs) for i in range(len(recorded))]


def _rates(ratios: Sequence[Interval], pairs: int) -> Rates:
    independent = len(ratios) / pairs

    def share(of: Callable[[Interval], bool]) -> Share:
        return _share(sum(map(of, ratios)), len(ratios), independent)

    return Rates(
        pairs=pairs,
        slower=share(lambda r: r.low > 1),
        faster=share(lambda r: r.high < 1),
        differs=share(lambda r: r.low > 1 or r.high < 1),
        called=share(lambda r: judge(r).word in ("faster", "slower")),
        called_slower=share(lambda r: judge(r).word == "slower"),
    )


def until(own: Sequence[float], base: Sequence[float], precision: float) -> Stop | None:
    """Let a run begin at each block and go on until ±`precision`; None where not as much as one independent run gets
    there within the series."""
    n = len(own)
    ends: list[Interval] = []
    for start in range(n):
        for pairs in range(LEAST_BLOCKS_TO_STOP, n + 1):
            ratio = _ratio(own, base, start, pairs)
            if half_width(ratio) <= precision:
                ends.append(ratio)
                break
    lengths = [ratio.n for ratio in ends]
    if not ends or len(ends) < (typical := median(lengths)):
        return None
    slower, faster = sum(r.low > 1 for r in ends), sum(r.high < 1 for r in ends)
    return Stop(
        stopped=_share(len(ends), n, n / typical),
        slower=_share(slower, len(ends), len(ends) / typical),
        differs=_share(slower + faster, len(ends), len(ends) / typical),
        pairs=typical,
        pairs_90=quantiles(lengths, n=10, method="inclusive")[-1] if len(lengths) > 1 else typical,
    )


def neighbours_agree(own: Sequence[float], base: Sequence[float]) -> float | None:
    """Correlation of each block's log-ratio with the next one's: near 0 where blocks are independent.

    Ranks, so that stalls do not govern it. The intervals assume independence (``docs/statistics.md``).
    """
    if len(own) < LEAST_NEIGHBOURS:
        return None
    ranks = np.argsort(np.argsort(np.log(own) - np.log(base)))
    return float(np.corrcoef(ranks[:-1], ranks[1:])[0, 1])


def wilson(hits: float, n: float) -> tuple[float, float]:
    """Wilson's (1927) 95 % interval for a share of `hits` in `n` > 0 trials."""
    z, p = 1.959964, hits / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return min(max(0.0, centre - half), p), max(min(1.0, centre + half), p)


def _share(hits: int, windows: int, independent: float) -> Share:
    share = hits / windows
    low, high = wilson(share * independent, independent)
    return Share(share, low, high, windows, independent)


def pool(found: Sequence[Rates]) -> Rates:
    """The rates of several comparisons against one baseline, in the same blocks, as one.

    k + 1 launches of a block make (k + 1) / 2 pairs that have no launch in common: so many times one's are they worth.
    """

    def share(of: Callable[[Rates], Share]) -> Share:
        parts = [of(rates) for rates in found]
        worth = (len(parts) + 1) / 2 * sum(part.independent for part in parts) / len(parts)
        windows = sum(part.windows for part in parts)
        return _share(round(sum(part.share * part.windows for part in parts)), windows, worth)

    return Rates(
        pairs=found[0].pairs,
        slower=share(lambda rates: rates.slower),
        faster=share(lambda rates: rates.faster),
        differs=share(lambda rates: rates.differs),
        called=share(lambda rates: rates.called),
        called_slower=share(lambda rates: rates.called_slower),
    )


def _window(values: Sequence[float], start: int, pairs: int) -> list[float]:
    return [values[(start + i) % len(values)] for i in range(pairs)]


def _ratio(own: Sequence[float], base: Sequence[float], start: int, pairs: int) -> Interval:
    return paired_ratios({0: (_window(own, start, pairs), _window(base, start, pairs))})[0]
