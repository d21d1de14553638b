"""Seeds that one process makes one after the other: the figures of a process each, and who fails costs himself."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from levelfield.adapters.registry import find
from levelfield.harness.launch import learner
from levelfield.harness.launch.local import LocalHost
from levelfield.harness.plan import suite
from levelfield.harness.plan.launches import Surroundings, plan
from levelfield.harness.run.schedule import seeds_together
from levelfield.harness.system import machine
from levelfield.tasks import registry as tasks

FOUND = find().adapters
# Those that share a warm parent one after the other
OURS = sorted((i.name for i in FOUND.values() if i.builtin), key=lambda n: (FOUND[n].framework, str(FOUND[n].backend)))
UNSEEDED = {"keras-tensorflow", "keras-custom-layer"}  # on the idiomatic track they shuffle anew each time, as stated

SUITE = """
name = "mine"
baseline = "numpy-manual"

[models.small]
hidden = [8]
{dropout}

[recipes.adam]
optimizer = "adam"
learning-rate = 0.01
epochs = 3

[[learning]]
task = "iris"
model = "small"
recipe = "adam"
adapters = {adapters}
track = {tracks}
seeds = {seeds}
"""


def launches(adapters, seeds, tracks=("matched",), dropout="", known=FOUND):
    text = SUITE.format(adapters=list(adapters), seeds=seeds, tracks=list(tracks), dropout=dropout)
    return plan(suite.parse(text, Path("mine.toml")), Surroundings(known, {"iris": tasks.load("iris")}, cores=1))


def host(adapters=FOUND, seconds=120.0) -> LocalHost:
    cores = machine.cores()[:1]
    return LocalHost(adapters, {"iris": tasks.load("iris")}, machine.describe(), cores, seconds, probes=False)


def learnt(record):
    assert record.status == "ok", record.reason
    return record.epochs, record.final


def process(made: LocalHost, launch) -> int:
    """The one that waits for another seed."""
    return made.parents.learners[made.key(launch.cell)].doing.pid


@pytest.fixture(scope="module")
def hosts():
    """Two, each with its warm parents: adapters of one framework share its import."""
    with host() as one, host() as other:
        yield one, other


@pytest.mark.slow
@pytest.mark.frameworks
@pytest.mark.parametrize("name", OURS)
def test_every_adapter_learns_the_same_in_one_process_as_in_one_for_each_seed(hosts, name, monkeypatch):
    """On both tracks, with dropout where there is one: with all that a seed decides."""
    together, apart = hosts
    both = [launches([name], 2, ("matched", "idiomatic"), dropout) for dropout in ("dropout = 0.3", "")]
    planned = next(able for all_of in both if (able := [one for one in all_of if not one.skip]))
    planned = seeds_together(planned, lambda one: one.cell.adapter)
    for either in hosts:
        either.end_all_but(one.cell for one in planned)
    made, processes = [], set()
    for one in planned:
        made.append(together.launch(one, machine.cores()[0]))
        processes.add(process(together, one))
    assert len(processes) == len({one.cell.id for one in planned})
    monkeypatch.setattr(learner, "MOST", 1)
    alone = {one.id: apart.launch(one, machine.cores()[0]) for one in reversed(planned)}  # in the other order
    for one, record in zip(planned, made, strict=True):
        if name in UNSEEDED and one.cell.track == "idiomatic":
            assert learnt(record)[0][0] == learnt(alone[one.id])[0][0]  # the same initial weights
        else:
            assert learnt(record) == learnt(alone[one.id])


@pytest.fixture
def numpy_host():
    with host() as made:
        yield made


def test_one_process_makes_a_cell_and_the_next_one_another(numpy_host):
    planned = seeds_together(launches(["numpy-manual"], 3, ("matched", "idiomatic")), lambda one: one.cell.adapter)
    pids = []
    for one in planned:
        learnt(numpy_host.launch(one))
        pids.append(process(numpy_host, one))
    assert pids[0] == pids[1] == pids[2] != pids[3] == pids[4] == pids[5]


def test_a_process_is_replaced_before_what_it_keeps_grows_large(numpy_host, monkeypatch):
    monkeypatch.setattr(learner, "MOST", 2)
    pids = []
    for one in launches(["numpy-manual"], 5):
        learnt(numpy_host.launch(one))
        pids.append(process(numpy_host, one))
    assert pids[0] == pids[1] != pids[2] == pids[3] != pids[4]


def test_a_process_that_is_killed_between_two_seeds_costs_none(numpy_host):
    first, second, third = launches(["numpy-manual"], 3)
    learnt(numpy_host.launch(first))
    os.kill(process(numpy_host, first), signal.SIGKILL)
    learnt(numpy_host.launch(second))
    learnt(numpy_host.launch(third))


ODD = """
from levelfield.adapters.numpy.manual import NumpyManual

class Odd(NumpyManual):
    name = "odd"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
    made, kept = [], []

    def __init__(self, setting):
        super().__init__(setting)
        self.made.append(setting.seed)

    def fit(self, train, order, watch):
        {does}
        super().fit(train, order, watch)
"""


@pytest.fixture
def odd(tmp_path, monkeypatch):
    """An adapter of somebody else's. A host that is told it were one of ours lets it go on with other seeds."""

    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def made(does: str):
        (tmp_path / "odd.py").write_text(ODD.format(does=does))
        base = FOUND["numpy-manual"]
        info = replace(base.but(name="odd"), module="odd", qualname="Odd", source=tmp_path / "odd.py", builtin=False)
        return {"numpy-manual": base, "odd": info}

    return made


def test_a_seed_that_fails_is_the_only_one(odd):
    known = odd("assert self.made[-1] != 1, self.made")
    with host(known) as made:
        made.adapters = known | {"odd": replace(known["odd"], builtin=True)}
        found = [made.launch(one) for one in launches(["odd"], 4, known=known)]
    assert [one.status for one in found] == ["ok", "failed", "ok", "ok"]
    assert found[1].reason.startswith("AssertionError: [1]")  # by a process of its own, at last


def test_what_one_seed_leaves_behind_fails_no_other(odd):
    known = odd("assert len(self.made) != 2")
    with host(known) as made:
        made.adapters = known | {"odd": replace(known["odd"], builtin=True)}
        found = [made.launch(one) for one in launches(["odd"], 4, known=known)]
    assert [one.status for one in found] == ["ok"] * 4


def test_each_seed_has_the_whole_time_limit_and_only_its_own_is_missed(odd):
    known = odd("self.made[-1] != 1 or __import__('time').sleep(3600)")
    with host(known) as made:
        made.adapters = known | {"odd": replace(known["odd"], builtin=True)}
        first, second, third = launches(["odd"], 3, known=known)
        learnt(made.launch(first))
        made.parents.seconds = 0.5
        late = made.launch(second)
        made.parents.seconds = 120.0
        learnt(made.launch(third))
    assert (late.status, late.failure) == ("failed", "time")


def test_the_memory_limit_is_that_of_one_seed(odd):
    known = odd("self.kept.append(bytearray(120_000_000 if self.made[-1] != 1 else 400_000_000))")
    with host(known) as made:
        made.adapters, made.memory_limit = known | {"odd": replace(known["odd"], builtin=True)}, 300_000_000
        found = [made.launch(one) for one in launches(["odd"], 5, known=known)]
    assert [one.failure for one in found] == [None, "memory", None, None, None]


def test_an_adapter_of_somebody_else_has_a_process_for_each_seed(odd):
    known = odd("assert len(self.made) == 1")
    with host(known) as made:
        for one in launches(["odd"], 3, known=known):
            learnt(made.launch(one))
            assert not made.parents.learners
