"""The speed work is as fast in its last epoch as in its first: no number in it becomes too small to be fast.

A hidden unit that never fires has no gradient; its momentum decays, by a tenth a step, into the subnormal numbers,
which a processor may compute with far more slowly (docs/statistics.md, "Numbers too small to be fast").

``python tests/harness/test_speed_work.py`` counts the seeds in which that happens, at several rates and in the suites.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial

import numpy as np
import pytest

from levelfield.adapters.numpy.manual import NumpyManual
from levelfield.adapters.registry import find
from levelfield.harness.doctor import series
from levelfield.harness.plan import launches, suite
from levelfield.harness.records.cell import Cell
from levelfield.tasks import registry
from levelfield.tasks.recipe import BatchOrder

SEEDS = range(12)  # the blocks of the default suite
EPOCHS = 60
SMALLEST = np.finfo(np.float32).smallest_normal


def suite_cells(name: str) -> list[Cell]:
    """The matched speed work of numpy-manual in a suite, but for MNIST's, which may not be there."""
    chosen, _ = suite.read(name)
    tasks = {task for part in (*chosen.speed, *chosen.learning) for task in part.task} - {"mnist"}
    there = launches.Surroundings(find().adapters, {task: registry.load(task) for task in tasks}, cores=1)
    only = launches.Selection(adapter=("numpy-manual",), task=tuple(tasks), track=("matched",))
    cells = [launch.cell for launch in launches.plan(chosen, there, only) if launch.cell.kind == "speed"]
    return list({cell.id: cell for cell in cells}.values())


def suite_cell(task: str) -> Cell:
    """In the suite `default`."""
    (cell,) = (cell for cell in suite_cells("default") if cell.task == task)
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
    task = registry.load(cell.task)
    setting = launches.setting(cell, task, seed)
    model = NumpyManual(setting)
    model.set_weights(setting.model.initial_weights(seed))
    looking = Looking(model)
    model.fit(task.train, BatchOrder(len(task.train.x), cell.recipe.batch_size, EPOCHS, seed, partial=False), looking)
    return looking.found


def same_work(cell: Cell) -> Cell:
    """Without what makes no difference to the numbers, so that work that two ask for is done once."""
    recipe = replace(cell.recipe, name="", epochs=1)
    return cell.model_copy(update={"recipe": recipe, "model": replace(cell.model, name=""), "threads": 1})


def at_rate(rate: float) -> Cell:
    work = same_work(doctor_cell())
    return work.model_copy(update={"recipe": replace(work.recipe, learning_rate=rate)})


@pytest.mark.slow
@pytest.mark.parametrize(
    "cell",
    [partial(suite_cell, "digits"), partial(suite_cell, "iris"), doctor_cell],
    ids=["default: digits", "default: iris", "doctor"],
)
def test_the_speed_work_leaves_no_subnormal_numbers(cell):
    work = same_work(cell())
    assert {seed: n for seed in SEEDS if (n := subnormals(work, seed))} == {}


def test_at_a_larger_rate_it_would():
    faster = at_rate(0.05)
    assert [bool(subnormals(faster, seed)) for seed in range(3)] == [True, True, True]


if __name__ == "__main__":
    table = [(f"doctor at {rate}", at_rate(rate)) for rate in (0.05, 0.02, 0.01)]
    for name in ("default", "defaults", "smoke", "thorough"):
        table += [(f"{name}: {c.task} {c.model.name} {c.recipe.name}", same_work(c)) for c in suite_cells(name)]
    for what, work in table:
        hit = sum(bool(subnormals(work, seed)) for seed in SEEDS)
        print(f"{what}: subnormal numbers in {hit} of {len(SEEDS)} seeds within {EPOCHS} epochs")
