"""Every adapter in every mode trains in a process of its own, and all of them compute the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from threading import Event

import numpy as np
import pytest

from levelfield.adapters.registry import AdapterInfo, find
from levelfield.harness.launch.local import LocalHost
from levelfield.harness.plan import suite
from levelfield.harness.plan.launches import Launch, Selection, Surroundings, plan
from levelfield.harness.records.record import Record
from levelfield.harness.run.schedule import carry_out
from levelfield.harness.system import machine
from levelfield.tasks.task import Task, make_task

BATCH, EPOCHS = 16, 3
SUITE = f"""
name = "equal"
baseline = "numpy-manual"

[models.small]
hidden = [7]
activation = "tanh"

[recipes.momentum]
optimizer = "momentum"
learning-rate = 0.05
batch-size = {BATCH}
epochs = {EPOCHS}

[[learning]]
task = "tiny"
model = "small"
recipe = "momentum"
modes = "all"

[[speed]]
task = "tiny"
model = "small"
recipe = "momentum"
modes = "all"
blocks = 1
seconds = 0.01
threads = "all"  # as many as learning launches are started with: both share their warm parents
"""
REFERENCE = "numpy-manual"
CELLS = [(info, mode) for info in find().adapters.values() for mode in info.modes]


def named(cells: Sequence[tuple[AdapterInfo, str]]) -> list:
    """Compiling C++ takes ten seconds a launch; an absent framework is skipped with what it needs."""
    return [
        pytest.param(
            info.name,
            mode,
            id=f"{info.name}-{mode}",
            marks=[
                *([pytest.mark.slow] if mode == "compile" else []),
                *([pytest.mark.skip(reason=info.missing())] if info.missing() else []),
            ],
        )
        for info, mode in cells
    ]


@pytest.fixture(scope="module")
def task() -> Task:
    """60 samples of three classes; 42 of them for training, so that the last batch is smaller."""
    rng = np.random.default_rng(1)
    y = np.arange(60) % 3
    x = rng.normal(size=(60, 5)) + np.eye(3, 5)[y] * 2
    made = make_task("tiny", x, y, source="drawn by a test", licence="CC0")
    assert len(made.train.x) % BATCH
    return made


class Launches:
    """Launches by one set of warm parents, made when first asked for; learning launches all together, side by side."""

    def __init__(self, launcher: LocalHost, launches: Sequence[Launch]) -> None:
        self.launcher, self.launches = launcher, launches
        self.records: dict[tuple[str, str, str], Record] = {}

    def of(self, kind: str, adapter: str, mode: str) -> Record:
        wanted = (kind, adapter, mode)
        if wanted not in self.records:
            alike = [launch for launch in self.launches if launch.cell.kind == kind]
            if kind == "speed":
                [launch] = [one for one in alike if (one.cell.adapter, one.cell.mode) == (adapter, mode)]
                self.keep(launch, self.launcher.launch(launch))
            else:
                compiled = mode == "compile"
                together = [launch for launch in alike if (launch.cell.mode == "compile") == compiled]
                carry_out(together, self.launcher.hosts, self.keep, Event())
        return self.records[wanted]

    def keep(self, launch: Launch, record: Record) -> None:
        cell = launch.cell
        self.records[cell.kind, cell.adapter, cell.mode] = record


@pytest.fixture(scope="module")
def launches(task: Task) -> Iterator[Launches]:
    adapters = find().adapters
    # The suite of a file may name tasks that come with levelfield, or files: this one's data are drawn here
    text = SUITE.replace('"tiny"', '"iris"')
    planned = plan(suite.parse(text, Path("suite.toml")), Surroundings(adapters, {"iris": task}, len(machine.cores())))
    with LocalHost(adapters, {"iris": task}, machine.describe(True), machine.cores(), 300.0) as launcher:
        yield Launches(launcher, planned)


pytestmark = pytest.mark.frameworks


@pytest.mark.parametrize(("adapter", "mode"), named(CELLS))
def test_an_adapter_trains(launches, adapter, mode):
    record = launches.of("learning", adapter, mode)
    assert record.status == "ok", f"{record.reason}\n{record.log}"
    losses = [scores.train.loss for scores in record.epochs]
    assert len(losses) == EPOCHS + 1
    assert all(later < earlier for earlier, later in pairwise(losses)), losses
    assert record.steps_per_epoch == 3  # 16 + 16 + 10


@pytest.mark.parametrize(("adapter", "mode"), named(CELLS))
def test_an_adapter_computes_what_numpy_computes_after_every_epoch(launches, adapter, mode):
    record = launches.of("learning", adapter, mode)
    reference = launches.of("learning", REFERENCE, "eager")
    for found, right in zip(record.epochs, reference.epochs, strict=True):
        for split in ("train", "validation", "test"):
            assert getattr(found, split).loss == pytest.approx(getattr(right, split).loss, abs=1e-4)


@pytest.mark.parametrize(("adapter", "mode"), named(CELLS))
def test_an_adapter_can_be_timed(launches, adapter, mode):
    record = launches.of("speed", adapter, mode)
    assert record.status == "ok", f"{record.reason}\n{record.log}"
    assert record.steps_per_epoch == 2  # the partial batch is dropped
    assert len(record.epoch_seconds) >= 3
    assert all(seconds > 0 for seconds in record.epoch_seconds)
    assert {"import", "build", "place", "first_epoch", "predict", "evaluate"} <= set(record.phases)
    assert record.final.train.loss < launches.of("learning", REFERENCE, "eager").epochs[0].train.loss
    assert record.versions
    assert record.unproved is None
    assert record.proof["predict"].startswith("off by ")


def test_the_threads_and_processes_of_launches_end_with_the_launcher(task):
    import psutil

    adapters = find().adapters
    text = SUITE.replace('"tiny"', '"iris"')
    one = Selection(adapter=(REFERENCE,))
    planned = plan(suite.parse(text, Path("suite.toml")), Surroundings(adapters, {"iris": task}, 1), one)
    with LocalHost(adapters, {"iris": task}, machine.describe(True), machine.cores(), 60.0) as launcher:
        assert launcher.launch(planned[0]).status == "ok"
        [parent] = launcher.parents.alive.values()
        assert psutil.pid_exists(parent.process.pid)
        folder = launcher.folder
    assert not psutil.pid_exists(parent.process.pid)
    assert not folder.exists()
