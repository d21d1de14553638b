"""The model's counts, checked by hand, and its canonical initial weights."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from levelfield.tasks.mlp import MLP, copy_layers
from levelfield.tasks.recipe import STATE

widths = st.lists(st.integers(1, 40), min_size=2, max_size=5).map(tuple)


@pytest.mark.parametrize(
    ("layers", "parameters"),
    [((4, 3), 4 * 3 + 3), ((784, 128, 10), 784 * 128 + 128 + 128 * 10 + 10), ((2, 1, 1, 2), 3 + 2 + 4)],
)
def test_parameters_are_kernels_and_biases(layers: tuple[int, ...], parameters: int) -> None:
    assert MLP(layers).parameters == parameters


@given(widths)
def test_parameters_are_the_sizes_of_the_initial_weights(layers: tuple[int, ...]) -> None:
    model = MLP(layers)
    weights = model.initial_weights(0)
    assert sum(kernel.size + bias.size for kernel, bias in weights) == model.parameters
    assert [kernel.shape for kernel, _ in weights] == model.shapes
    assert [bias.shape for _, bias in weights] == [(m,) for _, m in model.shapes]


def test_operations_of_a_single_layer() -> None:
    """Batch 5, 4 → 3: x @ W is 5·3 dot products of length 4 (2 operations each); backward only dW = xᵀ @ dz."""
    assert MLP((4, 3)).flops(5) == 2 * 5 * 4 * 3 * 2


def test_operations_of_two_layers() -> None:
    """The first layer is used forward and for its kernel's gradient, the second also for its input's gradient."""
    assert MLP((4, 7, 3)).flops(5) == 2 * 5 * (4 * 7) * 2 + 2 * 5 * (7 * 3) * 3


@given(widths, st.integers(1, 64))
def test_operations_and_bytes_grow_linearly_with_the_batch(layers: tuple[int, ...], batch: int) -> None:
    model = MLP(layers)
    assert model.flops(batch) == batch * model.flops(1)
    assert model.bytes(batch) - model.bytes(0) == batch * (model.bytes(1) - model.bytes(0))
    assert model.bytes(batch, itemsize=8) == 2 * model.bytes(batch)


def test_bytes_of_a_step_by_hand() -> None:
    """4 → 3, batch 5, 15 parameters: read forward, read backward, gradient written and read, updated: read, written;
    5·(4+3) activations written once, read twice."""
    assert MLP((4, 3)).bytes(5) == 4 * (6 * 15 + 3 * 35)


def test_an_optimizer_reads_and_writes_each_array_of_its_state() -> None:
    """v of momentum, m and v of Adam: 15 parameters each."""
    plain = MLP((4, 3)).bytes(5)
    assert {name: MLP((4, 3)).bytes(5, state=n) - plain for name, n in STATE.items()} == {
        "sgd": 0,
        "momentum": 4 * 2 * 15,
        "nesterov": 4 * 2 * 15,
        "adam": 4 * 4 * 15,
        "adamw": 4 * 4 * 15,
    }


def test_initial_weights_are_the_same_for_the_same_seed_only() -> None:
    model = MLP((6, 5, 4))
    for a, b, c in zip(model.initial_weights(3), model.initial_weights(3), model.initial_weights(4), strict=True):
        np.testing.assert_array_equal(a.kernel, b.kernel)
        assert not np.array_equal(a.kernel, c.kernel)


def test_initial_weights_do_not_change_between_versions() -> None:
    """Records of different days are compared; a changed generator must not go unnoticed."""
    kernel = MLP((2, 2)).initial_weights(0)[0].kernel
    expected = np.random.default_rng([0, 0x1417]).uniform(-np.sqrt(1.5), np.sqrt(1.5), (2, 2))
    np.testing.assert_array_equal(kernel, expected.astype(np.float32))


def test_kernels_fill_the_glorot_interval_and_biases_are_zero() -> None:
    kernel, bias = MLP((300, 100)).initial_weights(0)[0]
    bound = np.sqrt(6 / 400)
    assert kernel.dtype == bias.dtype == np.float32
    assert np.abs(kernel).max() <= np.float32(bound)
    assert np.abs(kernel).max() > 0.99 * bound
    assert abs(kernel.mean()) < bound / 50
    assert kernel.std() == pytest.approx(bound / np.sqrt(3), rel=0.02)
    assert not bias.any()


def test_copies_share_no_memory() -> None:
    layers = MLP((3, 2)).initial_weights(0)
    copies = copy_layers(layers)
    copies[0].kernel[:] = 9
    copies[0].bias[:] = 9
    assert not (layers[0].kernel == 9).any()
    assert not layers[0].bias.any()
