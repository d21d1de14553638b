"""Launches take turns: never two at once, the baseline all along, and what slows the machine down cancels."""

from __future__ import annotations

import itertools
import multiprocessing
import os
from dataclasses import replace
from math import exp
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levelfield.adapters.registry import find
from levelfield.harness.launch import rounds
from levelfield.harness.launch.block import NEED, Participant, paced, waves
from levelfield.harness.launch.local import LocalHost
from levelfield.harness.measure.turns import LAST, LEAST, LEAST_EPOCHS, LONG, TURN, WARM, Alone, Line, Turns
from levelfield.harness.plan.launches import Launch
from levelfield.harness.probes.probe import Window
from levelfield.harness.records.cell import Cell, NamedModel, NamedRecipe
from levelfield.harness.records.record import Record, Turn, by_turn, epoch_seconds, step_seconds
from levelfield.harness.system import machine
from levelfield.tasks import registry as tasks

IRIS = tasks.load("iris")
HERE = machine.describe(True)
CELL = Cell(
    kind="speed",
    task="iris",
    model=NamedModel(name="small", hidden=(4,)),
    recipe=NamedRecipe(name="sgd", optimizer="sgd", learning_rate=0.1, batch_size=16),
    adapter="numpy-manual",
    framework="numpy",
    backend=None,
    api="low",
    mode="eager",
    threads=1,
)
SKLEARN = CELL.model_copy(
    update={"adapter": "sklearn-mlp", "framework": "scikit-learn", "api": "high", "mode": "default"}
)


# What a launch does when it is told


class Script:
    """Commands one after the other, and the windows that were told meanwhile."""

    def __init__(self, *commands):
        self.commands, self.watched = list(commands), []

    def next(self, watched):
        self.watched.append(watched)
        return self.commands.pop(0)


def trained(commands, took, seconds=0.0):
    """The `Turns` of a launch each of whose epochs took so long, and how many epochs it had."""
    mine, epochs = Turns(commands, seconds), 0
    while True:
        epochs += 1
        if mine.add(took):
            if mine.command == "end":
                return mine, epochs
            mine.next()


@given(took=st.floats(1e-4, 1.0), count=st.integers(1, 5))
def test_a_turn_warms_up_and_then_counts_some_milliseconds_and_two_epochs_or_a_long_one(took, count):
    mine, epochs = trained(Script(*["turn"] * count, "end"), took)
    assert len(mine.taken) == count
    for turn in mine.taken:
        counted = turn.epochs - turn.warm
        assert turn.warm == 0 if took >= LONG else turn.warm * took >= WARM * (1 - 1e-9)
        assert turn.warm <= 1 or (turn.warm - 1) * took < WARM * (1 + 1e-9)
        assert counted * took >= TURN * (1 - 1e-9)
        assert counted == (1 if took >= LONG else LEAST) or (
            counted > LEAST and (counted - 1) * took < TURN * (1 + 1e-9)
        )
    assert epochs == 1 + sum(turn.epochs for turn in mine.taken) + LAST  # the first belongs to none, nor do the last
    assert [turn.first for turn in mine.taken] == [sum(t.epochs for t in mine.taken[:i]) for i in range(count)]


def test_who_takes_no_turns_has_one_window_for_as_long_as_it_is_asked_for():
    mine, epochs = trained(Alone(), 0.1, seconds=0.45)
    assert (mine.taken, mine.window.epochs, epochs) == ([], 5, 1 + 5 + LAST)
    assert trained(Alone(), 0.1)[0].window.epochs == LEAST_EPOCHS


def test_only_the_end_is_near():
    mine = Turns(Script("turn", "end"), 0.0)
    mine.add(1.0)
    mine.next()
    assert mine.left(1.0) == float("inf")
    mine.add(1.0)
    mine.next()
    assert [mine.left(1.0), mine.add(1.0), mine.left(1.0), mine.add(1.0), mine.left(1.0)] == [
        2.0,
        False,
        1.0,
        True,
        0.0,
    ]


def _launch(stem):
    """The launch's side of a line, in a process of its own."""
    line, told = Line(stem), []
    while not told or told[-1] != "end":
        told.append(line.next(Window(1.5, 2.5) if told and told[-1] == "window" else None))
    os._exit(len(told))


def test_two_processes_agree_on_whose_turn_it_is(tmp_path):
    line = Line.make(tmp_path / "line")
    other = multiprocessing.get_context("fork").Process(target=_launch, args=(tmp_path / "line",))
    other.start()
    heard = []
    for command in ("turn", "window", "turn", "end"):
        heard.append(line.heard())
        line.tell(command)
    other.join(60)
    line.remove()
    assert other.exitcode == 4
    assert heard == [None, None, Window(1.5, 2.5), None]
    assert list(tmp_path.iterdir()) == []


# A block of real launches


@pytest.fixture(scope="module")
def block():
    """numpy-manual as the baseline, scikit-learn, one that is skipped, and numpy-manual in a parent of its own."""
    adapters = {name: find().adapters[name] for name in ("numpy-manual", "sklearn-mlp")}
    base = Launch(CELL, 0, seed=0, seconds=0.2, baseline=True, whole=True)
    launches = [base, replace(base, cell=SKLEARN, baseline=False)]
    launches += [replace(launches[1], skip="not here"), replace(base, baseline=False)]
    with LocalHost(adapters, {"iris": IRIS}, HERE, machine.cores()[:1], 120.0) as host:
        return host.together([Participant(one, lane=lane) for one, lane in zip(launches, (0, 0, 0, 1), strict=True)])


def spans(record):
    return [(turn.began, turn.began + sum(own)) for turn, own in zip(record.turns, by_turn(record), strict=True)]


@pytest.mark.slow
def test_a_block_has_a_record_for_each_launch_in_its_order(block):
    assert [record.status for record in block] == ["ok", "ok", "skipped", "ok"], [r.reason for r in block]
    assert [record.cell.adapter for record in block] == ["numpy-manual", "sklearn-mlp", "sklearn-mlp", "numpy-manual"]
    assert all(record.unproved is None and record.contaminated is None for record in block)


@pytest.mark.slow
def test_two_launches_are_never_at_work_together(block):
    told = sorted(span for record in block for span in spans(record))
    assert len(told) > 3 * rounds.LEAST_TURNS
    assert all(end <= begin for (_, end), (begin, _) in itertools.pairwise(told))


@pytest.mark.slow
def test_the_baseline_has_turns_before_and_after_those_of_each_other(block):
    base = spans(block[0])
    for other in (block[1], block[3]):
        for begin, end in spans(other):
            assert any(last <= begin for _, last in base)
            assert any(first >= end for first, _ in base)
    assert len(base) >= max(len(other.turns) for other in block)


@pytest.mark.slow
def test_a_whole_launch_has_its_start_its_prediction_and_its_window(block):
    for record in (block[0], block[1], block[3]):
        assert {"import", "build", "place", "first_epoch", "predict", "evaluate", "proof"} == set(record.phases)
        assert record.window.epochs >= LEAST_EPOCHS
        assert record.predict_seconds
        assert record.utilisation["cores_busy"].value > 0
        assert record.window.first >= record.turns[-1].first + record.turns[-1].epochs


@pytest.mark.slow
def test_a_later_launch_has_only_what_is_compared():
    adapters = {"numpy-manual": find().adapters["numpy-manual"]}
    with LocalHost(adapters, {"iris": IRIS}, HERE, machine.cores()[:1], 120.0) as host:
        (record,) = host.block([Launch(CELL, 5, seed=5, seconds=0.05)])
        assert host.sampling.process is None
    assert record.status == "ok", record.reason
    assert set(record.phases) == {"evaluate", "proof"}
    assert (record.window, record.predict_seconds, record.utilisation) == (None, {}, {})
    assert step_seconds(record) > 0


# The pace of the machine


def made(cell, began, seconds) -> Record:
    """A record whose turns are of one epoch each."""
    return Record(
        cell=cell, seed=0, block=0, status="ok", started="", machine=HERE, steps_per_epoch=1,
        epoch_seconds=list(seconds), turns=[Turn(first=i, epochs=1, began=at) for i, at in enumerate(began)],
    )  # fmt: skip


speeds = st.lists(st.floats(0.2, 5.0), min_size=4, max_size=20)


@given(st.floats(-1.0, 1.0), st.integers(6, 20), st.floats(0.1, 10.0))
def test_what_slows_the_machine_down_evenly_for_both_is_not_in_their_ratio(drift, turns, ratio):
    """Away from both ends, where there are as many turns of the baseline before as after."""
    base = made(CELL, range(turns), [exp(drift * i) for i in range(turns)])
    moments = [i + 0.5 for i in range(1, turns - 2)]
    other = made(SKLEARN, moments, [ratio * exp(drift * moment) for moment in moments])
    one, two = paced([base, other], {})
    usual = median(base.epoch_seconds)
    assert epoch_seconds(two) == pytest.approx([ratio * usual] * len(moments))
    assert epoch_seconds(one) == pytest.approx([usual] * turns)


@given(speeds)
def test_a_machine_of_one_speed_has_pace_one(speed):
    same = made(CELL, range(len(speed)), [2.0] * len(speed))
    other = made(SKLEARN, [i + 0.5 for i in range(len(speed))], speed)
    paces = [turn.pace for record in paced([same, other], {}) for turn in record.turns]
    assert paces == pytest.approx([1.0] * 2 * len(speed))


def test_two_waves_have_one_measure():
    """The baseline of the second wave was twice as fast, because the machine was."""
    usual: dict[object, float] = {}
    paced([made(CELL, range(4), [2.0] * 4)], usual)
    base, other = paced([made(CELL, [3, 5, 7, 8], [1.0] * 4), made(SKLEARN, [4, 6, 7.5, 9], [3.0] * 4)], usual)
    assert median(epoch_seconds(base)) == pytest.approx(2.0)
    assert median(epoch_seconds(other)) == pytest.approx(6.0)


def test_a_launch_with_too_few_turns_is_set_aside():
    base, other = paced([made(CELL, range(4), [1.0] * 4), made(SKLEARN, [0.5, 1.5], [1.0] * 2)], {})
    assert base.contaminated is None
    assert other.contaminated == "it had 2 of at least 4 turns"
    assert step_seconds(other) is None


def test_epochs_that_warm_up_do_not_count():
    record = made(CELL, [0], [1.0]).model_copy(
        update={
            "epoch_seconds": [9.0, 1.0, 3.0, 5.0, 9.0, 7.0],
            "turns": [Turn(first=0, epochs=3, warm=1, began=0.0), Turn(first=3, epochs=1, began=1.0, pace=2.0)],
        }
    )
    assert epoch_seconds(record) == [1.0, 3.0, 2.5]  # what follows the last turn is in none


# Waves


@given(
    sizes=st.lists(st.integers(1, 12), min_size=1, max_size=4),
    room=st.floats(0, 20 * NEED),
    skipped=st.sets(st.integers(0, 47)),
    based=st.booleans(),
)
def test_every_launch_is_in_one_wave_of_its_workload_which_has_its_baseline(sizes, room, skipped, based):
    participants = [
        Participant(
            Launch(
                CELL.model_copy(update={"task": f"task{workload}", "mode": f"m{number}"}), 0, 0, 0.1,
                baseline=based and number == 0, skip="absent" if number in skipped else None,
            )
        )
        for workload, size in enumerate(sizes)
        for number in range(size)
    ]  # fmt: skip
    found = list(waves(participants, room))
    wanted = {n for n, one in enumerate(participants) if not one.launch.skip}
    times = [number for wave in found for number in wave]
    bases = {n for n in wanted if participants[n].launch.baseline}
    assert set(times) == wanted
    assert all(times.count(number) == 1 for number in wanted - bases)
    for wave in found:
        assert len({participants[n].launch.cell.workload for n in wave}) == 1
        own = [n for n in bases if participants[n].launch.cell.workload == participants[wave[0]].launch.cell.workload]
        assert [n for n in wave if n in bases] == own
        assert len(wave) <= max(room / NEED, 2)
