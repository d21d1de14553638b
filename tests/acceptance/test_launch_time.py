"""Ways to say what a launch took are compared by how much their ratios vary from block to block, and shift."""

from __future__ import annotations

import launch_time
import pytest

from levelfield.adapters.registry import find
from levelfield.harness.doctor import series
from levelfield.harness.records.cell import Cell
from levelfield.harness.records.record import Record, Turn
from levelfield.harness.system import machine

HERE = machine.describe(True)
BASE = series.cell(find().adapters["torch-autograd"], "eager", threads=1)
OTHER = BASE.model_copy(update={"adapter": "numpy-manual", "framework": "numpy"})
COMPILED = BASE.model_copy(update={"mode": "compile"})


def launch(cell: Cell, block: int, *seconds: float) -> Record:
    """With one turn of one epoch for each of `seconds`."""
    turns = [Turn(first=place, epochs=1, began=place) for place in range(len(seconds))]
    return Record(
        cell=cell, seed=0, block=block, status="ok", started="", machine=HERE, steps_per_epoch=1,
        epoch_seconds=list(seconds), turns=turns,
    )  # fmt: skip


def run(slow: float) -> list[Record]:
    """Two blocks; in the second one `slow` seconds were one of the turns of the other adapter."""
    return [
        launch(COMPILED, 0, *[9.0] * 5),
        *(launch(BASE, block, *[2.0] * 5) for block in (0, 1)),
        launch(OTHER, 0, *[1.0] * 5),
        launch(OTHER, 1, *[1.0] * 4, slow),
    ]


@pytest.mark.parametrize(("way", "varies"), [(name, "mean" in name) for name in launch_time.WAYS])
def test_a_slow_turn_moves_the_mean_and_nothing_else(way: str, varies: bool) -> None:
    found = launch_time.ratios(run(5.0), "torch-autograd", launch_time.WAYS[way])
    assert len(found) == 1  # a cell of one block has no spread
    assert (launch_time.spread(found) > 0.1) == varies


def test_a_run_whose_ratios_doubled_has_shifted_by_a_hundred_per_cent() -> None:
    way = launch_time.WAYS["**the quickest**"]
    twice = [launch(one.cell, one.block, *[2.0] * 5) if one.cell == OTHER else one for one in run(1.0)]
    both = (launch_time.ratios(records, "torch-autograd", way) for records in (twice, run(1.0)))
    assert launch_time.shift(*both) == pytest.approx(1.0)
