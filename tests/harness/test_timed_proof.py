"""Which clocks and which looks a timed launch is judged by, and what a right one and a wrong one come to."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from levelfield.adapters.adapter import Setting
from levelfield.adapters.numpy.manual import NumpyManual
from levelfield.adapters.runtime import PLAIN, load
from levelfield.harness.certify import reference_runs, timed_proof
from levelfield.harness.certify.cases import Silent
from levelfield.harness.certify.timed_proof import Prover, clock_changed, near, waited
from levelfield.harness.measure import protocol, turns
from levelfield.harness.measure.looks import WINDOW, Looks, Seen, drawn, flat
from levelfield.harness.records.cell import Cell, NamedModel, NamedRecipe
from levelfield.harness.system import clocks
from levelfield.tasks import registry
from levelfield.tasks.mlp import MLP
from levelfield.tasks.recipe import BatchOrder, Recipe

IRIS = registry.load("iris")
SPEC = NamedRecipe(name="momentum", optimizer="momentum", learning_rate=0.05, batch_size=16)
CELL = Cell(
    kind="speed",
    task="iris",
    model=NamedModel(name="small", hidden=(8,)),
    recipe=SPEC,
    adapter="numpy-manual",
    framework="numpy",
    backend=None,
    api="low",
    mode="eager",
)
SETTING = Setting(MLP((4, 8, 3)), Recipe("momentum", 0.05, batch_size=16), mode="eager", seed=3)


def proof(tmp_path, adapter=NumpyManual, cell=CELL, wall=60.0, prover=None, **result):
    """Of a launch of four epochs in this process."""
    prover = prover or Prover({"iris": IRIS})
    setting = replace(SETTING, recipe=cell.recipe)
    found = protocol.launch("speed", adapter, load(PLAIN), setting, IRIS, 0.0, salt=prover.salt)
    found["seen"].save(tmp_path / "seen.npz")
    return prover.prove(cell, 3, found | result, tmp_path / "seen.npz", wall)


class Wrong(NumpyManual):
    def update(self, gradients):
        super().update([1.01 * g for g in gradients])


class Shy(NumpyManual):
    """The weights that are read are those of the beginning."""

    def get_weights(self):
        self.first_read = getattr(self, "first_read", None) or super().get_weights()
        return self.first_read


# Clocks


def pair(*intervals, pace=1.0, between=1e-7):
    """What a pair has of these intervals in seconds, the bound clock's pace being another; `between` two readings."""
    told = [pace * seconds for seconds in (sum(intervals), *intervals)]
    return told, [t / pace - between for t in told], [t / pace + between for t in told]


def test_clocks_that_tell_the_same_are_believed_and_a_slower_or_faster_one_is_not():
    assert clocks.disagreement([], [], []) is None
    assert clocks.disagreement(*pair(0.01, 0.002, 0.1)) is None
    assert clocks.disagreement(*pair(*[1e-4] * 40, between=2e-5)) is None
    for pace in (0.95, 0.99, 1.05):
        assert "the clock was changed" in clocks.disagreement(*pair(0.01, 0.002, 0.1, pace=pace))
        assert "the clock was changed" in clocks.disagreement(*pair(*[1e-4] * 1000, pace=pace))


@given(st.lists(st.floats(0, 0.1), min_size=4, max_size=40))
def test_a_process_that_is_stopped_between_two_readings_is_no_disagreement(stops):
    now, both = [0.0], clocks.Pair()

    def read():
        now[0] += stops[int(1e6 * now[0]) % len(stops)]
        return now[0]

    both.other = read
    for _ in range(10):
        both.begin(read(), read())
        now[0] += 0.001
        both.end(read(), read())
    assert clocks.disagreement(both.told, both.least, both.most) is None


def test_a_pair_has_the_whole_and_each_interval():
    both = clocks.Pair()
    for _ in range(3):
        both.begin(both.other(), clocks.clock())
        time.sleep(0.002)
        both.end(both.other(), clocks.clock())
    assert len(both.told) == len(both.least) == len(both.most) == 4
    assert both.told[0] >= sum(both.told[1:]) > 0.006
    assert all(low <= high for low, high in zip(both.least, both.most, strict=True))
    assert clocks.disagreement(both.told, both.least, both.most) is None


@pytest.mark.parametrize("name", ["perf_counter", "monotonic", "time", "clock_gettime"])
def test_a_clock_that_was_exchanged_after_the_start_is_named(name, monkeypatch):
    guard = clocks.Guard()
    assert guard.changed() is None
    monkeypatch.setattr(time, name, lambda *_: 0.0)
    assert f"time.{name}" in guard.changed()


def test_the_clock_that_a_launch_is_timed_with_is_watched_too(monkeypatch):
    guard = clocks.Guard()
    monkeypatch.setattr(protocol, "clock", lambda: 0.0)
    assert f"{protocol.__name__}.clock" in guard.changed()


def test_a_worker_binds_its_clocks_before_it_imports_anything_foreign():
    code = (
        "import sys, time\n"
        "from levelfield.harness.launch import worker\n"
        "right, time.perf_counter = time.perf_counter, lambda: 0.0\n"
        "from levelfield.harness.measure import protocol\n"
        "assert protocol.clock is right\n"
        "print(worker.GUARD.changed())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "time.perf_counter" in done.stdout


@pytest.mark.parametrize(
    ("phases", "epochs", "words"),
    [
        ({"import": -3399.0}, [0.1], "import took -3399 s"),
        ({"first_epoch": 0.1}, [0.1, -0.1], "an epoch took -0.1 s"),
        ({"first_epoch": 0.1}, [10.0], "10.1 s in a launch of 1 s"),
        ({"import": 100.0, "first_epoch": 0.1}, [0.1], None),
    ],
)
def test_a_negative_time_or_more_than_there_was_is_a_changed_clock(phases, epochs, words, tmp_path):
    seen = seen_of(told=[0.1], least=[0.1], most=[0.1])
    reason = clock_changed(seen, {"phases": phases, "epoch_seconds": epochs}, wall=1.0)
    assert reason is None if words is None else words in reason


def seen_of(**changes) -> Seen:
    values = dict.fromkeys(Seen.__dataclass_fields__, ())
    return Seen(**{name: np.array(value, float) for name, value in (values | changes).items()})


# Looks


@given(st.integers(0, 2**31), st.integers(0, 2**48))
@settings(max_examples=50, deadline=None)
def test_looks_follow_each_other_and_every_launch_reaches_two(seed, salt):
    looks = drawn(seed, salt)
    assert [last for _, last in looks[:2]] == [first for first, _ in looks[:2]]
    assert looks[0][0] in (1, 2)
    assert looks[1][0] in (3, 4)
    assert all(before[1] < after[0] for before, after in pairwise(looks))
    assert all(last - first == WINDOW - 1 for first, last in looks[2:])
    assert looks == drawn(seed, salt)
    assert len([first for first, _ in looks if first <= 1000]) <= 15


def test_who_knows_the_seed_alone_does_not_know_the_looks():
    assert len({tuple(drawn(0, salt)) for salt in range(20)}) == 20


def test_a_long_launch_is_looked_at_a_few_times_and_in_its_last_epochs():
    looks = Looks(NumpyManual(SETTING), seed=3, salt=1)
    for epoch in range(1, 501):
        looks.after(epoch, took=0.001, left=(500 - epoch) * 0.001)
    looks.end(500)
    assert len(looks.epochs) < 40
    assert looks.epochs[-3:] == [498, 499, 500]


def test_weights_that_had_to_be_waited_for_were_not_there_when_the_clock_stopped():
    right = seen_of(waited=[1e-4, 1e-4, 1e-4], since=[1e-4, 0.1, 0.1])
    late = seen_of(waited=[0.05, 0.06, 0.0], since=[0.1, 0.1, 0.1])
    tiny = seen_of(waited=[1e-4, 1e-4, 5e-3], since=[3e-4, 3e-4, 0.1])  # another process came between, once
    assert waited(right) is None
    assert waited(tiny) is None
    assert "work was left after synchronize" in waited(late)


# The reference


def test_a_trajectory_is_the_references_training_however_often_it_is_interrupted():
    run = reference_runs.Trajectory(SETTING, IRIS)
    while not run.advance(6, {3}, seconds=1e-4):
        pass
    model = NumpyManual(replace(SETTING, precision="float64"))
    model.set_weights(SETTING.model.initial_weights(3))
    model.fit(IRIS.train, BatchOrder(len(IRIS.train.x), 16, 6, 3, partial=False), Silent())
    assert np.array_equal(run.kept[6], flat(model.get_weights()))
    assert {0, 3, 6} <= run.kept.keys()
    assert run.epoch_seconds > 0


@pytest.mark.parametrize(("optimizer", "most"), [("sgd", 1e-4), ("momentum", 0.1), ("nesterov", 0.1)])
def test_an_epoch_follows_from_the_two_before_it(optimizer, most):
    setting = replace(SETTING, recipe=replace(SETTING.recipe, optimizer=optimizer))
    run = reference_runs.Trajectory(setting, IRIS)
    run.advance(16, (), 60.0)
    window = [run.kept[e].astype(np.float32) for e in (14, 15, 16)]
    assert reference_runs.step_off(setting, IRIS, window, 14) < most
    window[2] = (window[1] + window[2]) / 2
    assert reference_runs.step_off(setting, IRIS, window, 14) > 0.3


def test_of_an_optimizer_with_more_state_no_single_epoch_can_be_told():
    adam = replace(SETTING, recipe=replace(SETTING.recipe, optimizer="adam"))
    assert reference_runs.step_off(adam, IRIS, [np.zeros(67)] * 3, 5) is None


def test_lower_precision_and_longer_runs_may_be_farther_off():
    assert near(SETTING, 10) < near(SETTING, 10**4) < near(replace(SETTING, precision="bfloat16"), 10**4)


# One launch


def test_a_right_launch_is_proved_and_says_what_was_compared(tmp_path):
    found = proof(tmp_path)
    assert found.unproved is None
    assert found.checked["weights"].startswith("off by ")
    assert found.checked["predict"].startswith("off by ")
    assert found.seconds > 0


@pytest.mark.parametrize("optimizer", ["sgd", "nesterov", "adam", "adamw"])
def test_every_optimizer_is_followed_and_one_percent_of_a_gradient_is_found(optimizer, tmp_path):
    cell = CELL.model_copy(update={"recipe": replace(SPEC, optimizer=optimizer, epsilon=0.01)})
    assert proof(tmp_path, cell=cell).unproved is None
    assert "are not those that this seed gives" in str(proof(tmp_path, Wrong, cell).unproved)


def test_other_weights_than_those_that_predict_uses_are_found(tmp_path):
    assert proof(tmp_path, Shy).unproved.startswith("predict does not answer for the final weights")


def test_what_cannot_be_checked_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(timed_proof, "LEAST", 0.0)
    monkeypatch.setattr(timed_proof, "SHARE", 0.0)
    cell = CELL.model_copy(update={"model": replace(CELL.model, dropout=0.5)})
    assert "not checked: dropout" in proof(tmp_path, cell=cell).checked["weights"]
    short = proof(tmp_path)
    assert short.unproved is None
    assert short.checked["weights"] == "not checked: the reference did not come so far in its time"


class WrongLate(NumpyManual):
    """Every second update is left out from the 40th epoch on."""

    def update(self, gradients):
        if self.steps < 40 * 6 or self.steps % 2:
            super().update(gradients)
        else:
            self.steps += 1


@pytest.mark.slow
@pytest.mark.parametrize("first", [NumpyManual, WrongLate])
def test_launches_of_a_block_are_held_against_each_other_where_the_reference_did_not_come(tmp_path, monkeypatch, first):
    monkeypatch.setattr(turns, "LEAST_EPOCHS", 99)
    monkeypatch.setattr(timed_proof, "SHARE", -1.0)
    monkeypatch.setattr(timed_proof, "LEAST", -1.0)
    prover = Prover({"iris": IRIS}, salt=1)
    cell = CELL.model_copy(update={"recipe": replace(SPEC, optimizer="adam", epsilon=0.01)})
    second = WrongLate if first is NumpyManual else NumpyManual
    made = [proof(tmp_path, one, cell, prover=prover) for one in (first, second, second, first)]
    found = [(one.unproved or "").startswith("the weights after epoch") for one in made]
    # Nobody had been as far as the first one; a difference takes the reference there, and it decides
    assert found == ([False, True, True, False] if first is NumpyManual else [False, False, False, True])
