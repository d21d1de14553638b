"""Strong and weak scaling: what is held against what, and what the numbers mean whatever was measured."""

from __future__ import annotations

from math import inf, isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levelfield.harness.judge.rank_scaling import Counterpart, Steps, counterparts, scale
from levelfield.harness.judge.statistics import LEAST_BLOCKS
from levelfield.harness.records.cell import Cell, NamedModel, NamedRecipe

KINDS = ("strong", "weak")
times = st.floats(1e-6, 1e3)
blocks = st.dictionaries(st.integers(0, 30), times, max_size=12)
measured = st.builds(Steps, kind=st.sampled_from(KINDS), replicas=st.integers(2, 64), one=blocks, several=blocks)


def cell(batch: int, replicas: int = 1, **changes: object) -> Cell:
    recipe = NamedRecipe(name=f"batch-{batch}", optimizer="sgd", learning_rate=0.1, batch_size=batch, epochs=1)
    known = {
        "kind": "speed",
        "task": "digits",
        "model": NamedModel(name="small", hidden=(8,), activation="relu"),
        "recipe": recipe,
        "adapter": "torch-nn",
        "framework": "torch",
        "backend": None,
        "api": "mixed",
        "mode": "eager",
        "replicas": replicas,
        "replication": "ranks" if replicas > 1 else None,
    }
    return Cell(**(known | changes))


# What is held against what


def test_the_same_batch_is_strong_scaling_and_the_nth_part_of_it_weak():
    cells = [cell(32), cell(64), cell(32, 2), cell(64, 2), cell(64, 4)]
    assert counterparts(cells) == [
        Counterpart("strong", cell(32, 2), cell(32)),
        Counterpart("strong", cell(64, 2), cell(64)),
        Counterpart("weak", cell(64, 2), cell(32)),
        Counterpart("strong", cell(64, 4), cell(64)),
    ]


@pytest.mark.parametrize(
    "other",
    [
        {"adapter": "torch-lightning"},
        {"mode": "compile"},
        {"threads": 2},
        {"task": "iris"},
        {"precision": "bfloat16"},
        {"model": NamedModel(name="small", hidden=(16,), activation="relu")},
        {"kind": "learning"},
    ],
)
def test_nothing_is_held_against_another_cell(other):
    assert counterparts([cell(32, **other), cell(32, 2)]) == []


def test_devices_that_share_cores_and_batches_that_cannot_be_divided_scale_nothing():
    assert counterparts([cell(32), cell(32, 2, replication="devices")]) == []
    assert counterparts([cell(10), cell(32, 3)]) == []


# What the numbers mean


def test_strong_and_weak_efficiency_by_hand():
    one, several = dict.fromkeys(range(6), 0.1), dict.fromkeys(range(6), 0.0625)
    found = scale({kind: Steps(kind, 2, one, several) for kind in KINDS})
    assert found["strong"].speedup.estimate == pytest.approx(1.6)
    assert found["strong"].efficiency.estimate == pytest.approx(0.8)
    assert found["weak"].speedup.estimate == pytest.approx(3.2)
    assert found["weak"].efficiency.estimate == pytest.approx(1.6)
    assert {s.verdict.word for s in found.values()} == {"faster"}


def test_ranks_that_take_as_long_as_one_are_tied_and_half_as_efficient():
    same = dict.fromkeys(range(6), 0.1)
    found = scale({"": Steps("strong", 2, same, same)})[""]
    assert (found.verdict.word, found.efficiency.estimate) == ("tied", pytest.approx(0.5))


@given(st.dictionaries(st.integers(0, 20), measured, max_size=8))
def test_the_efficiency_is_the_speedup_for_each_rank_with_its_interval(steps):
    for key, found in scale(steps).items():
        if found.speedup is None:
            assert found.efficiency is None
            assert not steps[key].one.keys() & steps[key].several.keys()
            continue
        for end in ("estimate", "low", "high"):
            whole, each = getattr(found.speedup, end), getattr(found.efficiency, end)
            assert whole == each == inf or isclose(whole, each * steps[key].replicas, rel_tol=1e-9)
        assert found.efficiency.low <= found.efficiency.estimate * (1 + 1e-9)
        assert found.efficiency.estimate <= found.efficiency.high * (1 + 1e-9)


@given(st.dictionaries(st.integers(0, 20), measured, max_size=8))
def test_a_verdict_never_says_more_than_its_interval_and_none_comes_from_few_blocks(steps):
    found = scale(steps)
    confidences = {s.speedup.confidence for s in found.values() if s.speedup}
    assert len(confidences) <= 1  # they hold together
    for key, own in found.items():
        n = len(steps[key].one.keys() & steps[key].several.keys())
        assert (own.verdict.word == "not judged") == (n < LEAST_BLOCKS)
        if own.verdict.word == "faster":
            assert own.speedup.low >= 1 - 1e-9
        if own.verdict.word == "slower":
            assert own.speedup.high <= 1 + 1e-9


@given(measured, st.floats(1e-3, 1e3))
def test_another_unit_of_time_changes_nothing(steps, unit):
    def scaled(blocks):
        return {block: unit * seconds for block, seconds in blocks.items()}

    other = Steps(steps.kind, steps.replicas, scaled(steps.one), scaled(steps.several))
    here, there = scale({"": steps})[""], scale({"": other})[""]
    if here.efficiency is not None:
        assert isclose(here.efficiency.estimate, there.efficiency.estimate, rel_tol=1e-6)


@given(st.dictionaries(st.integers(0, 20), st.floats(1e-3, 1e3), min_size=5, max_size=12), st.integers(2, 64))
def test_ideal_ranks_have_an_efficiency_of_one(one, ranks):
    strong = Steps("strong", ranks, one, {block: seconds / ranks for block, seconds in one.items()})
    found = scale({"strong": strong, "weak": Steps("weak", ranks, one, one)})
    assert all(isclose(s.efficiency.estimate, 1, rel_tol=1e-6) for s in found.values())
    assert all(isclose(s.speedup.estimate, ranks, rel_tol=1e-6) for s in found.values())
