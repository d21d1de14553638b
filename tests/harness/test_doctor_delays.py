"""Known delays, which the doctor injects to see how soon they are found."""

from __future__ import annotations

from time import perf_counter

import numpy as np

from levelfield.adapters.adapter import Setting
from levelfield.adapters.numpy.manual import NumpyManual
from levelfield.harness.measure import delay
from levelfield.harness.measure.delay import Delay
from levelfield.tasks.mlp import MLP
from levelfield.tasks.recipe import BatchOrder, Recipe
from levelfield.tasks.task import Split


class Counting:
    """A watch for a fixed number of epochs."""

    def __init__(self, epochs: int) -> None:
        self.left = epochs

    def ready(self) -> None:
        pass

    def epoch_end(self, epoch: int) -> bool:
        self.left -= 1
        return self.left > 0


def trained(seconds: float) -> tuple[np.ndarray, float]:
    """The first kernel after two epochs of two steps with a delay, and the seconds that they took."""
    setting = Setting(MLP((4, 8, 3)), Recipe("momentum", batch_size=8), mode="eager")
    model = NumpyManual(setting)
    model.set_weights(setting.model.initial_weights(0))
    rng = np.random.default_rng(0)
    train = Split(rng.normal(size=(16, 4)).astype(np.float32), rng.integers(0, 3, 16))
    start = perf_counter()
    with Delay(seconds=seconds).around(model, Counting(2), setting, 2) as watch:
        model.fit(train, BatchOrder(16, 8, 2, 0), watch)
    return model.get_weights()[0].kernel, perf_counter() - start


def test_a_delayed_launch_computes_the_same_and_takes_longer_at_every_step():
    plain, _ = trained(0.0)
    late, took = trained(0.02)
    np.testing.assert_array_equal(plain, late)
    assert took >= 4 * 0.02  # a busy wait cannot end early, whatever else the machine does


def test_where_steps_are_not_called_one_by_one_the_epoch_ends_later(monkeypatch):
    monkeypatch.setattr(delay, "STEPS", {})
    _, took = trained(0.02)
    assert took >= 4 * 0.02
