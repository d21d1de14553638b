"""When a run has blocks enough: by its budget, and by that of a suite on a machine that is slower than thought."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from levelfield.adapters.registry import find
from levelfield.harness.judge.statistics import LEAST_BLOCKS
from levelfield.harness.plan.launches import Launch
from levelfield.harness.records.cell import Cell, NamedModel, NamedRecipe
from levelfield.harness.records.record import Record
from levelfield.harness.run.stop_rule import PATIENCE, StopRule
from levelfield.harness.system.machine import Machine

MOST = 12
MACHINE = Machine(host=None, system="Linux", cpu="Some CPU", cores=2, memory_bytes=2**30, python="3.11", commit=None)
CELL = Cell(
    kind="speed",
    task="digits",
    model=NamedModel(name="multi-layer", hidden=(128,)),
    recipe=NamedRecipe(name="plain", optimizer="sgd", learning_rate=0.1),
    adapter="numpy-manual",
    framework="numpy",
    backend=None,
    api="low",
    mode="eager",
)


def blocks_made(budget: float | None, a_block: float, *, elastic: bool, fresh: int = 0, more: float = 0.0) -> int:
    """Of at most twelve, where each takes `a_block` seconds, the `fresh` ones `more`, by a clock of the test's own."""
    now = 0.0
    goal = StopRule(
        [Launch(CELL, block, 0, 0.1, fresh=block < fresh) for block in range(MOST)],
        "numpy-manual",
        find().adapters,
        budget,
        None,
        elastic,
        lambda: now,
    )
    goal.start()
    for block in range(MOST):
        if goal.reached():
            return block
        took = a_block + more * (block < fresh)
        now += took
        goal.add(
            Record(cell=CELL, seed=0, block=block, status="skipped", started="", machine=MACHINE, wall_seconds=took)
        )
    return MOST


@pytest.mark.parametrize(
    ("a_block", "made"),
    [(10.0, MOST), (25.0, 9), (48.0, 5), (60.0, 4), (90.0, 3), (96.0, 3), (100.0, 3), (480.0, 3), (1000.0, 3)],
)
def test_a_suites_own_budget_reaches_to_three_blocks_on_any_machine(a_block, made):
    assert blocks_made(240.0, a_block, elastic=True) == made


def test_a_block_costs_what_the_last_one_took():
    """Three blocks of 100 s measure more, others take 20 s: until one of these is made, more of 100 are expected."""
    assert blocks_made(480.0, 20.0, elastic=False, fresh=3, more=80.0) == 12
    assert blocks_made(400.0, 20.0, elastic=False, fresh=3, more=80.0) == 8
    assert blocks_made(350.0, 20.0, elastic=False, fresh=3, more=80.0) == 3
    assert blocks_made(250.0, 20.0, elastic=True, fresh=3, more=80.0) == 3


def test_a_budget_that_the_user_gave_is_kept():
    assert blocks_made(240.0, 60.0, elastic=False) == 4


def test_without_a_budget_all_blocks_are_made():
    assert blocks_made(None, 1000.0, elastic=True) == MOST


class Timed:
    """A run of which the first block is whole, by a clock of the test's own: two of its launches start at a time."""

    def __init__(self, blocks: int, budget: float | None, elastic: bool = True) -> None:
        self.now = 0.0
        launches = [Launch(cell, b, 0, 0.1, whole=b == 0) for b in range(blocks) for cell in (CELL, OTHER)]
        self.rule = StopRule(launches, "numpy-manual", find().adapters, budget, None, elastic, lambda: self.now, 2)
        self.rule.start()

    def goes_on(self, seconds: float) -> float | None:
        self.now += seconds
        return self.rule.remaining()

    def ends(self, block: int) -> float | None:
        for cell in (CELL, OTHER):
            about = {"status": "skipped", "started": "", "machine": MACHINE, "wall_seconds": 1.0}
            self.rule.add(Record(cell=cell, seed=0, block=block, **about))
        return self.rule.remaining()


def test_a_block_in_which_less_starts_alone_is_begun_where_one_like_the_last_would_not_fit():
    run = Timed(3, budget=300.0, elastic=False)
    run.goes_on(200.0)
    assert run.ends(0) == 100.0
    assert not run.rule.reached()  # 100 are left, and the next one is expected to take half of the 200
    run.goes_on(1.0)
    assert run.rule.reached()


def test_what_is_left_falls_while_a_block_is_made():
    run = Timed(3, budget=400.0)
    assert run.goes_on(0.0) == 400.0  # what the suite says: 200 for the first block, 100 for each of the others
    assert run.goes_on(150.0) == 250.0
    assert run.goes_on(250.0) == 200.0  # it takes longer than that; the others still come
    assert run.ends(0) == 400.0  # each of them half of the 400 that it took
    assert run.goes_on(50.0) == 350.0
    assert run.goes_on(150.0) == 200.0
    assert (run.ends(1), run.goes_on(200.0), run.ends(2)) == (200.0, 0.0, 0.0)


def test_without_a_budget_nothing_is_known_before_the_first_block():
    run = Timed(3, budget=None)
    assert run.goes_on(10.0) is None
    assert run.ends(0) == 10.0


def test_what_is_left_falls_where_a_slow_machine_makes_no_more_than_three_of_many_blocks():
    run = Timed(10, budget=100.0)
    run.goes_on(400.0)
    assert run.ends(0) == 400.0  # two blocks of 200 more, and none of the others
    assert run.goes_on(150.0) == 250.0
    assert run.goes_on(50.0) == 200.0
    assert run.ends(1) == 200.0
    assert run.goes_on(50.0) == 150.0


def test_no_more_is_left_than_of_the_users_own_budget():
    run = Timed(10, budget=30.0, elastic=False)
    assert run.goes_on(20.0) == 10.0
    assert run.ends(0) == 10.0
    assert run.goes_on(15.0) == 0.0


@settings(deadline=None, max_examples=40)
@given(budget=st.floats(1, 1000), a_block=st.floats(0.5, 5000), elastic=st.booleans())
def test_no_more_than_the_budget_is_spent_but_for_the_first_block_or_those_of_a_verdict(budget, a_block, elastic):
    made = blocks_made(budget, a_block, elastic=elastic)
    assert 1 <= made <= MOST
    spent = made * a_block
    assert made == 1 or spent <= budget * (1 + 1e-9) or (elastic and made == LEAST_BLOCKS)


OTHER = CELL.model_copy(update={"adapter": "torch-nn", "framework": "torch"})


def precise_blocks(clean: Callable[[int], bool], most: int = 1000) -> tuple[int, str | None]:
    """Blocks made of at most `most` for a precision that noise never lets a run reach, and why it was given up."""
    launches = [Launch(cell, block, 0, 0.1) for block in range(most) for cell in (CELL, OTHER)]
    goal = StopRule(launches, "numpy-manual", find().adapters, None, 1e-9)
    for block in range(most):
        if goal.reached():
            return block, goal.hopeless
        for cell in (CELL, OTHER):
            goal.add(
                Record(
                    cell=cell, seed=0, block=block, status="ok", started="", machine=MACHINE, steps_per_epoch=1,
                    epoch_seconds=[1.0 + (block * 7 % 5) / 10 + (cell is OTHER and block * 3 % 7)],
                    contaminated=None if clean(block) else "disturbed: foreign 50% (more than 10%)",
                )
            )  # fmt: skip
    return most, goal.hopeless


def test_a_precision_is_given_up_when_every_launch_is_void():
    made, why = precise_blocks(lambda block: False)
    assert made == PATIENCE
    assert "given up: 12 blocks in a row without a clean time" in str(why)


def test_a_precision_is_pursued_while_some_blocks_give_a_pair():
    assert precise_blocks(lambda block: block % PATIENCE == 0, most=100) == (100, None)


def test_a_precision_is_given_up_when_a_machine_becomes_busy_and_stays_so():
    made, _ = precise_blocks(lambda block: block < 20)
    assert made == 20 + PATIENCE
