"""The order of the samples, which every adapter of the matched track follows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from levelfield.tasks.recipe import BatchOrder

orders = st.builds(
    BatchOrder,
    samples=st.integers(1, 200),
    batch_size=st.integers(1, 64),
    epochs=st.integers(1, 3),
    seed=st.integers(0, 2**32),
    partial=st.booleans(),
)


@given(orders, st.integers(1, 5))
def test_no_sample_comes_twice_in_an_epoch(order: BatchOrder, epoch: int) -> None:
    indices = order.epoch(epoch)
    assert indices.dtype == np.int64
    assert len(np.unique(indices)) == len(indices) == order.samples_per_epoch
    assert set(indices) <= set(range(order.samples))


@given(orders, st.integers(1, 5))
def test_batches_are_the_epoch_cut_into_pieces(order: BatchOrder, epoch: int) -> None:
    batches = list(order.batches(epoch))
    assert len(batches) == len(order.slices()) == order.steps
    if batches:
        np.testing.assert_array_equal(np.concatenate(batches), order.epoch(epoch))
    assert all(len(batch) == order.batch_size for batch in batches[:-1])


@given(orders)
def test_with_the_partial_batch_every_epoch_is_a_permutation(order: BatchOrder) -> None:
    if order.partial:
        assert sorted(order.epoch(1)) == list(range(order.samples))
        last = list(order.batches(1))[-1]
        assert len(last) == (order.samples % order.batch_size or order.batch_size)


@given(orders)
def test_without_it_every_batch_is_full_and_the_fewest_samples_are_left_out(order: BatchOrder) -> None:
    if not order.partial:
        assert all(len(batch) == order.batch_size for batch in order.batches(1))
        assert 0 <= order.samples - order.samples_per_epoch < order.batch_size


@given(orders, st.integers(1, 5))
def test_dropping_the_partial_batch_does_not_change_the_others(order: BatchOrder, epoch: int) -> None:
    facts = (order.samples, order.batch_size, order.epochs, order.seed)
    kept, dropped = BatchOrder(*facts, partial=True), BatchOrder(*facts, partial=False)
    for a, b in zip(kept.batches(epoch), dropped.batches(epoch), strict=False):
        np.testing.assert_array_equal(a, b)


def test_epochs_and_seeds_have_orders_of_their_own_and_each_is_reproducible() -> None:
    order = BatchOrder(100, 10, 5, seed=1)
    np.testing.assert_array_equal(order.epoch(2), BatchOrder(100, 10, 5, seed=1).epoch(2))
    assert not np.array_equal(order.epoch(1), order.epoch(2))
    assert not np.array_equal(order.epoch(1), BatchOrder(100, 10, 5, seed=2).epoch(1))


@pytest.mark.parametrize(("partial", "steps", "samples"), [(True, 4, 10), (False, 3, 9)])
def test_steps_by_hand(partial: bool, steps: int, samples: int) -> None:
    order = BatchOrder(10, 3, 1, seed=0, partial=partial)
    assert (order.steps, order.samples_per_epoch) == (steps, samples)
