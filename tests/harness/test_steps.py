"""Steps in a series: found where they are, with their size; rarely where there are none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from levelfield.harness.judge import steps
from levelfield.tasks.errors import UserError

SERIES = st.lists(st.floats(0.01, 100), min_size=0, max_size=12)
NOISES = {
    "normal": lambda rng, n: 0.02 * rng.standard_normal(n),
    "a run in 20 ten times as far off": lambda rng, n: (
        0.02 * rng.standard_normal(n) * np.where(rng.random(n) < 0.05, 10, 1)
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("runs", [5, 12, 24])
def test_a_series_without_a_step_shows_one_in_at_most_one_of_twenty(noise, runs):
    rng = np.random.default_rng(2)
    found = sum(bool(steps.find(np.exp(NOISES[noise](rng, runs)).tolist(), margin=1e-9)) for _ in range(200))
    assert found / 200 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)


def test_a_step_of_ten_per_cent_in_noise_of_two_is_found_once_in_its_place_and_with_its_size():
    rng = np.random.default_rng(3)
    level = np.where(np.arange(16) < 10, 1.0, 1.1)
    found = [steps.find((level * np.exp(NOISES["normal"](rng, 16))).tolist()) for _ in range(100)]
    assert sum(len(own) == 1 and abs(own[0].first - 10) <= 1 for own in found) >= 90
    assert sum(own[0].ratio.low <= 1.1 <= own[0].ratio.high for own in found if own) >= 0.95 * len(found)


def test_up_and_down_again_are_two_steps():
    rng = np.random.default_rng(4)
    level = np.array([1.0] * 6 + [1.3] * 4 + [1.0] * 6)
    found = steps.find((level * np.exp(NOISES["normal"](rng, 16))).tolist())
    assert [(one.first, one.ratio.estimate > 1) for one in found] == [(6, True), (10, False)]


def test_a_step_within_the_margin_is_none():
    series = [1.0, 1.0001] * 4 + [1.02, 1.0201] * 4
    assert steps.find(series, margin=0.03) == []
    assert [one.first for one in steps.find(series, margin=0.01)] == [8]


def test_one_value_alone_makes_no_step_and_a_short_series_has_none():
    assert steps.find([1.0] * 5 + [1.5] + [1.0] * 5) == []
    assert steps.find([1.0] * 5 + [1.5]) == []
    assert steps.find([1.0, 1.0, 2.0]) == []


@settings(deadline=None, derandomize=True)  # the first call imports
@given(SERIES, st.floats(0.01, 100))
def test_steps_do_not_depend_on_the_unit_and_turn_round_with_the_ratio(values, unit):
    found = steps.find(values)
    assert [one.first for one in steps.find([unit * value for value in values])] == [one.first for one in found]
    turned = steps.find([1 / value for value in values])
    assert [one.first for one in turned] == [one.first for one in found]
    assert [1 / one.ratio.estimate for one in turned] == pytest.approx([one.ratio.estimate for one in found])


@settings(deadline=None, derandomize=True)
@given(SERIES)
def test_each_side_of_a_step_has_values_enough_and_its_interval_excludes_one(values):
    found = steps.find(values)
    places = [0, *(one.first for one in found), len(values)]
    assert not found or min(np.diff(places)) >= steps.LEAST_VALUES
    assert all(one.ratio.low > 1 or one.ratio.high < 1 for one in found)


def test_a_value_that_is_no_time_is_refused():
    with pytest.raises(UserError, match="positive"):
        steps.find([1.0, 1.0, 0.0, 1.0])
