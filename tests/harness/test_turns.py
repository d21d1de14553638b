"""Launches take turns: never two at once, in another order each round; and their quickest turn says what they take."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import time
from dataclasses import replace
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levelfield.adapters.registry import find
from levelfield.harness.launch import rounds
from levelfield.harness.launch.block import NEED, Participant, at_pace, waves
from levelfield.harness.launch.hosts import Stage
from levelfield.harness.launch.local import LocalHost
from levelfield.harness.launch.rounds import Alive
from levelfield.harness.measure.turns import LAST, LEAST_EPOCHS, LONG, TURN, WARM, Alone, Line, Said, Turns
from levelfield.harness.plan.launches import Launch
from levelfield.harness.probes.probe import Window
from levelfield.harness.records.cell import Cell, NamedModel, NamedRecipe
from levelfield.harness.records.record import Record, Turn, by_turn, quickest, steady_epoch, step_seconds
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
    """Commands one after the other, and what was said meanwhile."""

    def __init__(self, *commands):
        self.commands, self.said = list(commands), []

    def next(self, done):
        self.said.append(done)
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
def test_a_turn_warms_up_unless_epochs_are_long_and_then_counts_some_milliseconds(took, count):
    commands = Script(*["turn"] * count, "end")
    mine, epochs = trained(commands, took)
    assert len(mine.taken) == count
    for turn in mine.taken:
        counted = turn.epochs - turn.warm
        assert turn.warm == 0 if took >= LONG else turn.warm * took >= WARM * (1 - 1e-9)
        assert turn.warm <= 1 or (turn.warm - 1) * took < WARM * (1 + 1e-9)
        assert counted * took >= TURN * (1 - 1e-9)
        assert counted == 1 or (counted - 1) * took < TURN * (1 + 1e-9)
    assert epochs == 1 + sum(turn.epochs for turn in mine.taken) + LAST  # the first belongs to none, nor do the last
    assert [said.epoch for said in commands.said] == [None, *[pytest.approx(took)] * count]
    assert [turn.first for turn in mine.taken] == [sum(t.epochs for t in mine.taken[:i]) for i in range(count)]


def test_an_epoch_that_waited_for_something_does_not_make_a_launch_long():
    mine = Turns(Script("turn", "turn", "end"), 0.0)
    mine.add(0.03)
    mine.next()
    assert [mine.add(took) for took in (0.13, 0.04)] == [False, True]
    mine.next()
    assert (mine.taken[0].warm, mine.commands.said[-1].epoch) == (1, 0.04)


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
        said = {"turn": Said(None, 0.25), "window": Said(Window(1.5, 2.5), None)}
        told.append(line.next(said[told[-1]] if told else Said(None, None)))
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
    turn = Said(None, 0.25)
    assert heard == [Said(None, None), turn, Said(Window(1.5, 2.5), None), turn]
    assert list(tmp_path.iterdir()) == []


# How many turns there are


class Scripted(Alive):
    """A launch whose turns take what they are said to take."""

    def __init__(self, epochs, baseline=False):
        self.launch = Launch(CELL, 0, 0, seconds=6 * TURN, baseline=baseline)
        self.done, self.epochs, self.turns = None, [], itertools.cycle(epochs)

    def take(self, command):
        self.epochs.append(next(self.turns))


AGREED, RESTLESS = [0.001], [0.001 * 1.2**i for i in range(20)]


@pytest.mark.parametrize(
    ("base", "others", "turns"),
    [(AGREED, [AGREED, AGREED], 6), (AGREED, [AGREED, RESTLESS], 6), (AGREED, [RESTLESS, RESTLESS], 12),
     (RESTLESS, [AGREED, AGREED], 12), ([0.001, *RESTLESS[5:11], 0.00101], [AGREED, AGREED], 8)],
)  # fmt: skip
def test_all_have_more_turns_until_the_baseline_and_most_others_are_settled_or_they_had_twice_as_many(
    base, others, turns
):
    launches = [Scripted(base, baseline=True), *map(Scripted, others)]
    rounds.rounds(launches, seed=0)
    assert [len(one.epochs) for one in launches] == [turns] * 3


@pytest.mark.parametrize(("others", "more"), [(1, 1), (2, 1), (4, 2), (12, 3), (20, 4)])
def test_the_baseline_which_is_in_every_ratio_has_as_many_turns_as_the_root_of_the_others(others, more):
    launches = [Scripted(AGREED, baseline=True), *(Scripted(AGREED) for _ in range(others))]
    rounds.rounds(launches, seed=0)
    assert [len(one.epochs) for one in launches] == [more * 6] + [6] * others


@pytest.mark.parametrize(
    ("seconds", "epochs", "turns"),
    [
        (0.25, [0.001, 0.01, 0.025], 10),  # a turn has 25 ms at least
        (0.25, [0.001, 0.01, 0.25], 10),  # the median launch decides
        (0.25, [0.001, 0.05, 0.05], rounds.LEAST_TURNS),
        (0.25, [0.001, 0.01, 0.625], 8),  # the slowest has five seconds
        (0.25, [0.001, 0.01, 10.0], rounds.LEAST_TURNS),
        (9.0, [0.001, 0.01, 0.025], rounds.MOST_TURNS),
        (0.25, [], rounds.LEAST_TURNS),
    ],
)
def test_turns_are_for_the_seconds_that_are_asked_for(seconds, epochs, turns):
    assert rounds.wanted(seconds, epochs) == turns


@given(st.floats(1e-3, 1e3), st.lists(st.floats(1e-6, 1e3), max_size=9))
def test_there_are_never_more_turns_than_the_most_nor_fewer_than_the_least(seconds, epochs):
    assert rounds.LEAST_TURNS <= rounds.wanted(seconds, epochs) <= rounds.MOST_TURNS


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
    assert len(told) >= 3 * rounds.LEAST_TURNS
    assert all(end <= begin for (_, end), (begin, _) in itertools.pairwise(told))


@pytest.mark.slow
def test_all_have_as_many_turns(block):
    """Else the quickest of more turns would be quicker. Two others make the baseline have one a round, as they have."""
    ((turns, each),) = {(len(record.turns), record.rounds) for record in (block[0], block[1], block[3])}
    assert turns == each
    assert rounds.LEAST_TURNS <= turns <= 2 * rounds.MOST_TURNS


@pytest.mark.slow
@pytest.mark.skipif(len(machine.cores()) < 2, reason="one core starts one launch at a time")
def test_two_of_one_runtime_neither_start_nor_end_side_by_side(monkeypatch):
    """Their threads would spin against each other. Each has a parent of its own, which does not keep them apart."""
    spans = {"start": [], "end": []}

    def watched(name, real):
        def wrapper(one, what):
            begin = time.monotonic()
            real(one, what)
            if name in (what, "start"):
                spans[name].append((begin, time.monotonic()))

        return wrapper

    monkeypatch.setattr(Alive, "start", watched("start", Alive.start))
    monkeypatch.setattr(Alive, "take", watched("end", Alive.take))
    launch = Launch(CELL, 5, seed=5, seconds=0.05)
    with LocalHost(
        {"numpy-manual": find().adapters["numpy-manual"]}, {"iris": IRIS}, HERE, machine.cores(), 120.0
    ) as host:
        made = host.together([Participant(launch, lane=lane) for lane in range(3)])
    assert [record.status for record in made] == ["ok"] * 3
    for told in map(sorted, spans.values()):
        assert len(told) == 3
        assert all(end <= begin for (_, end), (begin, _) in itertools.pairwise(told))


@pytest.mark.slow
def test_they_take_turns_all_along(block):
    """None has two of its turns before another one had its first, or after another one had its last."""
    for one, other in itertools.permutations((block[0], block[1], block[3]), 2):
        first, last = spans(other)[0], spans(other)[-1]
        assert sum(end <= first[0] for _, end in spans(one)) <= 1
        assert sum(begin >= last[1] for begin, _ in spans(one)) <= 1


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
        told: list[Stage] = []
        host.tell = told.append
        (record,) = host.block([Launch(CELL, 5, seed=5, seconds=0.05)])
        assert host.sampling.process is None
    first, *turns, last = told
    where = f"iris {CELL.model.name}"
    assert (first, last) == (Stage(where, "started", 1, 1), Stage(where, "ended", 1, 1))
    assert [stage.done for stage in turns] == list(range(1, (record.rounds or 0) + 1))
    assert record.status == "ok", record.reason
    assert set(record.phases) == {"evaluate", "proof"}
    assert (record.window, record.predict_seconds, record.utilisation) == (None, {}, {})
    assert step_seconds(record) > 0


# What a launch took


def made(cell, seconds, **about) -> Record:
    """A record whose turns are of one epoch each."""
    return Record(
        cell=cell, seed=0, block=0, status="ok", started="", machine=HERE, steps_per_epoch=1, **about,
        epoch_seconds=list(seconds), turns=[Turn(first=i, epochs=1, began=i) for i in range(len(seconds))],
    )  # fmt: skip


turns = st.lists(st.floats(0.2, 5.0), min_size=rounds.LEAST_TURNS, max_size=rounds.MOST_TURNS)


@given(turns, st.integers(0, rounds.MOST_TURNS))
def test_slow_moments_are_not_in_it_while_one_turn_has_none(slow, place):
    """Whatever the machine does to the others, and in whatever order they come."""
    all_turns = [1 + more for more in slow]
    all_turns.insert(place, 1.0)
    assert steady_epoch(made(CELL, all_turns)) == 1.0


@given(turns, st.floats(0.1, 10.0))
def test_who_takes_twice_as_long_in_each_turn_takes_twice_as_long(seconds, ratio):
    assert steady_epoch(made(CELL, [ratio * one for one in seconds])) == pytest.approx(
        ratio * steady_epoch(made(CELL, seconds))
    )


@given(
    st.integers(1, 3).flatmap(
        lambda n: st.lists(st.lists(st.floats(0.1, 10.0), min_size=n, max_size=n), min_size=1, max_size=5)
    )
)
def test_of_several_turns_a_round_counts_one_at_the_mean_over_all_choices(seconds):
    wanted = mean(map(min, itertools.product(*seconds)))
    assert quickest(seconds) == pytest.approx(wanted)
    in_order = [one for a_round in seconds for one in a_round]
    assert steady_epoch(made(CELL, in_order, rounds=len(seconds))) == pytest.approx(wanted)
    assert quickest([[one] for one in in_order]) == min(in_order)


def test_more_turns_are_no_advantage_where_slow_moments_last_for_rounds():
    """Of 12 turns in four rounds, three were quick, all in one round. Of any four the quickest would be one of these in
    75 % of choices only; but who has one turn a round has one of them always."""
    in_order = [2.0] * 3 + [1.0] * 3 + [2.0] * 6
    assert steady_epoch(made(CELL, in_order, rounds=4)) == 1.0


def test_a_second_wave_is_measured_by_the_baseline_of_the_first():
    """Which was twice as fast there, because the machine was."""
    first = made(CELL, [2.0] * 4)
    base, other = at_pace([made(CELL, [1.0] * 4), made(SKLEARN, [3.0] * 4)], first)
    assert [steady_epoch(base), steady_epoch(other)] == pytest.approx([2.0, 6.0])


def test_without_a_baseline_a_wave_is_as_it_was():
    failed = made(CELL, [1.0] * 4).model_copy(update={"status": "failed"})
    wave = [failed, made(SKLEARN, [3.0] * 4)]
    assert at_pace(wave, failed) == wave


def test_epochs_that_warm_up_do_not_count():
    record = made(CELL, [0.0]).model_copy(
        update={
            "epoch_seconds": [9.0, 1.0, 3.0, 5.0, 9.0, 7.0],
            "turns": [Turn(first=0, epochs=3, warm=1, began=0.0), Turn(first=3, epochs=1, began=1.0)],
        }
    )
    assert by_turn(record) == [[1.0, 3.0], [5.0]]  # what follows the last turn is in none
    assert step_seconds(record) == 2.0


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
