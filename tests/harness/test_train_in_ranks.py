"""Several ranks train one network: rank 0 decides, all of them hear it, and in the end they must agree."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from multiprocessing import Pipe

import numpy as np
import pytest

from levelfield.adapters.adapter import Setting
from levelfield.harness.measure.adapter_checks import BrokenContract
from levelfield.harness.measure.rank_group import Ranks
from levelfield.harness.measure.train_in_ranks import Following, Leading, digest, placement
from levelfield.tasks.mlp import MLP, Layer
from levelfield.tasks.recipe import Recipe

TWO = replace(Setting(MLP((4, 3)), Recipe(batch_size=8)), replicas=2, replication="ranks")


class Trained:
    """What ranks ask of an adapter once it has trained."""

    def __init__(self, samples: int = 4, weight: float = 1.0) -> None:
        self.samples, self.weight, self.waited = samples, weight, 0

    def placement(self) -> dict[str, int]:
        return {"cpu:0": self.samples}

    def get_weights(self) -> list[Layer]:
        return [(np.full((4, 3), self.weight, np.float32), np.zeros(3, np.float32))]

    def synchronize(self) -> None:
        self.waited += 1


class Clock:
    """The watch of rank 0: stops after `epochs`."""

    def __init__(self, epochs: int) -> None:
        self.epochs, self.told = epochs, []

    def ready(self) -> None:
        self.told.append("ready")

    def epoch_end(self, epoch: int) -> bool:
        self.told.append(f"epoch {epoch}")
        return epoch + 1 < self.epochs

    def resume(self) -> None:
        self.told.append("resume")


def both(first, second):
    """What two ranks make, each in a thread of its own, connected as processes are."""
    ends = Pipe()
    shares = [[0], [0]]
    with ThreadPoolExecutor(2) as pool:
        made = [pool.submit(work, Ranks(i, shares, [ends[i]])) for i, work in enumerate((first, second))]
        return [one.result(timeout=60) for one in made]


def train(watch) -> int:
    watch.ready()
    for epoch in range(100):
        if not watch.epoch_end(epoch):
            return epoch + 1
    return 100


def test_the_others_stop_when_rank_0_decides_it_and_its_clock_waits_for_them():
    clock, model = Clock(epochs=3), Trained()
    epochs = both(lambda ranks: train(Leading(clock, ranks)), lambda ranks: train(Following(model, ranks)))
    assert epochs == [3, 3]
    assert clock.told == ["ready", "resume", "epoch 0", "resume", "epoch 1", "resume", "epoch 2", "resume"]
    assert model.waited == 4  # its work is done before it says so: after each epoch, and when it is ready


def test_ranks_that_trained_one_network_tell_where_it_was_computed():
    told = both(lambda ranks: placement(Trained(), TWO, ranks), lambda ranks: placement(Trained(), TWO, ranks))
    assert told == [{"rank 0, cpu:0": 4, "rank 1, cpu:0": 4}] * 2


@pytest.mark.parametrize(
    ("other", "says"),
    [(Trained(weight=2.0), "different weights"), (Trained(samples=8), "not distributed over 2 ranks")],
)
def test_both_ranks_refuse_what_they_did_not_do_together(other, says):
    def refused(model):
        def ask(ranks):
            with pytest.raises(BrokenContract, match=says):
                placement(model, TWO, ranks)
            return True

        return ask

    assert both(refused(Trained()), refused(other)) == [True, True]


def test_a_digest_tells_weights_apart_to_the_last_bit():
    one, other = Trained().get_weights(), Trained().get_weights()
    assert digest(one) == digest(other)
    other[0][0][0, 0] = np.nextafter(other[0][0][0, 0], np.float32(2))
    assert digest(one) != digest(other)
