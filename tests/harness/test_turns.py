"""Two processes take turns: never both at once, and neither waits for one that has ended."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levelfield.harness.measure import turns
from levelfield.harness.measure.turns import SIDES, Turns, by_turn, ended, pipes, roles, together

ROOT = Path(__file__).resolve().parent.parent.parent
SIDE = """
import sys, time
from pathlib import Path
from levelfield.harness.measure import turns

turns.TURN = 0.001
folder, side, epochs = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
mine = turns.Turns(folder, side)
mine.epoch_end()  # of the first epoch, which belongs to no turn
for _ in range(epochs):
    begin = time.monotonic()
    time.sleep(0.0005)
    end = time.monotonic()
    if not mine.alone:
        print(begin, end, flush=True)
    mine.epoch_end()
"""


def begin(folder: Path, side: str, epochs: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SIDE, str(folder), side, str(epochs)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_two_processes_are_never_at_work_together(tmp_path):
    with pipes(tmp_path):
        sides = [begin(tmp_path, side, 40) for side in SIDES]
        watching = [
            threading.Thread(target=lambda s=s, p=p: (p.wait(), ended(tmp_path, s)))
            for s, p in zip(SIDES, sides, strict=True)
        ]
        for thread in watching:
            thread.start()
        told = [side.communicate(timeout=300)[0] for side in sides]
        for thread in watching:
            thread.join()
    work = [sorted(tuple(map(float, line.split())) for line in text.splitlines()) for text in told]
    assert all(len(spans) >= 10 for spans in work)
    for begin_one, end_one in work[0]:
        assert not any(begin_one < end_other and begin_other < end_one for begin_other, end_other in work[1])


def test_in_every_other_pair_the_second_begins():
    assert [roles(block)[0] for block in range(4)] == ["first", "second", "first", "second"]
    assert all(set(roles(block)) == set(SIDES) for block in range(4))


def test_the_parts_of_a_pair_are_told_apart_whoever_begins(tmp_path):
    for block in (0, 1):
        assert together(tmp_path, roles(block), lambda: "own", lambda: "other") == ("own", "other")


def test_a_side_goes_on_alone_when_the_other_has_ended(tmp_path):
    with pipes(tmp_path):
        ended(tmp_path, "first")
        alone = begin(tmp_path, "second", 5)
        assert alone.wait(timeout=60) == 0


def test_a_side_that_is_silent_is_not_waited_for_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(turns, "PATIENCE", 0.01)
    with pipes(tmp_path), pytest.raises(TimeoutError, match="did not pass the turn"):
        Turns(tmp_path, "first").epoch_end()


def test_of_a_turn_the_first_epoch_only_warms_up():
    assert by_turn([9.0, 1.0, 3.0, 5.0, 9.0, 2.0], [3, 2]) == [2.0, 9.0]
    assert by_turn([1.0, 2.0], []) == []


def test_an_epoch_that_is_a_turn_of_its_own_counts():
    assert by_turn([9.0, 5.0, 1.0, 3.0], [1, 1, 2]) == [9.0, 5.0, 3.0]


@given(
    turn=st.lists(st.lists(st.floats(0.001, 1), min_size=1, max_size=5), max_size=8), rest=st.lists(st.floats(0.001, 1))
)
def test_each_whole_turn_has_a_value_within_its_own_epochs(turn, rest):
    seconds = [s for epochs in turn for s in epochs] + rest  # what follows the last whole turn is in none
    values = by_turn(seconds, [len(epochs) for epochs in turn])
    assert len(values) == len(turn)
    assert all(min(epochs) <= value <= max(epochs) for epochs, value in zip(turn, values, strict=True))
