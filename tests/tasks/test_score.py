"""Losses and accuracy, against scikit-learn and SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.special import log_softmax as scipy_log_softmax
from sklearn.metrics import accuracy_score, log_loss, mean_squared_error

from levelfield.tasks.score import accuracy, log_softmax, loss

logits = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 20), st.integers(2, 6)),
    elements=st.floats(-50, 50, width=32),
)


@given(logits)
def test_log_softmax_is_scipys(z: np.ndarray) -> None:
    np.testing.assert_allclose(log_softmax(z), scipy_log_softmax(z.astype(np.float64), axis=1), atol=1e-12)


@given(logits, st.randoms(use_true_random=False))
def test_cross_entropy_and_accuracy_are_scikit_learns(z: np.ndarray, random: object) -> None:
    n, classes = z.shape
    z = z / 5  # log_loss clips probabilities near 0
    y = np.array([random.randrange(classes) for _ in range(n)])  # type: ignore[attr-defined]
    expected = log_loss(y, np.exp(scipy_log_softmax(z.astype(np.float64), axis=1)), labels=range(classes))
    assert loss(z, y, "classification") == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert accuracy(z, y, "classification") == accuracy_score(y, z.argmax(axis=1))


def test_large_logits_neither_overflow_nor_lose_the_loss() -> None:
    z = np.array([[1e4, 0.0], [0.0, 1e4]], np.float32)
    assert loss(z, np.array([0, 0]), "classification") == 5000.0


def test_equal_logits_cost_the_logarithm_of_the_classes() -> None:
    assert loss(np.zeros((3, 10)), np.array([1, 5, 9]), "classification") == pytest.approx(math.log(10))


def test_squared_error_is_the_mean_over_samples_and_outputs_without_a_half() -> None:
    z = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
    y = np.array([[0.0, 2.0], [0.0, 0.0]], np.float32)
    assert loss(z, y, "regression") == (1 + 0 + 9 + 16) / 4 == mean_squared_error(y, z)


def test_regression_has_no_accuracy() -> None:
    assert accuracy(np.zeros((2, 1)), np.zeros((2, 1)), "regression") is None


def test_a_nan_is_reported_as_a_loss_and_not_hidden() -> None:
    assert math.isnan(loss(np.array([[np.nan, 0.0]]), np.array([0]), "classification"))
