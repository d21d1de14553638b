"""What goes around the training of a launch is data of its job, and is laid around it in the worker."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levelfield.adapters.registry import find
from levelfield.harness.launch import jobs
from levelfield.harness.launch.jobs import LaunchJob
from levelfield.harness.launch.local import LocalHost
from levelfield.harness.measure.delay import Delay, DelayedWatch
from levelfield.harness.measure.turns import InTurns, TurnWatch, counted, roles, together
from levelfield.harness.plan.launches import Launch
from levelfield.harness.records.cell import Cell, NamedModel, NamedRecipe
from levelfield.harness.system import machine
from levelfield.tasks import registry as tasks

CELL = Cell(
    kind="speed",
    task="iris",
    model=NamedModel(name="small", hidden=(4,)),
    recipe=NamedRecipe(name="sgd", optimizer="sgd", learning_rate=0.1, batch_size=16),
    adapter="sklearn-mlp",
    framework="scikit-learn",
    backend=None,
    api="high",
    mode="default",
    threads=1,
)
WRAPPERS = st.one_of(
    st.builds(Delay, seconds=st.floats(0, 1)),
    st.builds(InTurns, folder=st.just(Path("/tmp/a:b")), side=st.sampled_from(["first", "second"]), least=st.just(1)),
)


@given(st.lists(WRAPPERS, max_size=3).map(tuple))
def test_the_worker_reads_the_wrappers_that_were_written(wrap):
    job = LaunchJob(
        adapter="sklearn-mlp",
        module="m",
        qualname="q",
        runtime="scikit-learn",
        result=Path("result"),
        log=Path("log"),
        what="speed",
        cell=CELL,
        seed=0,
        seconds=1.0,
        data=Path("data"),
        wrap=wrap,
    )
    assert jobs.read(job.model_dump_json()) == job


@pytest.mark.parametrize(
    "wrong", [{"what": "delay"}, {"what": "turns", "folder": "x", "side": "third"}, {"what": "no"}]
)
def test_a_wrapper_that_is_none_is_refused(wrong):
    with pytest.raises(ValueError, match=r"wrap\.0"):
        LaunchJob.model_validate({"wrap": [wrong]})


def test_the_first_wrapper_is_the_nearest_to_the_adapter(tmp_path, monkeypatch):
    from levelfield.harness.measure import protocol

    seen = []

    class Model:
        name = "some"

        def fit(self, train, order, watch):
            seen.append(watch)

    monkeypatch.setattr("levelfield.harness.measure.turns.Turns", lambda *_: type("None", (), {"epochs": [2]})())
    wrap = (Delay(seconds=0.1), InTurns(folder=tmp_path, side="first"))
    watch = type("Watch", (), {"calls": type("Calls", (), {"returned": lambda *_: None})()})()
    setting = type("Setting", (), {"replicas": 1, "recipe": type("Recipe", (), {"epochs": 1, "batch_size": 16})})()
    protocol._fit(Model(), setting, tasks.load("iris"), None, watch, None, wrap)
    [outer] = seen
    assert isinstance(outer, DelayedWatch)
    assert isinstance(outer.watch, TurnWatch)
    assert outer.watch.watch is watch
    assert counted(tmp_path, "first") == [2]


@pytest.mark.slow
def test_two_hosts_take_turns_and_their_records_are_of_the_adapter_itself(tmp_path):
    adapters = {"sklearn-mlp": find().adapters["sklearn-mlp"]}
    iris, cores = {"iris": tasks.load("iris")}, machine.cores()[:1]
    launch, sides = Launch(CELL, 0, seed=0, seconds=0.2), roles(0)

    def host() -> LocalHost:
        return LocalHost(adapters, iris, machine.describe(True), cores, 120.0, probes=False)

    def wrap(side):
        return (Delay(seconds=0.0), InTurns(folder=tmp_path, side=side, least=1))

    with host() as one, host() as other:
        records = together(
            tmp_path,
            sides,
            lambda: one.launch(launch, cores[0], wrap=wrap(sides[0])),
            lambda: other.launch(launch, cores[0], wrap=wrap(sides[1])),
        )
    assert [(record.status, record.cell) for record in records] == [("ok", CELL)] * 2
    assert all(record.unproved is None for record in records)
    assert all(sum(counted(tmp_path, side)) >= 1 for side in sides)
