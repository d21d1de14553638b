"""Cells that borrow from each other how much blocks differ: the formulas, and what must hold whatever the data."""

from __future__ import annotations

from math import isclose

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import digamma, polygamma

from levelfield.harness.judge.moderated import MOST_BORROWED, level_and_spread, moderate, prior_freedom
from levelfield.harness.judge.statistics import compare, judge_pairs, paired_differences, paired_ratio, paired_ratios
from levelfield.harness.judge.tiers import tiers

variances = st.lists(st.floats(1e-6, 1e2), min_size=2, max_size=40)


def family(
    seed: int, cells: int, blocks: int, spread: float = 0.03, factor: float = 1.0
) -> dict[str, dict[int, float]]:
    rng = np.random.default_rng(seed)
    names = {"base": 1.0} | {f"cell {i}": factor for i in range(cells)}
    return {n: dict(enumerate((f * np.exp(rng.normal(0, spread, blocks))).tolist())) for n, f in names.items()}


# Published and known numbers


def test_the_moments_give_what_limma_gives():
    """`limma:::fitFDist(x, df1 = rep(4, 24))` of x_i = ((37 i) mod 97 + 1) / 64: $scale, $df2 (limma 3.66)."""
    x = np.array([((37 * i) % 97 + 1) / 64 for i in range(1, 25)])
    level, spread = level_and_spread(x, np.full(24, 4.0))
    freedom = prior_freedom(spread - polygamma(1, 2.0))
    assert freedom == pytest.approx(8.773643845753776, rel=1e-9)
    assert np.exp(level + digamma(freedom / 2) - np.log(freedom / 2)) == pytest.approx(0.6408375594922414, rel=1e-9)


@given(st.floats(0.05, 1e4))
def test_the_freedom_of_a_prior_is_what_its_spread_says(freedom):
    assert isclose(float(prior_freedom(polygamma(1, freedom / 2))), freedom, rel_tol=1e-6)


# Properties


@given(variances, st.floats(1, 30))
def test_no_variance_gets_smaller_and_no_cell_borrows_more_than_it_may(own, freedom):
    found, both = moderate(np.array(own), freedom)
    assert (found >= own).all()
    assert (both >= freedom).all()
    assert (both <= (1 + MOST_BORROWED) * freedom * (1 + 1e-12)).all()


@given(variances, st.floats(1, 30), st.floats(1e-3, 1e3))
def test_what_is_borrowed_scales_with_the_variances_and_follows_the_cells(own, freedom, scale):
    plain, both = moderate(np.array(own), freedom)
    scaled, same = moderate(scale * np.array(own)[::-1], freedom)
    assert np.allclose(scaled[::-1], scale * plain, rtol=1e-6)
    assert np.allclose(same, both, rtol=1e-6)


@pytest.mark.parametrize("own", [[2.0], [0.0, 0.0, 0.0, 1.0], []])
def test_where_nothing_can_be_borrowed_all_stays_as_it_is(own):
    found, both = moderate(np.array(own), 4.0)
    assert found.tolist() == own
    assert (both == 4).all()


def test_a_lone_comparison_has_the_interval_that_it_always_had():
    cells = family(1, 1, 8)
    alone = paired_ratios({0: ([*cells["cell 0"].values()], [*cells["base"].values()])})[0]
    assert alone == paired_ratio([*cells["cell 0"].values()], [*cells["base"].values()], alone.confidence)


@given(st.integers(0, 10_000), st.integers(2, 12), st.integers(2, 6), st.floats(1e-3, 1e3))
def test_ratios_of_a_family_scale_and_turn_over(seed, cells, blocks, factor):
    table = family(seed, cells, blocks)
    pairs = {n: ([*own.values()], [*table["base"].values()]) for n, own in table.items() if n != "base"}
    there = paired_ratios(pairs)
    back = paired_ratios({n: (b, a) for n, (a, b) in pairs.items()})
    scaled = paired_ratios({n: ([factor * v for v in a], b) for n, (a, b) in pairs.items()})
    for name, one in there.items():
        assert isclose(one.low * back[name].high, 1, rel_tol=1e-6)
        assert isclose(scaled[name].high, factor * one.high, rel_tol=1e-6)


# What it is for


def test_a_factor_of_nine_is_judged_from_three_blocks_of_many_cells():
    table = family(2, 40, 3, 0.05)
    table["cell 0"] = {block: 9 * v for block, v in table["cell 0"].items()}
    assert compare(table, "base")["cell 0"].word == "slower"
    assert compare(table, "base")["cell 0"].material
    assert tiers(table, "base")[-1] == ["cell 0"]


def test_five_blocks_of_twenty_cells_give_intervals_two_thirds_as_wide():
    table = family(3, 20, 5)
    own, alone = [], []
    for name, verdict in compare(table, "base").items():
        ratio = verdict.ratio
        single = paired_ratio([*table[name].values()], [*table["base"].values()], ratio.confidence)
        own.append(ratio.high / ratio.low)
        alone.append(single.high / single.low)
    assert np.log(np.median(own)) < 0.75 * np.log(np.median(alone))


@pytest.mark.parametrize("blocks", [3, 4, 5, 6])
@pytest.mark.parametrize("wild", [1.5, 10.0, 1e6])
def test_one_wild_block_makes_no_false_verdict_and_leaves_the_other_cells_their_intervals(blocks, wild):
    calm = family(4, 20, blocks)
    table = {**calm, "cell 0": calm["cell 0"] | {1: wild}}
    before, after = compare(calm, "base"), compare(table, "base")
    assert after["cell 0"].word == "inconclusive"
    for name, verdict in after.items():
        if name != "cell 0":
            assert np.log(verdict.ratio.high / verdict.ratio.low) < 3 * np.log(
                before[name].ratio.high / before[name].ratio.low
            )


def test_cells_with_fewer_blocks_have_wider_intervals():
    table = family(5, 12, 8)
    table["cell 0"] = {b: v for b, v in table["cell 0"].items() if b < 3}
    verdicts = compare(table, "base")
    widths = {n: v.ratio.high / v.ratio.low for n, v in verdicts.items()}
    assert verdicts["cell 0"].word != "not judged"
    assert widths["cell 0"] > np.median([w for n, w in widths.items() if n != "cell 0"])


def test_pairs_with_baselines_of_their_own_are_judged_as_a_table_is():
    table = family(6, 6, 4)
    pairs = {n: (own, table["base"]) for n, own in table.items() if n != "base"}
    assert judge_pairs(pairs) == compare(table, "base")


def test_differences_of_a_family_have_their_unit_and_agree_with_the_ratios():
    table = family(7, 10, 5, 0.01, factor=1.5)
    pairs = {n: ([*own.values()], [*table["base"].values()]) for n, own in table.items() if n != "base"}
    seconds = paired_differences({n: ([1e-3 * v for v in a], [1e-3 * v for v in b]) for n, (a, b) in pairs.items()})
    assert all(0 < i.low < 5e-4 < i.high < 1e-3 or i.low > 0 for i in seconds.values())
    assert all(i.high < 1e-3 for i in seconds.values())
