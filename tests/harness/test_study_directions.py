"""What makes the gap, on fixed seeds: each known direction shows with a 95 % interval that excludes zero."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from levelfield.adapters.adapter import Setting
from levelfield.adapters.numpy.manual import NumpyManual
from levelfield.adapters.runtime import PLAIN, load
from levelfield.harness.judge import bias_variance
from levelfield.harness.judge.statistics import Interval, mean_interval
from levelfield.harness.measure import learning, protocol
from levelfield.tasks import registry
from levelfield.tasks.early_stopping import EarlyStopping
from levelfield.tasks.mlp import MLP
from levelfield.tasks.recipe import Recipe
from levelfield.tasks.variant import Variant, vary

pytestmark = pytest.mark.slow

DIGITS = registry.load("digits")
SEEDS = range(6)
EPOCHS = 40
MESSY = Variant(share=0.2, label_noise=0.2)


def gaps(
    variant: Variant = MESSY, width: int = 64, l2: float = 0.0, dropout: float = 0.0, patience: int | None = None
) -> np.ndarray:
    """Validation − training loss at the end of each seed's fit."""
    found = []
    for seed in SEEDS:
        setting = Setting(
            MLP((64, width, 10), dropout=dropout, l2=l2), Recipe("momentum", 0.05, epochs=EPOCHS), seed=seed
        )
        stopping = None if patience is None else EarlyStopping(patience=patience)
        how = learning.Learning(stopping, every=EPOCHS if patience is None else 1)
        result = protocol.launch("learning", NumpyManual, load(PLAIN), setting, vary(DIGITS, variant, seed), 0.0, how)
        final = result["final"]
        found.append(final["validation"]["loss"] - final["train"]["loss"])
    return np.array(found)


@pytest.fixture(scope="module")
def messy() -> np.ndarray:
    return gaps()


def test_more_wrong_labels_open_the_gap(messy):
    clean = gaps(Variant(share=0.2))
    assert mean_interval(list(messy - clean)).low > 0


def test_more_noise_on_the_inputs_opens_the_gap():
    clean, noisy = (gaps(Variant(share=0.2, input_noise=deviation)) for deviation in (0.0, 1.0))
    assert mean_interval(list(noisy - clean)).low > 0


def test_more_capacity_opens_the_gap(messy):
    assert mean_interval(list(messy - gaps(width=2))).low > 0


def test_fewer_samples_open_the_gap():
    few, many = (gaps(Variant(share=share)) for share in (0.1, 0.5))
    assert mean_interval(list(few - many)).low > 0


@pytest.mark.parametrize("remedy", [{"l2": 0.003}, {"dropout": 0.5}, {"patience": 5}], ids=str)
def test_each_remedy_narrows_the_gap(messy, remedy):
    assert mean_interval(list(messy - gaps(**remedy))).low > 0


@pytest.fixture(scope="module")
def decomposed() -> dict[int, np.ndarray]:
    """Width → (seeds, 6): bias and variance by squared loss, cross-entropy and 0-1 loss, of five disjoint parts."""
    found: dict[int, list[list[float]]] = {}
    for width, seed in product((1, 4, 64), range(10)):
        fits = []
        for part in range(5):
            setting = Setting(MLP((64, width, 10)), Recipe("momentum", 0.05, epochs=EPOCHS), seed=seed)
            how = learning.Learning(every=EPOCHS, predictions=True)
            task = vary(DIGITS, Variant(part=part, parts=5), seed)
            fits.append(
                protocol.launch("learning", NumpyManual, load(PLAIN), setting, task, 0.0, how)["test_log_probabilities"]
            )
        logs, y = np.array(fits), DIGITS.test.y
        splits = (
            bias_variance.squared(np.exp(logs), np.eye(10)[y]),
            bias_variance.cross_entropy(logs, y),
            bias_variance.zero_one(logs.argmax(axis=2), y),
        )
        found.setdefault(width, []).append([value for split in splits for value in split])
    return {width: np.array(values) for width, values in found.items()}


def change(decomposed: dict[int, np.ndarray], column: int, start: int, end: int) -> Interval:
    return mean_interval(list(decomposed[end][:, column] - decomposed[start][:, column]))


@pytest.mark.parametrize("loss", [0, 1, 2], ids=["squared loss", "cross-entropy", "0-1 loss"])
def test_more_capacity_lowers_the_bias(decomposed, loss):
    assert change(decomposed, 2 * loss, 1, 4).high < 0
    assert change(decomposed, 2 * loss, 4, 64).high < 0


@pytest.mark.parametrize("loss", [0, 1], ids=["squared loss", "cross-entropy"])
def test_the_variance_rises_with_capacity_and_then_falls(decomposed, loss):
    """Yang et al. (2020): it is unimodal."""
    assert change(decomposed, 2 * loss + 1, 1, 4).low > 0
    assert change(decomposed, 2 * loss + 1, 4, 64).high < 0


def test_all_remedies_together_narrow_the_gap(messy):
    assert mean_interval(list(messy - gaps(l2=0.003, dropout=0.5, patience=5))).low > 0
