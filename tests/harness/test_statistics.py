"""Intervals and words: what each means, and the symmetries that no reader should have to doubt."""

from __future__ import annotations

from math import inf, isclose

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from levelfield.harness.judge import statistics
from levelfield.harness.judge.statistics import Interval, compare, judge, paired_ratio, precision_reached
from levelfield.harness.judge.tiers import tiers
from levelfield.tasks.errors import UserError

MIRROR = {"faster": "slower", "slower": "faster", "tied": "tied", "inconclusive": "inconclusive"}

times = st.floats(1e-6, 1e3)
pairs = st.lists(st.tuples(times, times), min_size=2, max_size=40)
confidences = st.floats(0.5, 0.9999)


def interval(low: float, high: float) -> Interval:
    return Interval((low * high) ** 0.5, low, high, 10, 0.95)


def table(seed: int, blocks: int, **factors: float) -> dict[str, dict[int, float]]:
    """Cells that take `factor` seconds with 1 % of noise."""
    rng = np.random.default_rng(seed)
    return {
        name: dict(enumerate((factor * np.exp(rng.normal(0, 0.01, blocks))).tolist()))
        for name, factor in factors.items()
    }


# Properties


@given(pairs, confidences, st.floats(1e-3, 1e3), st.floats(1e-3, 1e3))
def test_a_ratio_scales_with_the_cell_and_against_the_baseline(data, confidence, a, b):
    x, y = map(list, zip(*data, strict=True))
    plain = paired_ratio(x, y, confidence)
    scaled = paired_ratio([a * v for v in x], [b * v for v in y], confidence)
    for part in ("estimate", "low", "high"):
        assert isclose(getattr(scaled, part), getattr(plain, part) * a / b, rel_tol=1e-6)


@given(pairs, confidences, st.floats(0.001, 0.5))
def test_swapping_cell_and_baseline_inverts_the_interval_and_mirrors_the_word(data, confidence, margin):
    x, y = map(list, zip(*data, strict=True))
    there, back = paired_ratio(x, y, confidence), paired_ratio(y, x, confidence)
    assert isclose(there.estimate * back.estimate, 1, rel_tol=1e-9)
    if there.low > 0 and back.low > 0:
        assert isclose(there.low * back.high, 1, rel_tol=1e-6)
    edges = [1.0, 1 + margin, 1 / (1 + margin)]
    if not any(isclose(end, edge, rel_tol=1e-9) for end in (there.low, there.high) for edge in edges):
        one, other = judge(there, margin), judge(back, margin)
        assert other.word == MIRROR[one.word]
        assert other.material == one.material


@given(pairs, confidences, confidences)
def test_more_confidence_never_narrows_an_interval_nor_moves_its_estimate(data, one, other):
    x, y = map(list, zip(*data, strict=True))
    less, more = (paired_ratio(x, y, c) for c in sorted((one, other)))
    assert more.low <= less.low <= less.estimate * (1 + 1e-12)
    assert less.estimate <= less.high * (1 + 1e-12)
    assert less.high <= more.high
    assert less.estimate == more.estimate


@given(pairs, st.randoms(use_true_random=False))
def test_the_order_of_blocks_does_not_matter(data, random):
    shuffled = list(data)
    random.shuffle(shuffled)
    plain, mixed = (paired_ratio(*map(list, zip(*rows, strict=True))) for rows in (data, shuffled))
    assert isclose(plain.low, mixed.low, rel_tol=1e-9)
    assert isclose(plain.high, mixed.high, rel_tol=1e-9)


@given(st.lists(times, min_size=1, max_size=60), confidences)
def test_a_median_interval_holds_the_median_and_never_claims_more_than_asked(values, confidence):
    found = statistics.median_interval(values, confidence)
    assert min(values) <= found.low <= found.estimate <= found.high <= max(values)
    assert found.confidence <= confidence


# Intervals


def test_up_to_six_pairs_give_students_interval_of_the_log_ratios():
    from scipy.stats import ttest_1samp

    rng = np.random.default_rng(1)
    for n in (2, 4, 6):
        x, y = np.exp(rng.normal(0, 0.1, n)), np.exp(rng.normal(0, 0.1, n))
        expected = ttest_1samp(np.log(x / y), 0).confidence_interval(0.9)
        found = paired_ratio(x.tolist(), y.tolist(), 0.9)
        assert np.allclose([found.low, found.high], np.exp(expected))


def test_a_trimmed_mean_is_scipys_and_its_error_comes_from_the_winsorised_values():
    from scipy.special import stdtrit
    from scipy.stats import trim_mean
    from scipy.stats.mstats import winsorize

    x = np.random.default_rng(2).normal(0, 1, 12)  # two values go at each end
    found = statistics.family_intervals({0: x}, 0.95)[0]
    centre, low, high = found.estimate, found.low, found.high
    spread = np.std(np.asarray(winsorize(x, (2 / 12, 2 / 12))), ddof=1)
    assert np.isclose(centre, trim_mean(x, 2 / 12))
    assert np.isclose(high - low, 2 * stdtrit(7 - 1.5, 0.975) * spread / (8 / 12 * np.sqrt(12)))


def test_one_stall_among_twelve_launches_moves_nothing():
    quiet = table(3, 12, base=1, cell=1.1)
    stalled = quiet["cell"] | {5: 60.0}
    calm = paired_ratio([*quiet["cell"].values()], [*quiet["base"].values()])
    found = paired_ratio([*stalled.values()], [*quiet["base"].values()])
    assert isclose(found.estimate, calm.estimate, rel_tol=0.01)
    assert found.high / found.low < 1.03


def test_one_pair_gives_an_estimate_and_no_limits():
    assert paired_ratio([2.0], [2.0]) == Interval(1.0, 0.0, inf, 1, 0.95)


@pytest.mark.parametrize("bad", [[1.0, 0.0], [1.0, -1.0], [1.0, inf], [1.0, float("nan")], [1.0], []])
def test_values_that_cannot_be_a_ratio_are_refused(bad):
    with pytest.raises(UserError):
        paired_ratio(bad, [1.0, 2.0])


def test_a_median_of_ten_is_bounded_by_the_second_and_the_ninth():
    found = statistics.median_interval([float(v) for v in range(1, 11)])
    assert (found.estimate, found.low, found.high, found.confidence) == (5.5, 2, 9, 0.95)


def test_the_range_of_three_values_says_that_it_holds_the_median_in_three_of_four_cases():
    found = statistics.median_interval([1.0, 2.0, 3.0])
    assert (found.low, found.high, found.confidence) == (1, 3, 0.75)


def test_a_mean_has_students_interval():
    from scipy.stats import ttest_1samp

    values = [0.91, 0.93, 0.95, 0.90]
    found = statistics.mean_interval(values, 0.99)
    assert np.allclose([found.low, found.high], ttest_1samp(values, 0).confidence_interval(0.99))
    assert statistics.mean_interval([0.5]) == Interval(0.5, -inf, inf, 1, 0.95)


def test_a_paired_difference_has_the_unit_of_its_values_and_ignores_a_stall():
    cell = [2.0 + 0.01 * i for i in range(11)] + [90.0]
    found = statistics.paired_difference(cell, [1.0] * 12)
    assert 1.0 < found.low < found.high < 1.2


# Words


@pytest.mark.parametrize(
    ("low", "high", "word", "material"),
    [
        (0.98, 1.02, "tied", False),
        (1.005, 1.02, "tied", False),  # a real difference, too small to matter
        (1.01, 1.05, "slower", False),
        (1.04, 1.05, "slower", True),
        (0.90, 0.95, "faster", True),
        (0.95, 0.99, "faster", False),
        (0.99, 1.10, "inconclusive", False),
    ],
)
def test_the_word_follows_from_where_the_interval_lies(low, high, word, material):
    verdict = judge(interval(low, high))
    assert (verdict.word, verdict.material) == (word, material)


def test_what_was_not_measured_is_not_judged():
    assert judge(None).word == "not judged"


def test_a_table_names_who_is_slower_tied_and_too_rarely_measured():
    cells = table(4, 12, base=1.0, same=1.0, slow=1.2, fast=0.8)
    cells["rare"] = {0: 1.0, 1: 1.1}
    verdicts = compare(cells, "base")
    assert {name: v.word for name, v in verdicts.items()} == {
        "same": "tied",
        "slow": "slower",
        "fast": "faster",
        "rare": "not judged",
    }
    assert verdicts["rare"].reason == "n = 2, not judged"
    assert verdicts["slow"].ratio is not None
    assert verdicts["slow"].ratio.confidence == pytest.approx(1 - 0.05 / 4)  # three are judged; one share for the looks


def test_only_blocks_that_cell_and_baseline_have_in_common_count():
    cells = {"base": {b: 1.0 + b for b in range(10)}, "cell": {b: 2.0 * (1 + b) for b in range(4, 14)}}
    verdict = compare(cells, "base")["cell"]
    assert verdict.ratio is not None
    assert verdict.ratio.n == 6
    assert verdict.ratio.estimate == pytest.approx(2)


def test_the_keys_of_a_table_may_be_whatever_has_a_hash():
    cells = table(3, 12, base=1.0, slow=1.5)
    pairs = {("numpy-manual", name): blocks for name, blocks in cells.items()}
    base = ("numpy-manual", "base")
    named = compare(cells, "base")
    assert compare(pairs, base) == {("numpy-manual", name): verdict for name, verdict in named.items()}
    assert tiers(pairs, base) == [[("numpy-manual", name) for name in tier] for tier in tiers(cells, "base")]


def test_an_unknown_baseline_is_answered_with_the_nearest_name():
    with pytest.raises(UserError, match="unknown baseline") as caught:
        compare({"torch-nn": {0: 1.0}}, "torch-nm")
    assert "torch-nn" in caught.value.hint


# Tiers, means, the stop


def test_tiers_part_what_is_shown_to_differ_and_keep_the_rest_together():
    cells = table(5, 12, base=1.0, like=1.002, slow=1.3, slower=1.31, fast=0.7)
    assert [set(tier) for tier in tiers(cells, "base")] == [{"fast"}, {"base", "like"}, {"slow", "slower"}]


def test_a_noisy_baseline_does_not_blur_the_order_of_the_others():
    cells = table(6, 12, a=0.5, b=0.55, base=1.0)
    rng = np.random.default_rng(6)
    cells["base"] = {b: float(np.exp(rng.normal(0, 0.15))) for b in range(12)}
    ratios = {name: v.ratio for name, v in compare(cells, "base").items()}
    assert ratios["a"].high > ratios["b"].low  # against the baseline alone they could not be told apart
    assert tiers(cells, "base") == [["a"], ["b"], ["base"]]


@given(st.integers(0, 10_000), st.integers(5, 14), st.floats(0.002, 0.2))
def test_tiers_never_contradict_a_verdict(seed, blocks, noise):
    rng = np.random.default_rng(seed)
    cells = {
        name: dict(enumerate((factor * np.exp(rng.normal(0, noise, blocks))).tolist()))
        for name, factor in {"base": 1, "a": 1, "b": 1.05, "c": 0.9, "d": 1.3}.items()
    }
    place = {name: i for i, tier in enumerate(tiers(cells, "base")) for name in tier}
    for name, verdict in compare(cells, "base", margin=0).items():
        side = {"faster": place[name] < place["base"], "slower": place[name] > place["base"]}
        assert side.get(verdict.word, True)


def test_unjudged_cells_stand_in_no_tier():
    cells = table(7, 12, base=1.0, slow=2.0) | {"rare": {0: 1.0}}
    assert tiers(cells, "base") == [["base"], ["slow"]]


def test_a_geometric_mean_adds_independent_errors_and_counts_its_workloads():
    found = statistics.geometric_mean([interval(1 / 1.1, 1.1), interval(4 / 1.1, 4 * 1.1)])
    assert found.estimate == pytest.approx(2)
    assert found.high / found.estimate == pytest.approx(1.1 ** (1 / 2**0.5))
    assert found.n == 2
    with pytest.raises(UserError):
        statistics.geometric_mean([])


def test_a_workload_that_one_row_did_not_complete_leaves_every_mean():
    one = interval(0.9, 1.1)
    tables = {"iris": {"a": one, "b": one}, "mnist": {"a": one, "b": None}, "digits": {"a": one}}
    assert statistics.complete_workloads(tables) == ["iris"]


def test_the_stop_looks_at_the_widest_interval_and_waits_for_five_blocks():
    assert not precision_reached(table(8, 4, base=1, cell=1.5), "base", 0.5)
    cells = table(8, 10, base=1, cell=1.5, other=1)
    widest = max(statistics.half_width(v.ratio) for v in compare(cells, "base").values())
    assert precision_reached(cells, "base", widest * 1.001)
    assert not precision_reached(cells, "base", widest * 0.999)


def test_the_stop_does_not_wait_for_cells_with_few_launches():
    cells = table(9, 10, base=1, cell=1.5) | {"dear": {0: 1.0, 1: 2.0}}
    assert precision_reached(cells, "base", 0.1)
    assert not precision_reached({"base": cells["base"], "dear": cells["dear"]}, "base", 0.1)


@given(st.integers(0, 10_000), st.lists(st.floats(0.1, 10), min_size=2, max_size=2), st.floats(0.005, 0.1))
def test_the_stop_does_not_depend_on_what_the_intervals_say(seed, factors, precision):
    cells = table(seed, 10, base=1, a=1, b=1)
    moved = {"base": cells["base"]} | {
        name: {b: v * f for b, v in cells[name].items()} for name, f in zip("ab", factors, strict=True)
    }
    widths = [statistics.half_width(v.ratio) for v in compare(cells, "base").values()]
    if not any(isclose(w, precision, rel_tol=1e-6) for w in widths):
        assert precision_reached(cells, "base", precision) == precision_reached(moved, "base", precision)


def test_scipy_waits_until_it_is_needed():
    import subprocess
    import sys

    code = "import levelfield.harness.judge.statistics, sys; sys.exit(any(m.startswith('scipy') for m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
