"""The speed work on digits is as fast in its last epoch as in its first: no number in it becomes too small to be fast.

A hidden unit that never fires has no gradient; its momentum decays, by a tenth a step, into the subnormal numbers,
which a processor may compute with far more slowly (docs/statistics.md, "Numbers too small to be fast").
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from adapters.numpy_manual import NumpyManual
from adapters.registry import find
from harness import plan, suite
from harness.doctor import series
from harness.record import Cell
from tasks import digits
from tasks.recipe import BatchOrder

SEEDS = range(12)  # the blocks of the default suite
EPOCHS = 60
SMALLEST = np.finfo(np.float32).smallest_normal


def suite_cell() -> Cell:
    """Of numpy-manual on digits in the suite `default`."""
    chosen, _ = suite.read("default")
    named = {task for part in (*chosen.speed, *chosen.learning) for task in part.task}
    there = plan.Surroundings(find().adapters, dict.fromkeys(named, digits.load()), cores=1)
    only = plan.Selection(adapters=("numpy-manual",), tasks=("digits",))
    (cell,) = {launch.cell for launch in plan.plan(chosen, there, only) if launch.cell.kind == "speed"}
    return cell


def doctor_cell() -> Cell:
    return series.cell(find().adapters["numpy-manual"], "eager", threads=1)


class Looking:
    """Counts the subnormal numbers after every epoch, and stops at the first that has any."""

    def __init__(self, model: NumpyManual) -> None:
        self.numbers = (*model.parameters, *model.first, *model.second)
        self.found = 0

    def ready(self) -> None:
        pass

    def epoch_end(self, epoch: int) -> bool:
        self.found = sum(int(((x != 0) & (abs(x) < SMALLEST)).sum()) for x in self.numbers)
        return not self.found


@cache
def subnormals(cell: Cell, seed: int) -> int:
    """In weights and momentum, within `EPOCHS` epochs as a speed launch makes them."""
    task = digits.load()
    setting = plan.setting(cell, task, seed)
    model = NumpyManual(setting)
    model.set_weights(setting.model.initial_weights(seed))
    looking = Looking(model)
    model.fit(task.train, BatchOrder(len(task.train.x), cell.recipe.batch_size, EPOCHS, seed, partial=False), looking)
    return looking.found


def same_work(cell: Cell) -> Cell:
    """Without what makes no difference to the numbers, so that work that two ask for is done once."""
    recipe = cell.recipe.model_copy(update={"name": "", "epochs": 1})
    return cell.model_copy(update={"recipe": recipe, "model": cell.model.model_copy(update={"name": ""}), "threads": 1})


@pytest.mark.parametrize("cell", [suite_cell, doctor_cell], ids=["default", "doctor"])
def test_the_speed_work_on_digits_leaves_no_subnormal_numbers(cell):
    work = same_work(cell())
    assert {seed: n for seed in SEEDS if (n := subnormals(work, seed))} == {}


def test_at_a_larger_rate_it_would():
    work = same_work(doctor_cell())
    faster = work.model_copy(update={"recipe": work.recipe.model_copy(update={"learning_rate": 0.05})})
    assert [bool(subnormals(faster, seed)) for seed in range(3)] == [True, True, True]
