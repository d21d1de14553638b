"""Faults of which each was found by reading: what is shared by mistake, left open, or derived from something stale."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from levelfield.adapters.numpy.manual import NumpyManual
from levelfield.adapters.registry import find
from levelfield.harness.certify import behaviour
from levelfield.harness.certify.observe import Subject as Examined
from levelfield.harness.certify.sketches import drawn, wide
from levelfield.harness.judge.tiers import tiers
from levelfield.harness.launch.local import LocalHost
from levelfield.harness.launch.parents import Done, WarmParents
from levelfield.harness.measure.rank_group import _held_port
from levelfield.harness.plan.environments import DEFAULT, Environment, own
from levelfield.harness.plan.launches import CertificateSubject
from levelfield.harness.records.cell import Cell, NamedModel, NamedRecipe
from levelfield.harness.records.peak import Candidate, Peak, PeakSubject, Trial, best_of
from levelfield.harness.records.record import Record
from levelfield.harness.run.resume import left
from levelfield.harness.system import machine
from levelfield.harness.system.folders import Temporary
from levelfield.harness.system.machine import Machine, MachineType

MACHINE = Machine(host=None, system="Linux", cpu="Some CPU", cores=2, memory_bytes=2**30, python="3.11", commit=None)
CELL = Cell(
    kind="speed",
    task="iris",
    model=NamedModel(name="small", hidden=(8,)),
    recipe=NamedRecipe(name="plain", optimizer="sgd", learning_rate=0.1),
    adapter="numpy-manual",
    framework="numpy",
    backend=None,
    api="low",
    mode="eager",
)

# Copies


@given(
    st.dictionaries(st.sampled_from(["adapter", "task", "mode"]), st.text(max_size=5)),
    st.booleans(),
    st.sampled_from([{}, {"threads": 4}, {"replicas": 2, "replication": "ranks"}]),
)
def test_equal_cells_have_one_id_whatever_was_asked_before_they_were_made(words, asked, more):
    original = CELL.model_copy()
    if asked:
        _ = original.id
    copied = original.model_copy(update={**words, **more})
    made = Cell(**{name: getattr(copied, name) for name in Cell.model_fields})
    assert copied == made
    assert copied.id == made.id
    assert copied.alone.id == made.alone.id
    assert original.id == CELL.id


# Two jobs, one file


def test_no_two_jobs_of_a_launcher_share_a_file(monkeypatch):
    environments = {DEFAULT: own(), "other": Environment("other", sys.executable, own().installed)}
    adapters = {"numpy-manual": find().adapters["numpy-manual"]}
    seen = []

    def run(self, job, key):
        seen.extend([job.result, job.log])
        return Done(result={})

    with LocalHost(adapters, {}, MACHINE, [0], 60.0, environments=environments) as launcher:
        monkeypatch.setattr(WarmParents, "run", run)
        for environment in environments:
            for device in ("cpu", "gpu:0", "gpu:1"):
                with pytest.raises(ValueError, match="validation"):  # an empty result is no certificate
                    launcher.certify(CertificateSubject("numpy-manual", "eager", device, environment), quick=True)
    assert len(seen) == 12
    assert len(set(seen)) == len(seen)


# Warm and cold


def record(**changes: object) -> Record:
    known = {"cell": CELL, "seed": 0, "block": 0, "status": "ok", "started": "", "machine": MACHINE}
    return Record(**{**known, **changes})  # type: ignore[arg-type]


def test_a_cold_launch_is_not_made_by_a_warm_one():
    from levelfield.harness.plan.launches import Launch

    planned = [Launch(CELL, block, block, 0.1) for block in range(2)]
    before = [record(block=block) for block in range(2)]
    assert left(planned, before, cold=False) == []
    assert left(planned, before, cold=True) == planned


# Peaks


def peak(seconds: float, bytes_seconds: float, contaminated: str | None = None, framework: str = "numpy") -> Peak:
    trials = (
        Trial(operation="product", size=1024, seconds=(seconds,), itemsize=4),
        Trial(operation="addition", size=2**24, seconds=(bytes_seconds,), itemsize=4),
    )
    found = Candidate(framework=framework, version="1", trials=trials, contaminated=contaminated)
    return Peak(device="cpu", precision="float32", threads=1, date="2024-05-17", candidates=(found,))


WHERE = (PeakSubject("cpu", "float32", 1), MachineType("c", 2, 1, "s"))


def test_arithmetic_and_traffic_are_each_the_best_of_all_runs():
    one, other = peak(0.1, 0.02), peak(0.2, 0.01)
    best = best_of([one, other], *WHERE)
    assert best is not None
    assert best.flops == one.flops
    assert best.bandwidth == other.bandwidth


def test_a_disturbed_reading_counts_only_where_there_is_no_other():
    calm, disturbed = peak(0.2, 0.02), peak(0.1, 0.01, "disturbed: foreign 50% (more than 10%)")
    assert best_of([calm, disturbed], *WHERE).flops == calm.flops
    assert best_of([disturbed], *WHERE).flops == disturbed.flops
    elsewhere = peak(0.1, 0.01, "disturbed: foreign 50% (more than 10%)", "torch")
    assert best_of([calm, elsewhere], *WHERE).flops == elsewhere.flops  # nobody else asked torch
    assert best_of([], *WHERE) is None


# Tiers


def test_a_cell_that_is_shown_to_be_faster_begins_no_slower_tier():
    jitter = [1 + 0.001 * (-1) ** b for b in range(20)]
    base = {b: jitter[b] for b in range(20)}
    a = {b: 0.50 * jitter[b] for b in range(10)}
    # faster than a wherever both were measured, slower by its other blocks
    b = {b: (0.45 if b < 10 else 0.80) * jitter[b] for b in range(20)}
    found = tiers({"base": base, "a": a, "b": b}, "base")
    assert found == [["a", "b"], ["base"]]
    slower = {b: 0.60 * jitter[b] for b in range(20)}
    assert tiers({"base": base, "a": a, "slower": slower}, "base") == [["a"], ["slower"], ["base"]]


# Ports, folders, processes


def test_nobody_gets_the_port_of_rank_0_and_rank_0_can_listen_at_it():
    with _held_port() as port:
        with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
            stranger.bind(("127.0.0.1", port))
        for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
            with socket.socket() as first:
                first.setsockopt(socket.SOL_SOCKET, option, 1)
                first.bind(("127.0.0.1", port))
                first.listen()
                with socket.create_connection(("127.0.0.1", port), 5):
                    pass


def test_a_folder_whose_process_was_killed_is_swept_by_the_next_one(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    program = (
        "import os, signal, sys, tempfile\n"
        "from levelfield.harness.system.folders import Temporary\n"
        "with Temporary() as temporary:\n"
        "    (temporary.path / 'turn').write_text('x')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", program], cwd=root, env={"TMPDIR": str(tmp_path)})
    assert len(list(tmp_path.iterdir())) == 1
    with Temporary() as temporary:
        assert list(tmp_path.iterdir()) == [temporary.path]
    assert list(tmp_path.iterdir()) == []


def test_folders_of_ours_all_have_a_lock():
    root = Path(__file__).parents[2] / "harness"
    elsewhere = re.compile(r"TemporaryDirectory\((?!dir=)")  # beside what it will be moved to it is another matter
    assert [path for path in root.rglob("*.py") if elsewhere.search(path.read_text(encoding="utf-8"))] == []


def test_a_cluster_whose_host_is_refused_is_left(monkeypatch):
    ray = pytest.importorskip("levelfield.harness.launch.ray", reason="Ray is not installed")
    done: list[str] = []
    actor = SimpleNamespace(
        begin=SimpleNamespace(remote=lambda *_: "begun"), close=SimpleNamespace(remote=lambda: "closing")
    )
    library = SimpleNamespace(
        put=lambda value: value,
        wait=lambda *_, **__: None,
        get=lambda asked, timeout=None: (MACHINE, [0], 0, {"numpy": "0"}, []),
        kill=lambda actor: done.append("killed"),
        shutdown=lambda: done.append("left"),
    )
    monkeypatch.setattr(ray, "ray", library)
    monkeypatch.setattr(ray, "_actor", lambda member: actor)
    terms = SimpleNamespace(uses=frozenset({("numpy-manual", DEFAULT)}))
    there = SimpleNamespace(tasks={}, adapters=find().adapters, environments={DEFAULT: own()})
    with pytest.raises(ray.UserError, match="other software"):
        ray.RayLauncher([ray.Member("id", "name", 1, {})], there, terms)
    assert done == ["killed", "left"]


# The one check that a busy machine can fail


class Stalls(NumpyManual):
    """Right; but while the first of `stalls` are trained, something else delays who reads the weights."""

    made: ClassVar[list[int]] = []
    stalls = 1

    def __init__(self, setting):
        super().__init__(setting)
        self.made.append(0)
        self.number, self.asked = len(self.made), 0

    def synchronize(self):
        self.asked = 0

    def get_weights(self):
        self.asked += 1
        if self.number <= self.stalls and self.asked == 1:
            time.sleep(0.3)
        return super().get_weights()


class AlwaysStalls(Stalls):
    made: ClassVar[list[int]] = []
    stalls = 2


@pytest.mark.parametrize(("adapter", "passes"), [(Stalls, True), (AlwaysStalls, False)])
def test_synchronize_is_looked_at_a_second_time_before_it_fails(adapter, passes):
    adapter.made.clear()
    with np.errstate(all="ignore"):
        checks = behaviour.synchronize(Examined(adapter, "eager"), drawn(wide(6, 64, 64)), "float32")
    assert len(adapter.made) == 2
    assert all(check.passed for check in checks) is passes
    told = [str(check.reason) for check in checks if check.passed is False]
    assert all("in a second look too" in reason and "times something" in reason for reason in told)


def test_the_machine_is_described_in_a_thread_too():
    found: list[Machine] = []
    thread = threading.Thread(target=lambda: found.append(machine.describe(True)))
    thread.start()
    thread.join()
    assert found == [machine.describe(True)]
