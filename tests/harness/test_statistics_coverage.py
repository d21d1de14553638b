"""Simulated coverage, size and power of the verdicts, with the stopping and the voiding rule in force.

Run as a program, this file writes tables of ``docs/results/coverage.md`` (about a minute):

    python tests/harness/test_statistics_coverage.py

Everything is simulated on the logarithm of a launch's time, with the true ratio 1 (the interval of a ratio moves with
the ratio, which the property tests show), and from recorded seeds.
"""

from __future__ import annotations

from collections.abc import Callable
from math import log, sqrt
from pathlib import Path

import numpy as np
import pytest

from levelfield.harness.judge.statistics import (
    LEAST_BLOCKS_TO_STOP,
    Interval,
    compare,
    geometric_mean,
    half_length,
    precision_reached,
    shared_confidence,
    trimmed_mean,
)
from levelfield.harness.judge.tiers import tiers

Limits = tuple[np.ndarray, np.ndarray]
Method = Callable[[np.ndarray, float], Limits]  # (…, n) log-ratios, confidence -> low, high (…)

STALL = log(1.3)
SPREAD = 0.01
MOST_BLOCKS = 40
DETECTED, FALSELY_MARKED = 0.7, 0.05


# Noise of launches, on the logarithm


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return SPREAD * rng.standard_normal(shape)


def student3(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return SPREAD * rng.standard_t(3, shape)


def student2(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return SPREAD * rng.standard_t(2, shape)


def stalls(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return normal(rng, shape) + STALL * (rng.random(shape) < 0.1)


def clusters(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return normal(rng, shape) + STALL * (rng.random(shape) < 0.3)


def halves(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return normal(rng, shape) + STALL * (rng.random(shape) < 0.5)


def voided_stalls(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Stalls, and a rule that marks 70 % of the stalled launches and 5 % of the others, whatever their value.

    A marked launch is repeated until one is not marked (three repeats are too few for one launch in 6,000).
    """
    values, waiting = np.zeros(shape), np.ones(shape, dtype=bool)
    while waiting.any():
        stalled = rng.random(shape) < 0.1
        marked = rng.random(shape) < np.where(stalled, DETECTED, FALSELY_MARKED)
        values = np.where(waiting & ~marked, normal(rng, shape) + STALL * stalled, values)
        waiting &= marked
    return values


def sticky_clusters(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Two clusters in which a cell stays for five blocks on average: the blocks are not independent."""
    state = rng.random(shape) < 0.5
    for block in range(1, shape[-1]):
        stays = rng.random(shape[:-1]) < 0.6  # else drawn anew, half of these from the same cluster
        state[..., block] = np.where(stays, state[..., block - 1], state[..., block])
    return normal(rng, shape) + STALL * state


NOISES = {
    "normal": normal,
    "t, 3 degrees of freedom": student3,
    "t, 2 degrees of freedom": student2,
    "stalls of 30 % in 10 % of launches": stalls,
    "the same, voided and repeated": voided_stalls,
    "two clusters 30 % apart, 30 : 70": clusters,
    "two clusters 30 % apart, 50 : 50": halves,
}


def log_ratios(noise: Callable, rng: np.random.Generator, tables: int, cells: int, blocks: int) -> np.ndarray:
    """Of `tables` simulated tables: (tables, cells, blocks), every cell against one baseline."""
    return noise(rng, (tables, cells, blocks)) - noise(rng, (tables, 1, blocks))


# Methods: ours, and those it was chosen over


def trimmed(x: np.ndarray, confidence: float) -> Limits:
    centre, variance, freedom = trimmed_mean(x)
    half = half_length(variance, freedom, x.shape[-1], confidence)
    return centre - half, centre + half


def student(x: np.ndarray, confidence: float) -> Limits:
    from scipy.special import stdtrit

    n = x.shape[-1]
    half = stdtrit(n - 1, (1 + confidence) / 2) * x.std(axis=-1, ddof=1) / sqrt(n)
    return x.mean(axis=-1) - half, x.mean(axis=-1) + half


def signed_rank(x: np.ndarray, confidence: float) -> Limits:
    """Hodges & Lehmann (1963): between two ordered Walsh averages; raises when none have that confidence."""
    n = x.shape[-1]
    counts = np.ones(1)
    for rank in range(1, n + 1):
        counts = np.convolve(counts, np.eye(1, rank + 1)[0] / 2 + np.eye(1, rank + 1, rank)[0] / 2)
    drop = int(np.searchsorted(np.cumsum(counts), (1 - confidence) / 2, side="right")) - 1
    if drop < 0:
        raise ValueError(f"no interval from {n} blocks")
    rows, columns = np.triu_indices(n)
    walsh = np.sort((x[..., rows] + x[..., columns]) / 2, axis=-1)
    return walsh[..., drop], walsh[..., -1 - drop]


def percentile_bootstrap(x: np.ndarray, confidence: float) -> Limits:
    rng = np.random.default_rng(0)
    n = x.shape[-1]
    means = np.stack([x[..., rng.integers(0, n, n)].mean(axis=-1) for _ in range(500)])
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    return low, high


def textbook_trimmed(x: np.ndarray, confidence: float) -> Limits:
    """The trimmed interval with the textbook's n−2k−1 degrees of freedom."""
    from scipy.special import stdtrit

    n = x.shape[-1]
    k = max(0, (n - 3) // 4)
    ours, textbook = (stdtrit(n - 2 * k - 1 - lost, (1 + confidence) / 2) for lost in (0.75 * k, 0))
    low, high = trimmed(x, confidence)
    centre, half = (low + high) / 2, (high - low) / 2 * textbook / ours
    return centre - half, centre + half


# What is measured on them


def coverage(x: np.ndarray, confidence: float, method: Method = trimmed) -> float:
    """Share of the tables in which the intervals of all cells hold the truth, 0."""
    low, high = method(x, confidence)
    return float(((low <= 0) & (high >= 0)).all(axis=-1).mean())


def stopped_coverage(x: np.ndarray, confidence: float, typical: int, method: Method = trimmed) -> tuple[float, float]:
    """Coverage and mean number of blocks when a look is taken after every block.

    A table stops when its widest interval is as narrow as the median table's is after `typical` blocks, or when
    `MOST_BLOCKS`, the budget, are spent.
    """
    looks = range(LEAST_BLOCKS_TO_STOP, MOST_BLOCKS + 1)
    limits = [method(x[..., :n], confidence) for n in looks]
    widths = np.array([(high - low).max(axis=-1) for low, high in limits])
    holds = np.array([((low <= 0) & (high >= 0)).all(axis=-1) for low, high in limits])
    narrow = widths <= np.median(widths[typical - LEAST_BLOCKS_TO_STOP])
    narrow[-1] = True
    stop = narrow.argmax(axis=0)
    return float(holds[stop, np.arange(x.shape[0])].mean()), float(stop.mean() + LEAST_BLOCKS_TO_STOP)


def least(tables: int, nominal: float = 0.95) -> float:
    """What simulated coverage reaches except once in some 20,000 times, if the true one is `nominal` or more."""
    return nominal - 4 * sqrt(nominal * (1 - nominal) / tables)


# Coverage


@pytest.mark.parametrize("blocks", [5, 6, 8, 10, 12, 20, 40])
@pytest.mark.parametrize("noise", NOISES)
def test_one_interval_has_the_coverage_that_it_claims(noise, blocks):
    x = log_ratios(NOISES[noise], np.random.default_rng(101), 4000, 1, blocks)
    assert coverage(x, 0.95) >= least(4000)


@pytest.mark.parametrize(("cells", "tables"), [(1, 4000), (4, 3000), (16, 1500)])
@pytest.mark.parametrize("blocks", [5, 6, 8, 10, 12, 20, 40])
@pytest.mark.parametrize("noise", NOISES)
def test_the_intervals_of_a_table_hold_together(noise, blocks, cells, tables):
    x = log_ratios(NOISES[noise], np.random.default_rng(102), tables, cells, blocks)
    assert coverage(x, shared_confidence(cells)) >= least(tables)


@pytest.mark.slow
@pytest.mark.parametrize(("cells", "tables"), [(1, 4000), (4, 2000), (16, 750)])
@pytest.mark.parametrize("typical", [8, 12, 20, 30])
@pytest.mark.parametrize("noise", NOISES)
def test_they_hold_when_blocks_are_added_until_the_widest_is_narrow(noise, typical, cells, tables):
    x = log_ratios(NOISES[noise], np.random.default_rng(103), tables, cells, MOST_BLOCKS)
    covered, blocks = stopped_coverage(x, shared_confidence(cells), typical)
    assert covered >= least(tables)
    assert LEAST_BLOCKS_TO_STOP < blocks < MOST_BLOCKS


def test_under_normal_noise_an_interval_is_not_wider_than_it_must_be():
    for blocks in (5, 8, 10, 12, 20, 40):
        x = log_ratios(normal, np.random.default_rng(104), 20_000, 1, blocks)
        assert coverage(x, 0.95) <= 0.96


# The same checks refuse what is wrong


@pytest.mark.parametrize("blocks", [5, 8, 12])
def test_a_percentile_bootstrap_fails_the_check(blocks):
    x = log_ratios(normal, np.random.default_rng(101), 4000, 1, blocks)
    assert coverage(x, 0.95, percentile_bootstrap) < least(4000)


def test_the_textbooks_degrees_of_freedom_fail_the_check():
    x = log_ratios(normal, np.random.default_rng(102), 6000, 16, 11)
    assert coverage(x, shared_confidence(16), textbook_trimmed) < least(6000) < coverage(x, shared_confidence(16))


def test_intervals_of_95_percent_each_fail_the_check_of_a_table():
    x = log_ratios(normal, np.random.default_rng(102), 1000, 4, 12)
    assert coverage(x, 0.95) < least(1000)


def test_without_the_spare_share_a_stopped_comparison_fails_the_check():
    x = log_ratios(normal, np.random.default_rng(103), 3000, 1, MOST_BLOCKS)
    assert stopped_coverage(x, 0.95, 20)[0] < least(3000)


# Size and power of the words themselves, through the public functions


def seconds(x: np.ndarray, base: np.ndarray, factor: float = 1.0) -> dict[str, dict[int, float]]:
    """One table from log-times: `x` (cells, blocks) and `base` (blocks)."""
    cells = {f"cell {i}": dict(enumerate((factor * np.exp(row)).tolist())) for i, row in enumerate(x)}
    return {"base": dict(enumerate(np.exp(base).tolist()))} | cells


def first(table: dict[str, dict[int, float]], blocks: int) -> dict[str, dict[int, float]]:
    return {name: {b: v for b, v in own.items() if b < blocks} for name, own in table.items()}


@pytest.mark.slow
@pytest.mark.parametrize("noise", ["normal", "the same, voided and repeated", "two clusters 30 % apart, 50 : 50"])
def test_an_adapter_compared_with_itself_is_called_different_in_at_most_one_table_of_twenty(noise):
    rng = np.random.default_rng(105)
    tables, wrong = 750, 0
    precision = {"normal": 0.015, "the same, voided and repeated": 0.02}.get(noise, 0.15)
    for _ in range(tables):
        table = seconds(NOISES[noise](rng, (3, 30)), NOISES[noise](rng, (30,)))
        blocks = next((n for n in range(8, 30) if precision_reached(first(table, n), "base", precision)), 30)
        wrong += any(v.word in ("faster", "slower") for v in compare(first(table, blocks), "base").values())
    assert wrong / tables <= 1 - least(tables)


def found(noise: Callable, factor: float, cells: int, blocks: int, tables: int = 300, seed: int = 106) -> float:
    """Share of slower cells that are called slower."""
    x = log_ratios(noise, np.random.default_rng(seed), tables, cells, blocks) + log(factor)
    low, _ = trimmed(x, shared_confidence(cells))
    return float((low > 0).mean())


def test_five_percent_are_found_in_a_default_suite():
    assert found(normal, 1.05, 16, 8) > 0.9
    assert found(voided_stalls, 1.05, 16, 12) > 0.8


def test_two_percent_are_found_in_a_long_comparison_of_a_pair():
    assert found(normal, 1.02, 1, 15) > 0.9
    assert found(stalls, 1.02, 1, 40) > 0.9


@pytest.mark.slow
def test_cells_that_take_equally_long_are_parted_by_tiers_in_at_most_one_table_of_twenty():
    rng = np.random.default_rng(109)
    tables, parted = 600, 0
    for _ in range(tables):
        table = seconds(voided_stalls(rng, (4, 10)), voided_stalls(rng, (10,)))
        for slow in ("cell 0", "cell 1"):
            table[slow] = {b: 4 * v for b, v in table[slow].items()}
        found = [set(tier) for tier in tiers(table, "base")]
        parted += found != [{"base", "cell 2", "cell 3"}, {"cell 0", "cell 1"}]
    assert parted / tables <= 1 - least(tables)


@pytest.mark.parametrize("workloads", [2, 5])
def test_the_interval_of_a_geometric_mean_has_the_coverage_of_its_ratios(workloads):
    rng = np.random.default_rng(110)
    tables, holds = 1500, 0
    for _ in range(tables):
        low, high = trimmed(log_ratios(voided_stalls, rng, workloads, 1, 8)[:, 0], 0.95)  # a baseline in each
        limits = np.exp(np.stack([low, high], axis=-1))
        mean = geometric_mean([Interval(sqrt(a * b), float(a), float(b), 8, 0.95) for a, b in limits])
        holds += mean.low <= 1 <= mean.high
    assert holds / tables >= least(tables)


def test_stalls_cost_less_than_they_cost_students_interval_and_the_signed_rank_interval():
    x = log_ratios(voided_stalls, np.random.default_rng(107), 500, 16, 12)
    widths = {
        method: np.mean(np.subtract(*method(x, shared_confidence(16))[::-1]))
        for method in (trimmed, student, signed_rank)
    }
    assert widths[trimmed] < 0.75 * widths[student]
    assert widths[trimmed] < 0.75 * widths[signed_rank]


def test_the_simulation_judges_as_the_table_does():
    rng = np.random.default_rng(108)
    for blocks in (5, 8, 13):
        x, base = stalls(rng, (1, blocks)), stalls(rng, (blocks,))
        low, high = trimmed(x - base, shared_confidence(1))
        ratios = [v.ratio for v in compare(seconds(x, base), "base").values()]
        assert np.allclose(low, [log(r.low) for r in ratios if r])
        assert np.allclose(high, [log(r.high) for r in ratios if r])


# The tables of docs/results/coverage.md

DOCUMENT = Path(__file__).parents[2] / "docs" / "results" / "coverage.md"
ASSUMPTIONS_BROKEN = {
    "only the cells stall, never the baseline": (stalls, normal),
    "a cell stays in its cluster for five blocks": (sticky_clusters, sticky_clusters),
}


def coverage_row(name: str, cells: int) -> str:
    """Simultaneous coverage in per cent, at fixed numbers of blocks and with the stopping rule."""
    noise, base = ASSUMPTIONS_BROKEN.get(name) or (NOISES[name], NOISES[name])
    tables, rng, share = {1: 20_000, 4: 8000, 16: 3000}[cells], np.random.default_rng(200), shared_confidence(cells)
    shares = [
        coverage(noise(rng, (tables, cells, n)) - base(rng, (tables, 1, n)), share) for n in (5, 6, 8, 10, 12, 20, 40)
    ]
    tables //= 2
    x = noise(rng, (tables, cells, MOST_BLOCKS)) - base(rng, (tables, 1, MOST_BLOCKS))
    shares += [stopped_coverage(x, share, typical)[0] for typical in (8, 12, 20, 30)]
    return " | ".join([f"| {name} | {cells}", *(f"{100 * s:.1f}" for s in shares)]) + " |"


def width_row(name: str, cells: int, blocks: int) -> str:
    """Median half-widths of three methods, and the share of the slower cells that ours calls slower, in per cent."""
    x = log_ratios(NOISES[name], np.random.default_rng(201), 1000, cells, blocks)
    texts = []
    for method in (student, signed_rank, trimmed):
        try:
            low, high = method(x, shared_confidence(cells))
            texts.append(f"±{50 * float(np.median(high - low)):.1f}")
        except ValueError:
            texts.append("none")
    texts += [f"{100 * found(NOISES[name], factor, cells, blocks, 1000, 202):.0f}" for factor in (1.02, 1.05)]
    return " | ".join([f"| {name} | {cells} | {blocks}", *texts]) + " |"


def written(marker: str, rows: list[str], text: str) -> str:
    """`text` with the rows between the comments that name `marker`."""
    start, end = f"<!-- {marker} -->", f"<!-- end of {marker} -->"
    before, rest = text.split(start)
    return before + start + "\n" + "\n".join(rows) + "\n" + end + rest.split(end)[1]


def write_document() -> None:
    head = "| noise | m | 5 | 6 | 8 | 10 | 12 | 20 | 40 | to 8 | to 12 | to 20 | to 30 |\n|---|" + "---:|" * 12
    tables = {
        "coverage": [head, *(coverage_row(name, cells) for name in NOISES for cells in (1, 4, 16))],
        "assumptions broken": [
            head,
            *(coverage_row(name, cells) for name in ASSUMPTIONS_BROKEN for cells in (1, 4, 16)),
        ],
    }
    head = "| noise | m | n | Student | signed rank | trimmed | finds 2 % | finds 5 % |\n|---|" + "---:|" * 7
    sizes = [(1, 8), (1, 12), (1, 40), (16, 5), (16, 8), (16, 12), (16, 20)]
    tables["widths"] = [head, *(width_row(name, *size) for name in NOISES for size in sizes)]
    text = DOCUMENT.read_text(encoding="utf-8")  # after the simulation, which takes its time
    for marker, rows in tables.items():
        text = written(marker, rows, text)
    DOCUMENT.write_text(text, encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["normal", "the same, voided and repeated"])
def test_the_documents_tables_are_what_this_file_simulates(name):
    text = DOCUMENT.read_text(encoding="utf-8")
    assert coverage_row(name, 1) in text
    assert width_row(name, 16, 12) in text


if __name__ == "__main__":
    write_document()
