"""The estimators of bias and variance, against cases with a closed form and the identities that define them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from levelfield.harness.judge import bias_variance
from levelfield.tasks.score import log_softmax


def test_squared_loss_agrees_with_the_closed_form_of_a_shrunk_gaussian_mean():
    """The estimate a·mean of n normal deviates about μ has bias² (1−a)²μ² and variance a²σ²/n."""
    rng = np.random.default_rng(0)
    a, mu, sigma, n, fits = 0.6, 2.0, 3.0, 10, 5
    found = [
        bias_variance.squared(
            a * rng.normal(mu, sigma, (fits, 1, 1, n)).mean(axis=3), np.array([[mu]])
        )
        for _ in range(4000)
    ]  # fmt: skip
    for values, truth in zip(zip(*found, strict=True), ((1 - a) ** 2 * mu**2, a**2 * sigma**2 / n), strict=True):
        error = np.std(values) / np.sqrt(len(values))
        assert np.mean(values) == pytest.approx(truth, abs=4 * error)


@given(st.integers(0, 2**31), st.integers(2, 6), st.integers(1, 8), st.integers(2, 5))
def test_bias_and_variance_sum_to_the_mean_loss_and_variance_is_not_negative(seed, fits, samples, classes):
    rng = np.random.default_rng(seed)
    logs = log_softmax(rng.normal(size=(fits * samples, classes)) * 3).reshape(fits, samples, classes)
    y = rng.integers(0, classes, samples)
    nll = -logs[:, np.arange(samples), y].mean()
    square = np.square(np.exp(logs) - np.eye(classes)[y]).sum(axis=2).mean()
    wrong = (logs.argmax(axis=2) != y).mean()
    assert sum(bias_variance.cross_entropy(logs, y)) == pytest.approx(nll)
    assert sum(bias_variance.squared(np.exp(logs), np.eye(classes)[y])) == pytest.approx(square)
    assert sum(bias_variance.zero_one(logs.argmax(axis=2), y)) == pytest.approx(wrong)
    assert bias_variance.cross_entropy(logs, y).variance >= -1e-12
    assert bias_variance.squared(np.exp(logs), np.eye(classes)[y]).variance >= 0


def test_equal_fits_have_no_variance():
    logs = np.repeat(log_softmax(np.array([[1.0, 2.0], [0.0, 1.0]]))[None], 3, axis=0)
    y = np.array([1, 0])
    assert bias_variance.cross_entropy(logs, y).variance == pytest.approx(0)
    assert bias_variance.squared(np.exp(logs), np.eye(2)[y]).variance == 0
    assert bias_variance.zero_one(logs.argmax(axis=2), y) == (0.5, 0)


def test_zero_one_loss_counts_straying_from_a_right_vote_and_credits_straying_from_a_wrong_one():
    classes = np.array([[0, 0], [0, 0], [1, 1]])
    assert bias_variance.zero_one(classes, np.array([0, 1])) == pytest.approx((0.5, 0.0))
    assert bias_variance.zero_one(classes[:, :1], np.array([0])) == pytest.approx((0.0, 1 / 3))
    assert bias_variance.zero_one(classes[:, :1], np.array([1])) == pytest.approx((1.0, -1 / 3))
