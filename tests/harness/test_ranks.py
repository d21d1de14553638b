"""Replicas as ranks: processes with cores of their own that train together, fail together, and leave nothing behind."""

from __future__ import annotations

import os
import re
import time
from types import SimpleNamespace

import numpy as np
import pytest

from levelfield.adapters.registry import find
from levelfield.harness.measure.rank_group import RankFailed, shares, together

HEAD = """
import os, signal, time
import numpy as np
from levelfield.adapters.numpy.manual import NumpyManual
from levelfield.tasks.mlp import Layer


class Alike(NumpyManual):
    def __init__(self, setting):
        super().__init__(setting)
        self.rank = int(os.environ.get("RANK", "0"))
        self.own = setting.recipe.batch_size // setting.replicas
    def placement(self):
        return {"cpu": self.own}
"""
# Every rank computes the whole of each batch, so that all come to the same weights; what is in `fit` goes wrong
FAULTY = {
    "fine": "pass",
    "kills-rank-1": "if self.rank == 1: os.kill(os.getpid(), signal.SIGKILL)",
    "kills-rank-0": "if self.rank == 0: os.kill(os.getpid(), signal.SIGKILL)",
    "kills-who-waits": "if self.rank == 1: os.kill(os.getppid(), signal.SIGKILL)\n        time.sleep(1000)",
    "raises-in-rank-1": "if self.rank == 1: raise RuntimeError('out of step')",
    "exits-rank-1": "if self.rank == 1: os._exit(0)",
    "fills-rank-1": "kept = []\n        while self.rank == 1: kept.append(np.ones(1_000_000))",
    "hangs-rank-1": "if self.rank == 1: time.sleep(1000)",
    "does-it-all": "self.own *= 2",
    "keeps-its-own": "if self.rank == 1: self.set_weights([Layer(k + 1, b) for k, b in self.get_weights()])",
    "stops-by-itself": "if self.rank == 1: return",
}
ENDINGS = {
    "kills-rank-1": ("signal", r"rank 1 of 2 ended by SIGKILL"),
    "kills-rank-0": ("signal", r"rank 0 of 2 ended by SIGKILL"),
    "kills-who-waits": ("signal", r"ended by SIGKILL"),
    "raises-in-rank-1": ("exception", r"rank 1 of 2: RuntimeError: out of step"),
    "exits-rank-1": ("exit", r"rank 1 of 2 ended with exit code 0"),
    "fills-rank-1": ("memory", r"rank 1 of 2: MemoryError: Unable to allocate 7\.63 MiB .*"),
    "hangs-rank-1": ("time", r"took longer than its limit of 10 s and was killed"),
    "does-it-all": (
        "exception",
        r"rank \d of 2: BrokenContract: the work was not distributed over 2 ranks: "
        r"of a batch of 16 samples, this process computed 16 on cpu",
    ),
    "keeps-its-own": ("exception", r"rank \d of 2: BrokenContract: the 2 ranks ended with different weights"),
    "stops-by-itself": (
        "exception",
        r"rank 1 of 2: BrokenContract: fit returned after 0 epochs, it was asked for \d+",
    ),
}


@pytest.fixture(scope="module")
def faulty(command_line, install, tiny, records_of, tmp_path_factory):
    text = HEAD
    for name, fault in FAULTY.items():
        text += f"""
class {name.title().replace("-", "")}(Alike):
    name = "{name}"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
    replication = ("ranks",)
    def fit(self, train, order, watch):
        {fault}
        super().fit(train, order, watch)
"""
    points = {name: f"faulty_ranks:{name.title().replace('-', '')}" for name in FAULTY}
    folder = install(tmp_path_factory.mktemp("plugin"), points, {"faulty_ranks.py": text})
    levelfield = command_line(plugins=[folder])
    how = f"adapters = {list(FAULTY)}\nreplicas = [2]\nreplication = 'ranks'"
    suite = tiny(learning=how, speed=f"{how}\nblocks = 1\nseconds = 0.05\nthreads = 1", time_limit=10.0)
    suite = suite.replace('baseline = "numpy-manual"', 'baseline = "fine"')
    suite = suite.replace("\n[tasks", 'memory-limit = "400MB"\n[tasks', 1)
    (levelfield.folder / "faulty.toml").write_text(suite)
    done = levelfield("run", "faulty.toml", "-o", "out", "--no-certify")
    assert done.returncode == 1, done.stderr
    records = {(record.cell.kind, record.cell.adapter): record for record in records_of(levelfield.folder / "out")}
    return SimpleNamespace(records=records, left=levelfield.left_behind())


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["learning", "speed"])
@pytest.mark.parametrize("name", ENDINGS)
def test_a_rank_that_goes_wrong_is_one_failed_launch_that_says_which_and_how(faulty, kind, name):
    failure, reason = ENDINGS[name]
    record = faulty.records[kind, name]
    assert (record.status, record.failure) == ("failed", failure), record.reason
    assert re.fullmatch(reason, record.reason), record.reason


@pytest.mark.slow
def test_the_run_goes_on_and_nothing_is_left(faulty):
    assert {kind for kind, name in faulty.records if name == "fine"} == {"learning", "speed"}
    assert faulty.left == []


@pytest.mark.slow
def test_a_launch_of_two_ranks_says_where_each_batch_was_and_on_which_cores(faulty):
    for kind in ("learning", "speed"):
        record = faulty.records[kind, "fine"]
        assert record.status == "ok", record.reason
        assert record.placement == {"rank 0, cpu": 8, "rank 1, cpu": 8}
        cores = [set(record.runtime[f"cores of rank {rank}"].split(", ")) for rank in (0, 1)]
        assert all(len(own) == 1 for own in cores)
        assert cores[0].isdisjoint(cores[1])


@pytest.mark.slow
def test_the_cpu_time_of_all_ranks_counts_and_is_not_foreign(faulty):
    found = faulty.records["speed", "fine"].utilisation
    assert found["cpu_share"].value * 2 == pytest.approx(found["cores_busy"].value)
    assert found["memory_peak"].source.startswith("VmHWM of rank 0 alone")
    assert found["cores_busy"].value > 0


# Frameworks


@pytest.fixture(scope="module")
def trained(command_line, tiny, records_of):
    levelfield = command_line()
    learning = 'adapters = ["torch-nn", "jax-grad"]\nreplicas = [1, 2]\nreplication = "ranks"'
    how = 'adapters = ["torch-nn"]\nreplicas = [2]\nreplication = "ranks"\nmodes = ["eager"]'
    suite = tiny(learning=learning, speed=f"{how}\nblocks = 1\nseconds = 0.05\nthreads = 1")
    suite = suite.replace('baseline = "numpy-manual"', 'baseline = "torch-nn"')
    (levelfield.folder / "two.toml").write_text(suite)
    done = levelfield("run", "two.toml", "-o", "out", "--no-certify")
    assert done.returncode == 0, done.stderr
    assert levelfield.left_behind() == []
    return {(r.cell.kind, r.cell.adapter, r.cell.replicas): r for r in records_of(levelfield.folder / "out")}


@pytest.mark.frameworks
@pytest.mark.parametrize(
    ("kind", "adapter"), [("learning", "torch-nn"), ("speed", "torch-nn"), ("learning", "jax-grad")]
)
def test_frameworks_share_each_batch_over_ranks_on_cores_of_their_own(trained, kind, adapter):
    record = trained[kind, adapter, 2]
    assert list(record.placement.values()) == [8, 8]
    assert [name.partition(",")[0] for name in record.placement] == ["rank 0", "rank 1"]
    assert trained["learning", adapter, 1].placement == {}
    cores = [record.runtime[f"cores of rank {rank}"] for rank in (0, 1)]
    assert len(set(cores)) == min(2, len(os.sched_getaffinity(0)))


@pytest.mark.frameworks
@pytest.mark.parametrize("adapter", ["torch-nn", "jax-grad"])
def test_two_ranks_learn_what_one_device_learns(trained, adapter):
    one, two = (trained["learning", adapter, n].epochs for n in (1, 2))
    assert [e.train.loss for e in two] == pytest.approx([e.train.loss for e in one], rel=1e-5)


@pytest.mark.frameworks
def test_a_rank_that_is_killed_in_the_middle_fails_its_launch_alone(command_line, tiny, records_of):
    levelfield = command_line()
    how = 'adapters = ["torch-nn"]\nmodes = ["eager"]\nreplication = "ranks"\nreplicas = [2]\nthreads = 1'
    suite = tiny(speed=f"{how}\nblocks = 2\nseconds = 1.5")
    (levelfield.folder / "killed.toml").write_text(suite.replace('"numpy-manual"', '"torch-nn"'))
    running = levelfield.start("run", "killed.toml", "-o", "out", "--no-certify")
    victim = None
    while victim is None:
        assert running.poll() is None, running.communicate()
        workers = [p for p in levelfield.processes() if "levelfield.harness.launch.worker" in " ".join(p.cmdline())]
        below = [[c for c in worker.children() if c in workers] for worker in workers]
        victim = next((ranks[1] for ranks in below if len(ranks) == 2), None)
        time.sleep(0.05)
    time.sleep(0.5)  # it trains
    victim.kill()
    running.communicate(timeout=900)
    assert running.returncode == 1
    first, *others = records_of(levelfield.folder / "out")
    assert (first.failure, first.reason) == ("signal", "rank 1 of 2 ended by SIGKILL")
    assert {(r.block, r.status) for r in others} == {(1, "ok")}
    assert levelfield.left_behind() == []


@pytest.mark.frameworks
@pytest.mark.slow
def test_all_that_have_ranks_are_certified_on_two(levelfield):
    adapters = [info.name for info in find().adapters.values() if "ranks" in info.replication]
    assert {"torch-nn", "torch-lightning", "jax-grad"} <= set(adapters)
    eager = [option for mode in ("eager", "jit") for option in ("--mode", mode)]
    done = levelfield("certify", *adapters, *eager, "--replicas", 2, "--replication", "ranks", "--quick")
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("2 ranks): certified") == len(adapters)


# Processes


def test_the_cores_are_dealt_out_in_order_and_again_where_there_are_too_few():
    assert shares([2, 3, 5, 7], 2, 2) == [[2, 3], [5, 7]]
    assert shares([2, 3, 5], 2, 1) == [[2], [3]]
    assert shares([4], 3, 1) == [[4], [4], [4]]


def test_what_ranks_gather_is_the_same_in_all_in_their_order():
    found = together(lambda ranks: [ranks.gather((ranks.rank, "x")), os.environ["RANK"]], shares([0], 3, 1))
    assert found == [[[[0, "x"], [1, "x"], [2, "x"]], str(rank)] for rank in range(3)]


def test_the_first_failure_is_the_one_that_is_told():
    def work(ranks):
        if ranks.rank == 1:
            time.sleep(0.05)
            raise ValueError("it was me")
        ranks.gather(None)  # breaks when rank 1 is gone

    with pytest.raises(RankFailed, match=r"^rank 1 of 3: ValueError: it was me$") as caught:
        together(work, shares([0], 3, 1))
    assert caught.value.failure == "exception"


def test_ranks_share_the_memory_that_one_process_would_have():
    def work(ranks):
        if ranks.rank == 1:
            np.empty(1 << 30, np.uint8)  # never touched, and more than a long-lived process may hold free

    with pytest.raises(RankFailed, match=r"rank 1 of 2: .*MemoryError") as caught:
        together(work, shares([0], 2, 1), memory=1 << 30)
    assert caught.value.failure == "memory"
    together(work, shares([0], 2, 1), memory=4 << 30)
