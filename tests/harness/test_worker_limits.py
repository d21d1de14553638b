"""A launch that wants too much is ended, told by its kind, and costs the others nothing."""

from __future__ import annotations

import contextlib
import re
from types import SimpleNamespace

import pytest

from levelfield.harness.launch import child

pytestmark = pytest.mark.slow

GREEDY = """
import os, subprocess, sys, threading, time
import numpy as np
from levelfield.adapters.numpy.manual import NumpyManual

LOCK = threading.Lock()
threading.Thread(target=lambda: (LOCK.acquire(), time.sleep(10_000)), daemon=True).start()

class WaitsForALockOfItsParent(NumpyManual):
    name = "deadlock"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
    def fit(self, train, order, watch):
        LOCK.acquire()

class FillsItsMemory(NumpyManual):
    name = "fills"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
    def fit(self, train, order, watch):
        kept = []
        while True:
            kept.append(np.ones(1_000_000))

EAT = "import time; held = [bytearray(40_000_000) for _ in range(4)]; time.sleep(1000)"

class FillsItAmongMany(NumpyManual):
    name = "fills-among-many"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
    def fit(self, train, order, watch):
        for _ in range(3):
            subprocess.Popen([sys.executable, "-c", EAT], start_new_session=True)
        time.sleep(1000)

class NeverStopsTalking(NumpyManual):
    name = "talks"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
    def fit(self, train, order, watch):
        while True:
            os.write(1, b"and then " * 7000)

class TalksALot(NumpyManual):
    name = "talks-a-lot"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
    def fit(self, train, order, watch):
        for _ in range(100):
            os.write(1, b"x" * 65536)
        print("at last", flush=True)
        raise RuntimeError("hoarse")

class ClosesItsOutputAndGoesOn(NumpyManual):
    name = "silent"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
    def fit(self, train, order, watch):
        os.close(1)
        os.close(2)
        super().fit(train, order, watch)
"""
KINDS = {
    "deadlock": ("time", r"took longer than its limit of 20 s and was killed"),
    "fills": ("memory", r"MemoryError: Unable to allocate 7\.63 MiB .*"),
    "fills-among-many": ("memory", r"used [\d,]+ MB of memory, its limit is 300 MB"),
    "talks": ("output", r"printed more than 256 MiB and was killed"),
    "talks-a-lot": ("exception", r"RuntimeError: hoarse"),
}


@pytest.fixture(scope="module")
def greedy(command_line, install, tiny, records_of, tmp_path_factory):
    classes = re.findall(r'class (\w+)\(NumpyManual\):\n    name = "([^"]+)"', GREEDY)
    points = {name: f"greedy:{cls}" for cls, name in classes}
    folder = install(tmp_path_factory.mktemp("plugin"), points, {"greedy.py": GREEDY})
    levelfield = command_line(plugins=[folder])
    suite = tiny(learning=f"adapters = {['numpy-manual', 'silent', *KINDS]}", time_limit=20.0)
    suite = suite.replace("\n[tasks", 'memory-limit = "300MB"\n[tasks', 1)
    (levelfield.folder / "greedy.toml").write_text(suite)
    done = levelfield("run", "greedy.toml", "-o", "out", "--no-certify")
    records = {record.cell.adapter: record for record in records_of(levelfield.folder / "out")}
    return SimpleNamespace(done=done, records=records, left=levelfield.left_behind())


@pytest.mark.parametrize("name", KINDS)
def test_what_asks_for_too_much_fails_with_its_kind_and_reason(greedy, name):
    kind, reason = KINDS[name]
    record = greedy.records[name]
    assert (record.status, record.failure) == ("failed", kind), record.reason
    assert re.fullmatch(reason + r"( \(\w+\.py:\d+, in \w+\))?", record.reason), record.reason


def test_the_neighbours_of_the_greedy_are_untouched_and_nothing_is_left(greedy):
    assert greedy.done.returncode == 1, greedy.done.stderr
    assert greedy.records["numpy-manual"].status == "ok"
    assert greedy.records["silent"].epochs == greedy.records["numpy-manual"].epochs
    assert greedy.left == []


def test_of_much_output_the_end_is_kept(greedy):
    assert "hoarse" in greedy.records["talks-a-lot"].log
    assert "at last" in greedy.records["talks-a-lot"].log
    assert greedy.records["talks"].log.count("and then ") > 400


def test_the_log_of_a_child_never_grows_beyond_its_bound(tmp_path):
    import os

    reader, writer = os.pipe()
    log = tmp_path / "log"
    with contextlib.closing(child.Output(reader, log)) as output:
        for number in range(100):
            os.write(writer, b"%05d " % number * 10_000)
            while output.take():
                assert log.stat().st_size <= child.LONGEST_LOG
    os.close(writer)
    assert output.seen == 100 * 60_000
    assert log.read_bytes().endswith(b"00099 00099 ")
