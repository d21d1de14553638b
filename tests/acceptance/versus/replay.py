"""Judge the windows of recorded series, with each tool's own comparison. Pure: no clock, nothing is measured.

For a peer every measurement of the base is compared with every measurement of another label of the same series, as a
stored baseline is compared with what is measured later. Those that lie in one cycle, minutes apart at most, are
counted apart too. For levelfield a window is as many consecutive blocks, or pairs of a duel, as take the same time.
Windows share measurements: a share is worth no more independent ones than there are cycles, or windows side by side.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from typing import Any

from judge import JUDGES, Word

from levelfield.harness.doctor.replay import Share, rates, wilson
from levelfield.harness.judge.statistics import LEAST_BLOCKS

LABELS = {"same": 0.0, "+2%": 0.02, "+5%": 0.05}


@dataclass(frozen=True)
class Row:
    """One comparison of one tool: of which share of windows it says that they differ (`same`), or are slower."""

    tool: str
    test: str
    noise: str
    seconds: float  # that one measurement of one label took
    apart: str  # how far the two measurements of a window lie apart
    shares: dict[str, Share | None]  # by label; None: too few windows


def read(file: Path) -> list[dict[str, Any]]:
    """The lines of a recording; one that was cut off at the end is left out."""
    lines = []
    with gzip.open(file, "rt", encoding="utf-8") as stream:
        try:
            for line in stream:
                lines.append(json.loads(line))
        except (EOFError, json.JSONDecodeError):
            pass
    return lines


def rows(lines: Sequence[dict[str, Any]]) -> list[Row]:
    """Everything that a recording shows, tools in the order in which they were recorded."""
    side = next(line["side_seconds"] for line in lines if "side_seconds" in line)
    series: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for line in lines:
        if "tool" in line:
            series.setdefault((line["noise"], line["tool"]), []).append(line)
    found: list[Row] = []
    for (noise, tool), cycles in series.items():
        found += _peer(tool, noise, cycles) if tool in JUDGES else _levelfield(tool, noise, cycles, side)
    return found


def _peer(tool: str, noise: str, cycles: Sequence[dict[str, Any]]) -> Iterable[Row]:
    seconds = median(took for cycle in cycles for took in cycle["wall"].values())
    n = len(cycles)
    for test, judge in JUDGES[tool]:
        for apart, pairs in (
            ("a series", [(i, j) for i in range(n) for j in range(n)]),
            ("a cycle", [(i, i) for i in range(n)]),
        ):
            shares = {}
            for label in LABELS:
                words = [judge(cycles[i]["values"]["base"], cycles[j]["values"][label]) for i, j in pairs]
                shares[label] = counted(sum(map(_counts(label), words)), len(words), n)
            yield Row(tool, test, noise, seconds, apart, shares)


def _counts(label: str) -> Callable[[Word], bool]:
    """What is counted: any difference between the same, else what is found."""
    return (lambda word: word is not None) if label == "same" else (lambda word: word == "slower")


def _levelfield(tool: str, noise: str, cycles: Sequence[dict[str, Any]], side: float) -> Iterable[Row]:
    """In blocks all labels share a base; the pairs of a duel each have their own, "`label` base"."""
    values: dict[str, dict[str, float]] = {}
    wall: dict[str, dict[str, float]] = {}
    for cycle in cycles:
        for kind, all_of_it in (("values", values), ("wall", wall)):
            for label, blocks in cycle[kind].items():
                all_of_it.setdefault(label, {}).update(blocks)
    bases = {label: f"{label} base" if f"{label} base" in wall else "base" for label in LABELS}
    # A run's launches have a wall time each, of a duel's pair the first has that of both
    took = [
        mean(wall[label].values()) + mean(wall[base].values())
        for label, base in bases.items()
        if label in wall and base in wall
    ]
    if not took:  # it was stopped before it had launched both sides of anything
        return
    pair = mean(took)
    pairs = max(int(2 * side / pair), LEAST_BLOCKS)
    found = {}
    for label in LABELS:
        own, base = values.get(label, {}), values.get(bases[label], {})
        blocks = sorted(own.keys() & base.keys(), key=int)
        found[label] = rates([own[b] for b in blocks], [base[b] for b in blocks], pairs)
    for test in ("the interval excludes 1", "the word, margin ± 3 %"):
        shares = {}
        for label, rate in found.items():
            if rate is None:
                shares[label] = None
            elif test.startswith("the word"):
                shares[label] = rate.called if label == "same" else rate.called_slower
            else:
                shares[label] = rate.differs if label == "same" else rate.slower
        yield Row(tool, f"{test}; {pairs} pairs", noise, pairs * pair / 2, "a window", shares)


def counted(hits: int, windows: int, independent: float) -> Share:
    """The share with the interval of as many independent trials (Wilson 1927)."""
    share = hits / windows
    return Share(share, *wilson(share * independent, independent), windows, independent)
