"""Equivalence of what is learnt: the words, and their simulated coverage, size and power.

Run as a program, this file writes the table of ``docs/statistics.md`` (a minute):

    python tests/harness/test_equivalence.py
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf, nan, sqrt
from pathlib import Path

import numpy as np
import pytest

from levelfield.harness.judge.equivalence import LEAST_SEEDS, MARGIN, compare, judge
from levelfield.harness.judge.statistics import Interval, mean_difference
from levelfield.tasks.errors import UserError

SAMPLES = 719  # of the test split
ADAPTERS = 12  # against the baseline, in two quantities


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (-0.004, 0.004, "equivalent"),
        (0.001, 0.004, "equivalent"),  # a real difference, too small to matter
        (0.002, 0.006, "different"),
        (-0.006, -0.001, "different"),
        (-0.1, 0.1, "inconclusive"),
        (-inf, inf, "inconclusive"),
    ],
)
def test_equivalence_wants_the_whole_interval_inside_the_margin(low, high, word):
    assert judge(Interval(0.0, low, high, 20, 0.95)) == word


def test_a_difference_has_students_paired_interval():
    from scipy.stats import ttest_rel

    a, b = [0.91, 0.93, 0.95, 0.90], [0.90, 0.94, 0.91, 0.89]
    found = mean_difference(a, b, 0.99)
    assert np.allclose([found.low, found.high], ttest_rel(a, b).confidence_interval(0.99))
    assert mean_difference([0.9], [0.8], 0.95).high == inf


def test_values_that_agree_everywhere_leave_an_interval_as_wide_as_their_resolution_allows():
    found = mean_difference([0.9] * 20, [0.9] * 20, 0.95, resolution=1 / SAMPLES)
    assert found.estimate == 0
    assert found.high == pytest.approx(2.093 / SAMPLES / sqrt(20), rel=1e-3)
    iris = mean_difference([0.9] * 20, [0.9] * 20, 0.95, resolution=1 / 23)
    assert judge(iris) == "inconclusive"  # it tells nothing


@pytest.mark.parametrize(("own", "base"), [([0.9], [0.9, 0.8]), ([], []), ([nan], [0.9])])
def test_what_cannot_be_paired_is_refused(own, base):
    with pytest.raises(UserError):
        mean_difference(own, base, 0.95)


def test_seeds_that_one_side_lost_are_left_out_and_too_few_are_not_judged():
    base = {s: 0.9 for s in range(20)}
    found = compare(
        {"all": base, "some": {s: 0.9 for s in range(1, 20)}, "diverged": base | {3: nan}, "one": {0: 0.9}, "none": {}},
        base,
        resolution=1 / SAMPLES,
    )
    assert {name: c.word for name, c in found.items()} == {
        "all": "equivalent", "some": "not judged", "diverged": "not judged", "one": "not judged", "none": "not judged",
    }  # fmt: skip
    assert found["some"].difference.n == 19
    assert found["one"].difference is None


def test_more_comparisons_and_quantities_widen_every_interval():
    rng = np.random.default_rng(0)
    base, own = ({s: float(v) for s, v in enumerate(rng.normal(0.9, 0.01, 20))} for _ in range(2))

    def width(names, quantities):
        d = compare(dict.fromkeys(names, own), base, resolution=0.001, quantities=quantities)["a"].difference
        return d.high - d.low

    assert width("a", 1) < width("ab", 1) == width("a", 2) < width("ab", 2)


# Simulated accuracies, in shares of 1: (adapters, seeds) of differences to a baseline, whose true value is 0

Noise = Callable[[np.random.Generator, int], np.ndarray]


def rounding(rng: np.random.Generator, seeds: int) -> np.ndarray:
    """The matched track: in one seed of ten another rounding tips some samples."""
    tipped = rng.poisson(1.5, (ADAPTERS, seeds)) * (rng.random((ADAPTERS, seeds)) < 0.1)
    return tipped * rng.choice([-1, 1], (ADAPTERS, seeds)) / SAMPLES


def independent(rng: np.random.Generator, seeds: int) -> np.ndarray:
    """The idiomatic track: every adapter draws its own weights and order; 0.7 points of spread over seeds."""
    values = np.round(SAMPLES * (0.96 + 0.007 * rng.standard_normal((ADAPTERS + 1, seeds)))) / SAMPLES
    return values[1:] - values[0]


def shared(rng: np.random.Generator, seeds: int) -> np.ndarray:
    """The same, but adapters and baseline share most of what the seed draws."""
    common = rng.standard_normal(seeds)
    values = 0.007 * (sqrt(0.8) * common + sqrt(0.2) * rng.standard_normal((ADAPTERS + 1, seeds)))
    return values[1:] - values[0]


def unequal(rng: np.random.Generator, seeds: int) -> np.ndarray:
    """The same, with a baseline four times as steady as the others."""
    return 0.01 * rng.standard_normal((ADAPTERS, seeds)) - 0.0025 * rng.standard_normal(seeds)


def skewed(rng: np.random.Generator, seeds: int) -> np.ndarray:
    """Some seeds of every adapter end badly: exponential losses of accuracy."""
    return 0.005 * (rng.exponential(1, seeds) - rng.exponential(1, (ADAPTERS, seeds)))


def skewed_alone(rng: np.random.Generator, seeds: int) -> np.ndarray:
    """The same, and the baseline's never: no symmetry is left."""
    return 0.005 * (1 - rng.exponential(1, (ADAPTERS, seeds)))


NOISES: dict[str, tuple[Noise, int]] = {
    "matched: rounding tips samples in one seed of ten": (rounding, LEAST_SEEDS["matched"]),
    "idiomatic: streams of their own": (independent, LEAST_SEEDS["idiomatic"]),
    "idiomatic: a shared stream": (shared, LEAST_SEEDS["idiomatic"]),
    "idiomatic: a steadier baseline": (unequal, LEAST_SEEDS["idiomatic"]),
    "idiomatic: some seeds end badly": (skewed, LEAST_SEEDS["idiomatic"]),
}
BROKEN: dict[str, tuple[Noise, int]] = {
    "idiomatic: the others' end badly, the baseline's never": (skewed_alone, LEAST_SEEDS["idiomatic"]),
}


def table(differences: np.ndarray, shift: float = 0.0) -> dict:
    """What `compare` says of simulated differences (adapters, seeds), moved by `shift`."""
    base = dict.fromkeys(range(differences.shape[1]), 0.0)
    values = {str(i): dict(enumerate((row + shift).tolist())) for i, row in enumerate(differences)}
    return compare(values, base, resolution=1 / SAMPLES, quantities=2, least_seeds=differences.shape[1])


def rates(noise: Noise, seeds: int, tables: int, seed: int = 0) -> dict[str, float]:
    """Shares of tables: all intervals hold, anything false is said; shares of adapters: rightly judged."""
    rng = np.random.default_rng(seed)
    counted = dict.fromkeys(("hold", "different", "at the margin", "equivalent", "found"), 0.0)
    for _ in range(tables):
        differences = noise(rng, seeds)
        same = list(table(differences).values())
        edge = list(table(differences, MARGIN * (1 + 1e-9)).values())
        worse = list(table(differences, -0.01).values())
        counted["hold"] += all(c.difference.low <= 0 <= c.difference.high for c in same)
        counted["different"] += any(c.word == "different" for c in same)
        counted["at the margin"] += any(c.word == "equivalent" for c in edge)
        counted["equivalent"] += sum(c.word == "equivalent" for c in same) / ADAPTERS
        counted["found"] += sum(c.word == "different" for c in worse) / ADAPTERS
    return {name: value / tables for name, value in counted.items()}


@pytest.mark.slow
@pytest.mark.parametrize("name", NOISES)
def test_intervals_hold_together_and_false_words_are_rare(name):
    tables = 400
    found = rates(*NOISES[name], tables)
    allowed = 0.05 + 2 * sqrt(0.05 * 0.95 / tables)
    assert 1 - found["hold"] <= allowed
    assert found["different"] <= allowed
    assert found["at the margin"] <= allowed


def test_what_is_equal_reads_equivalent_and_a_point_less_is_found():
    matched, idiomatic = (rates(*NOISES[n], 100) for n in list(NOISES)[:2])
    assert matched["equivalent"] > 0.999
    assert matched["found"] > 0.999
    assert idiomatic["found"] > 0.9
    assert idiomatic["equivalent"] < 0.9  # 60 seeds of their own streams do not prove half a point; nothing is claimed


def test_the_same_check_refuses_intervals_that_forget_that_there_are_several():
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(200):
        x = independent(rng, 60)
        intervals = [mean_difference(row.tolist(), [0.0] * 60, 0.95, resolution=1 / SAMPLES) for row in x]
        held += all(i.low <= 0 <= i.high for i in intervals)
    assert held / 200 < 0.8


def test_pairs_of_independent_seeds_cost_three_per_cent_of_width_against_welch():
    from scipy.stats import ttest_ind, ttest_rel

    rng = np.random.default_rng(2)
    each = 1 - 0.05 / (2 * ADAPTERS)
    paired, welch = [], []
    for _ in range(300):
        a, b = rng.normal(0, 0.007, (2, 60))
        p, w = (t.confidence_interval(each) for t in (ttest_rel(a, b), ttest_ind(a, b, equal_var=False)))
        paired.append(p.high - p.low)
        welch.append(w.high - w.low)
    assert 1.01 < np.mean(paired) / np.mean(welch) < 1.05


DOCUMENT = Path(__file__).parents[2] / "docs" / "statistics.md"


def write(document: Path = DOCUMENT, tables: int = 4000) -> None:
    text = document.read_text(encoding="utf-8")
    for mark, noises in (("equivalence", NOISES), ("equivalence broken", BROKEN)):
        lines = [
            "| differences over seeds | seeds | all hold | equal, called different | "
            "half a point apart, called equivalent | equal: equivalent | a point apart: different |",
            "|---|---:|---:|---:|---:|---:|---:|",
        ]
        for name, (noise, seeds) in noises.items():
            shown = (f"{100 * v:.1f}" for v in rates(noise, seeds, tables).values())
            lines.append(f"| {name} | {seeds} | {' | '.join(shown)} |")
        head, _, rest = text.partition(f"<!-- {mark} -->")
        _, _, tail = rest.partition(f"<!-- end of {mark} -->")
        assert tail, f"{document} has no place for {mark!r}"
        text = "\n".join([f"{head}<!-- {mark} -->", *lines, f"<!-- end of {mark} -->"]) + tail
    document.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
