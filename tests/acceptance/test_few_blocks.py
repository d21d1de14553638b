"""The coverage of few blocks of many cells, by the simulation of docs/results/coverage.md, with fewer tables."""

from __future__ import annotations

import few_blocks
import numpy as np
import pytest

from levelfield.harness.judge.statistics import paired_ratios


@pytest.mark.parametrize("comparisons", [5, 20])
@pytest.mark.parametrize("blocks", [3, 5, 8])
@pytest.mark.parametrize("noise", few_blocks.NOISES)
def test_the_intervals_of_a_family_hold_together(noise, blocks, comparisons):
    x = few_blocks.log_ratios(few_blocks.NOISES[noise], np.random.default_rng(400), 800, comparisons, blocks)
    assert few_blocks.holds(few_blocks.ours(x)).mean() >= 0.95 - 4 * np.sqrt(0.95 * 0.05 / 800)


def test_limmas_own_moderation_fails_this_check():
    x = few_blocks.log_ratios(few_blocks.one_noisy, np.random.default_rng(400), 800, 20, 5)
    assert few_blocks.holds(few_blocks.smyth(x)).mean() < 0.95 - 4 * np.sqrt(0.95 * 0.05 / 800)


def test_the_simulation_judges_as_the_table_does():
    x = few_blocks.log_ratios(few_blocks.unequal, np.random.default_rng(401), 1, 9, 5)
    pairs = {i: (np.exp(row).tolist(), [1.0] * 5) for i, row in enumerate(x[0])}
    centre, half = few_blocks.ours(x)
    assert np.allclose(np.log([i.high for i in paired_ratios(pairs).values()]), (centre + half)[0])
