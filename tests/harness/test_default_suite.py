"""The suite `default` asks every question, and stays in proportion when less of it is asked for or can be made."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from levelfield.adapters.registry import find
from levelfield.harness.judge.equivalence import LEAST_SEEDS
from levelfield.harness.plan import suite
from levelfield.harness.plan.environments import DEFAULT, own
from levelfield.harness.plan.launches import Selection, Surroundings, plan
from levelfield.tasks import registry as tasks

DEFAULT_SUITE = suite.read("default")[0]
OURS = {name: info for name, info in find().adapters.items() if info.builtin}
NAMES = {name for part in (*DEFAULT_SUITE.speed, *DEFAULT_SUITE.learning) for name in part.task}
TASKS = {name: tasks.load(name) for name in NAMES}


def planned(without: frozenset[str] = frozenset(), **selection):
    everywhere = replace(own(), installed=lambda name: None if name in without else "1.0")
    there = Surroundings(OURS, TASKS, cores=2, environments={DEFAULT: everywhere})
    return [one for one in plan(DEFAULT_SUITE, there, Selection(**selection)) if not one.skip]


def seeds(launches):
    """(task, track) → adapter → how many seeds."""
    found = defaultdict(lambda: defaultdict(set))
    for one in launches:
        if one.cell.kind == "learning":
            found[one.cell.task, one.cell.track][one.cell.adapter].add(one.seed)
    return found


def test_both_tracks_of_digits_half_have_the_seeds_of_a_verdict():
    found = seeds(planned())
    for track, least in LEAST_SEEDS.items():
        counts = {adapter: len(own) for adapter, own in found["digits-half", track].items()}
        assert counts[DEFAULT_SUITE.baseline] >= least
        assert set(counts.values()) == {least}


def test_a_low_and_a_high_api_of_each_framework_learn_both_models_of_both_problems():
    models = defaultdict(set)
    for one in planned():
        if one.cell.kind == "learning" and one.cell.track == "matched":
            models[one.cell.task, one.cell.adapter].add(one.cell.model.name)
    for task in ("iris", "digits"):
        both = [OURS[name] for name in OURS if models[task, name] >= {"single-layer", "multi-layer"}]
        assert {info.runtime for info in both} >= {"torch", "jax", "tensorflow", "numpy"}
        assert {info.api for info in both} >= {"low", "high"}
        assert DEFAULT_SUITE.baseline in {info.name for info in both}


def test_half_of_the_frameworks_leave_half_of_the_launches():
    """Those of an adapter are the same, whoever stands beside it."""
    everything, few = planned(), planned(without=frozenset({"jax", "tensorflow"}))
    left = {one.cell.adapter for one in few}
    assert "torch-autograd" in left
    assert not left & {"jax-grad", "flax-nnx", "tensorflow-tape"}
    assert {one.id for one in few} == {one.id for one in everything if one.cell.adapter in left}


def test_one_task_one_adapter_and_a_number_of_seeds_narrow_it():
    everything = planned()
    for task in NAMES:
        assert {one.id for one in planned(task=(task,))} == {one.id for one in everything if one.cell.task == task}
    for adapter in OURS:
        own = [one.id for one in everything if one.cell.adapter == adapter]
        assert set(own) == {one.id for one in planned(adapter=(adapter,))}
    assert max(one.block for one in planned(seeds=4) if one.cell.kind == "learning") == 3


def test_every_adapter_is_timed_on_both_problems_and_by_default_on_digits_there_in_every_mode():
    timed = defaultdict(set)
    for one in planned():
        if one.cell.kind == "speed":
            timed[one.cell.task, one.cell.track].add((one.cell.adapter, one.cell.mode))
    every = {(name, mode) for name, info in OURS.items() for mode in info.modes}
    assert timed["digits", "matched"] == every
    assert timed["iris", "matched"] == {(name, info.modes[0]) for name, info in OURS.items()}
    stated = {(name, info.modes[0]) for name, info in OURS.items() if info.defaults}
    assert timed["digits", "idiomatic"] == stated
