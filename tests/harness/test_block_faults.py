"""Whatever happens to a launch of a block costs that launch; and nobody stays stopped, whoever is killed, and when."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

import psutil
import pytest

pytestmark = pytest.mark.slow

PLUGIN = """
import os, signal, time
from levelfield.adapters.numpy.manual import NumpyManual

class Falls(NumpyManual):
    framework = "numpy"
    api = "low"
    modes = ("eager",)
    epochs = 0
    def __init__(self, setting):
        super().__init__(setting)
        self.timed = False
    def fit(self, train, order, watch):
        self.timed = type(watch).__name__ == "SpeedWatch"
        super().fit(train, order, watch)
    def synchronize(self):
        self.epochs += self.timed
        if self.epochs == 30:  # in one of its turns
            self.fall()

class Dies(Falls):
    name = "dies"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
    def fall(self):
        os.kill(os.getpid(), signal.SIGKILL)

class Raises(Falls):
    name = "raises"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
    def fall(self):
        raise RuntimeError("enough")

class Hangs(Falls):
    name = "hangs"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
    def fall(self):
        time.sleep(1000)
"""
# In a module of their own: plug-ins of one module share a parent
TAKER = """
import os, signal, time
from fallible import Falls

class TakesItsParentAlong(Falls):
    name = "kills-parent"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
    def fall(self):
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(1000)

class Sibling(Falls):
    name = "sibling"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
    def fall(self):
        pass
"""
PLACES = {
    "dies": "fallible:Dies",
    "raises": "fallible:Raises",
    "hangs": "fallible:Hangs",
    "kills-parent": "taker:TakesItsParentAlong",
    "sibling": "taker:Sibling",
}


@pytest.fixture(scope="module")
def levelfield(command_line, install, tmp_path_factory):
    plugin = install(tmp_path_factory.mktemp("plugin"), PLACES, {"fallible.py": PLUGIN, "taker.py": TAKER})
    return command_line(plugins=(plugin,))


@pytest.fixture(scope="module")
def made(levelfield, tiny, records_of):
    """Two blocks of all that fall, and two that do not."""
    text = tiny(
        speed=f'adapters = ["numpy-manual", "sklearn-mlp", {", ".join(map(repr, PLACES))}]\nblocks = 2\nseconds = 0.1',
        time_limit=10.0,
    )
    (levelfield.folder / "falls.toml").write_text(text)
    done = levelfield("run", "falls.toml", "-q", "-o", "falls", "--no-certify")
    assert done.returncode == 1, done.stderr
    return records_of(levelfield.folder / "falls")


@pytest.mark.parametrize(
    ("name", "failure", "reason"),
    [
        ("dies", "signal", "ended by SIGKILL"),
        ("raises", "exception", "RuntimeError: enough"),
        ("hangs", "time", "took longer than its limit of 10 s"),
    ],
)
def test_who_falls_in_his_turn_has_a_failed_record_in_every_block(made, name, failure, reason):
    own = [record for record in made if record.cell.adapter == name]
    assert [(record.status, record.failure, record.block) for record in own] == [
        ("failed", failure, 0),
        ("failed", failure, 1),
    ]
    assert all(reason in record.reason for record in own)


def test_with_a_parent_all_its_children_fall(made):
    own = [record for record in made if record.cell.adapter in ("kills-parent", "sibling")]
    assert {record.status for record in own} == {"failed"}
    assert {record.failure for record in own} == {"parent"}
    assert all("SIGKILL" in record.reason for record in own)


def test_the_others_of_the_block_are_timed(made):
    whole = [record for record in made if record.cell.adapter in ("numpy-manual", "sklearn-mlp")]
    assert len(whole) == 4
    assert all(record.status == "ok" and record.contaminated is None for record in whole), [r.reason for r in whole]
    assert all(len(record.turns) >= 4 for record in whole)


def test_nothing_of_them_is_left(made, levelfield):
    assert levelfield.left_behind() == []


def stopped(process: psutil.Process) -> list[psutil.Process]:
    found = []
    for one in process.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if one.status() == psutil.STATUS_STOPPED:
                found.append(one)
    return found


def until_some_are_stopped(process) -> list[psutil.Process]:
    while process.poll() is None:
        if found := stopped(psutil.Process(process.pid)):
            return found
        time.sleep(0.05)
    raise AssertionError(f"ended too early: {process.communicate()[1]}")


@pytest.fixture(scope="module")
def long(levelfield, tiny):
    text = tiny(speed='adapters = ["numpy-manual", "sklearn-mlp"]\nblocks = 3\nseconds = 60', time_limit=900.0)
    (levelfield.folder / "long.toml").write_text(text.replace("batch-size = 16", "batch-size = 1"))
    return levelfield


def test_who_kills_the_harness_leaves_nobody_stopped(long):
    process = long.start("run", "long.toml", "-o", "killed", "--no-certify")
    assert until_some_are_stopped(process)
    process.kill()
    process.communicate()
    assert long.left_behind() == []
    assert not (long.folder / "killed" / "records.jsonl").exists()  # of a block that did not end nothing is written


def test_who_kills_harness_and_parents_leaves_nobody_stopped(long):
    process = long.start("run", "long.toml", "-o", "all-killed", "--no-certify")
    assert until_some_are_stopped(process)
    family = psutil.Process(process.pid)
    for one in [family, *family.children()]:
        one.kill()
    process.communicate()
    assert long.left_behind() == []


def test_the_second_ctrl_c_ends_a_block_and_leaves_nobody_stopped(long):
    process = long.start("run", "long.toml", "-o", "interrupted", "--no-certify")
    assert until_some_are_stopped(process)
    process.send_signal(signal.SIGINT)
    for line in process.stderr:
        if "stopping after" in line:
            break
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=900)
    assert process.returncode == 130
    assert long.left_behind() == []


def test_a_launch_that_somebody_else_kills_while_it_is_stopped_is_told(long, records_of):
    text = (
        (long.folder / "long.toml")
        .read_text()
        .replace("seconds = 60", "seconds = 1")
        .replace("blocks = 3", "blocks = 1")
    )
    (long.folder / "shot.toml").write_text(text)
    process = long.start("run", "shot.toml", "-o", "shot", "--no-certify", "-q")
    victim = until_some_are_stopped(process)[0]
    os.kill(victim.pid, signal.SIGKILL)
    process.communicate(timeout=900)
    assert process.returncode == 1
    records = records_of(long.folder / "shot")
    assert sorted(record.status for record in records) == ["failed", "ok"]
    (failed,) = [record for record in records if record.status == "failed"]
    assert failed.reason == "ended by SIGKILL"
    assert long.left_behind() == []
