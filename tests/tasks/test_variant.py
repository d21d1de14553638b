"""Variants of a task: how much is changed, that the seed decides what, and that the rest stays as it is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from levelfield.tasks import registry
from levelfield.tasks.variant import Variant, vary

DIGITS = registry.load("digits")


def rows(x: np.ndarray) -> set[bytes]:
    return {row.tobytes() for row in x}


def test_no_change_is_the_task_itself():
    assert vary(DIGITS, Variant(), 3) is DIGITS


@given(share=st.floats(0.01, 1), noise=st.floats(0, 0.9), seed=st.integers(0, 2**31 - 1))
@settings(max_examples=25, deadline=None)
def test_the_same_seed_gives_the_same_data_of_the_size_asked_for(share, noise, seed):
    variant = Variant(share=share, label_noise=noise)
    made = vary(DIGITS, variant, seed)
    assert made.digest() == vary(DIGITS, variant, seed).digest()
    assert len(made.train.x) == len(made.train.y) == max(1, round(share * len(DIGITS.train.x)))
    assert np.array_equal(made.test.x, DIGITS.test.x)
    assert np.array_equal(made.validation.y, DIGITS.validation.y)


@given(share=st.floats(0, 0.9), seed=st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_exactly_the_asked_share_of_the_labels_becomes_another_class(share, seed):
    made = vary(DIGITS, Variant(label_noise=share), seed)
    assert (made.train.y != DIGITS.train.y).sum() == round(share * len(DIGITS.train.y))
    assert made.train.y.min() >= 0
    assert made.train.y.max() < DIGITS.outputs


def test_smaller_shares_are_parts_of_larger_ones():
    small, large = (vary(DIGITS, Variant(share=share), 1) for share in (0.1, 0.5))
    assert rows(small.train.x) < rows(large.train.x)


def test_parts_are_disjoint_and_together_the_whole():
    parts = [rows(vary(DIGITS, Variant(part=k, parts=5), 7).train.x) for k in range(5)]
    assert sum(map(len, parts)) == len(rows(DIGITS.train.x)) == len(set().union(*parts))


def test_input_noise_has_the_deviation_asked_for_on_every_split():
    made = vary(DIGITS, Variant(input_noise=0.5), 0)
    for split in ("train", "validation", "test"):
        noise = getattr(made, split).x - getattr(DIGITS, split).x
        assert noise.std() == pytest.approx(0.5, rel=0.03)
        assert np.array_equal(getattr(made, split).y, getattr(DIGITS, split).y)


def test_five_points_have_a_line_with_the_errors_of_the_lesson():
    task = registry.load("five-points")
    a, b = np.polyfit(task.train.x[:, 0], task.train.y[:, 0], 1)
    errors = [np.square(a * s.x[:, 0] + b - s.y[:, 0]).mean() for s in (task.train, task.validation)]
    assert errors[0] == pytest.approx(5.3, abs=0.1)
    assert errors[1] == pytest.approx(5.1, abs=0.1)
