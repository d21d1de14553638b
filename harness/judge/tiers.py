"""Which cells of a table are shown to differ from each other, as an order of tiers."""

from __future__ import annotations

from collections.abc import Mapping

from levelfield.harness.judge.statistics import (
    LEAST_BLOCKS,
    Blocks,
    Key,
    common_pairs,
    compare,
    family_intervals,
    log_ratios,
    shared_confidence,
)


def tiers(cells: Mapping[Key, Blocks], baseline: Key, *, confidence: float = 0.95) -> list[list[Key]]:
    """The judged cells and the baseline, fastest tier first; no cell of a tier is shown slower than one before it.

    A tier begins with a cell that is shown to be slower than one of the tier before. Cells are compared with the
    baseline as in `compare`; the share of the error of a comparison that found a difference passes on to the pairs
    of that cell, so that all claims together keep `confidence` (graphical procedure: Bretz et al. 2009).
    """
    verdicts = compare(cells, baseline, confidence=confidence, margin=0)
    ratios = {name: v.ratio for name, v in verdicts.items() if v.ratio and v.word != "not judged"}
    differs = {name for name, ratio in ratios.items() if not ratio.low <= 1 <= ratio.high}
    if not ratios:
        return [[baseline]]
    judged = {name: cells[name] for name in ratios}
    several = {
        (a, b): pair
        for i, b in enumerate(judged)
        for a, pair in common_pairs(dict(list(judged.items())[i:]), b).items()
        if len(pair[0]) >= LEAST_BLOCKS
    }
    logs = {names: log_ratios(*pair) for names, pair in several.items()}
    share = (1 - shared_confidence(len(ratios), confidence)) / max(1, len(ratios) - 1)
    apart = {n: family_intervals(logs, 1 - n * share, len(ratios)) for n in (1, 2)}

    def slower(a: Key, b: Key) -> bool:
        if a == baseline:
            return b in differs and ratios[b].high < 1
        if b == baseline:
            return a in differs and ratios[a].low > 1
        shares = (a in differs) + (b in differs)
        if shares and (a, b) in logs:
            return apart[shares][a, b].low > 0
        return bool(shares) and (b, a) in logs and apart[shares][b, a].high < 0

    place = {baseline: 1.0} | {name: ratio.estimate for name, ratio in ratios.items()}
    result: list[list[Key]] = []
    for name in sorted(place, key=lambda n: place[n]):
        if not result or any(slower(name, member) for member in result[-1]):
            result.append([])
        result[-1].append(name)
    return result
