"""Splitting, standardising, and the file in which workers receive a task."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from levelfield.tasks.errors import UserError
from levelfield.tasks.task import Splits, Task, assemble, make_task

FACTS = {"source": "a test", "licence": "none"}


def ramp(n: int, features: int = 1) -> np.ndarray:
    """Rows that can be told apart: row i is i, i + 0.1, …"""
    return np.arange(n, dtype=np.float64)[:, None] + np.arange(features) / 10


def numbers(task: Task, n: int) -> list[list[int]]:
    """The row numbers of each split of a `ramp` task, read back from its standardised first column."""
    mean, deviation = task_scale(task, n)
    return [
        sorted(np.rint(split.x[:, 0] * deviation + mean).astype(int))
        for split in (task.train, task.validation, task.test)
    ]


def task_scale(task: Task, n: int) -> tuple[float, float]:
    """The line through the ramp: smallest and largest standardised value are rows 0 and n−1."""
    x = np.concatenate([task.train.x, task.validation.x, task.test.x])[:, 0].astype(np.float64)
    deviation = (n - 1) / (x.max() - x.min())
    return -x.min() * deviation, deviation


@settings(deadline=None, max_examples=40)
@given(
    counts=st.lists(st.integers(12, 60), min_size=2, max_size=5),
    seed=st.integers(0, 2**32 - 1),
    shares=st.sampled_from([(0.7, 0.15, 0.15), (0.5, 0.25, 0.25), (0.6, 0.2, 0.2)]),
)
def test_splits_are_disjoint_complete_and_stratified(
    counts: list[int], seed: int, shares: tuple[float, float, float]
) -> None:
    y = np.repeat(np.arange(len(counts)), counts)
    task = make_task("t", ramp(len(y)), y, splits=Splits(*shares), seed=seed, **FACTS)
    rows = numbers(task, len(y))
    assert sorted(chain.from_iterable(rows)) == list(range(len(y)))
    for indices, split, share in zip(rows, (task.train, task.validation, task.test), shares, strict=True):
        assert sorted(y[indices]) == sorted(split.y)
        assert abs(len(indices) - share * len(y)) <= 2
        assert np.abs(np.bincount(split.y) - np.array(counts) * share).max() <= 2


def test_validation_and_test_are_standardised_with_the_training_statistics() -> None:
    x = np.array([[0.0], [2.0], [10.0], [20.0]])
    y = np.array([0, 1, 0, 1])
    task = assemble("t", x, y, np.array([0, 1]), np.array([2]), np.array([3]), **FACTS)
    assert task.train.x.tolist() == [[-1.0], [1.0]]
    assert task.validation.x.tolist() == [[9.0]]
    assert task.test.x.tolist() == [[19.0]]


@pytest.mark.parametrize("value", [0.0, 0.1, 1 / 3, 1e30, -7e-30])
def test_a_constant_column_becomes_exact_zeros(value: float) -> None:
    """The mean of equal numbers is not always that number; the noise must not be divided by itself."""
    x = np.column_stack([np.full(99, value), np.arange(99.0)])
    task = make_task("t", x, np.arange(99) % 3, **FACTS)
    for split in (task.train, task.validation, task.test):
        assert (split.x[:, 0] == 0).all()


def test_whole_scaling_keeps_the_ratios_between_columns() -> None:
    x = np.column_stack([np.arange(60.0), 10 * np.arange(60.0)])
    task = make_task("t", x, np.arange(60) % 2, scaling="whole", **FACTS)
    assert task.train.x.std(axis=0)[1] == pytest.approx(10 * task.train.x.std(axis=0)[0], rel=1e-5)
    assert task.train.x.mean() == pytest.approx(0, abs=1e-6)
    assert task.train.x.std() == pytest.approx(1, rel=1e-6)


def test_bytes_are_standardised_without_wrapping_around() -> None:
    x = np.arange(256, dtype=np.uint8)[:, None]
    task = make_task("t", x, np.arange(256) % 2, scaling="whole", **FACTS)
    same = make_task("t", x.astype(np.float64), np.arange(256) % 2, scaling="whole", **FACTS)
    np.testing.assert_array_equal(task.train.x, same.train.x)
    assert task.train.x.min() < 0


def test_regression_targets_become_a_float32_column_in_their_own_unit() -> None:
    task = make_task("t", ramp(40), 1000 + np.arange(40), kind="regression", **FACTS)
    assert task.train.y.shape == (28, 1)
    assert task.train.y.dtype == np.float32
    assert task.train.y.min() >= 1000
    assert task.outputs == 1


def test_regression_can_have_several_outputs() -> None:
    task = make_task("t", ramp(40), ramp(40, 3), kind="regression", **FACTS)
    assert task.outputs == 3
    assert task.test.y.shape == (6, 3)


def test_a_class_too_rare_to_be_split_is_an_error_that_names_it() -> None:
    y = np.array([0] * 50 + [1] * 50 + [2] * 3)
    with pytest.raises(UserError, match="no sample of class 'lynx' in the") as caught:
        make_task("t", ramp(103), y, classes=["cat", "dog", "lynx"], **FACTS)
    assert "rare classes" in caught.value.hint


def test_a_class_with_one_sample_is_an_error() -> None:
    with pytest.raises(UserError, match="cannot be split"):
        make_task("t", ramp(31), np.array([0] * 30 + [1]), **FACTS)


def test_a_class_absent_from_training_is_an_error() -> None:
    y = np.array([0, 0, 1, 2])
    with pytest.raises(UserError, match="class 1, 2 in the train split"):
        assemble("t", ramp(4), y, np.array([0, 1]), np.array([2]), np.array([3]), **FACTS)


@pytest.mark.parametrize("shares", [(0.7, 0.2, 0.2), (1.0, 0.0, 0.0), (0.5, 0.6, -0.1), (float("nan"), 0.5, 0.5)])
def test_shares_must_be_positive_with_sum_1(shares: tuple[float, float, float]) -> None:
    with pytest.raises(UserError, match="three positive shares"):
        make_task("t", ramp(100), np.arange(100) % 2, splits=Splits(*shares), **FACTS)


def test_a_feature_that_overflows_once_standardised_is_an_error() -> None:
    x = np.array([[1.0], [1 + 1e-12], [1e38], [1.0]])
    y = np.array([0, 1, 0, 1])
    with pytest.raises(UserError, match=r"sample 2, feature 0 \(validation\)"):
        assemble("t", x, y, np.array([0, 1]), np.array([2]), np.array([3]), **FACTS)


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_a_task_survives_its_file(tmp_path: Path, kind: str) -> None:
    task = make_task("tä", ramp(60, 3), np.arange(60) % 3, kind=kind, source="s — s", licence="l")  # type: ignore[arg-type]
    task.save(tmp_path / "task.npz")
    back = Task.load(tmp_path / "task.npz")
    assert (back.name, back.kind, back.outputs, back.source, back.licence, back.features) == (
        task.name,
        task.kind,
        task.outputs,
        task.source,
        task.licence,
        task.features,
    )
    for split in ("train", "validation", "test"):
        for old, new in zip(getattr(task, split), getattr(back, split), strict=True):
            assert old.dtype == new.dtype
            np.testing.assert_array_equal(old, new)
