"""What goes around the training of a launch is data of its job, and is laid around it in the worker."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levelfield.adapters.registry import find
from levelfield.harness.launch import jobs
from levelfield.harness.launch.block import Participant
from levelfield.harness.launch.jobs import LaunchJob
from levelfield.harness.launch.local import LocalHost
from levelfield.harness.measure import protocol
from levelfield.harness.measure.delay import Delay, DelayedWatch
from levelfield.harness.plan.launches import Launch
from levelfield.harness.records.cell import Cell, NamedModel, NamedRecipe
from levelfield.harness.records.record import steady_epoch
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


@given(st.lists(st.builds(Delay, seconds=st.floats(0, 1)), max_size=3).map(tuple))
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


@pytest.mark.parametrize("wrong", [{"what": "delay"}, {"what": "no"}])
def test_a_wrapper_that_is_none_is_refused(wrong):
    with pytest.raises(ValueError, match=r"wrap\.0"):
        LaunchJob.model_validate({"wrap": [wrong]})


def test_the_first_wrapper_is_the_nearest_to_the_adapter():
    seen = []

    class Model:
        name = "some"

        def fit(self, train, order, watch):
            seen.append(watch)

    watch = type("Watch", (), {"calls": type("Calls", (), {"returned": lambda *_: None})()})()
    setting = type("Setting", (), {"replicas": 1, "recipe": type("Recipe", (), {"epochs": 1, "batch_size": 16})})()
    wrap = (Delay(seconds=0.1), Delay(seconds=0.2))
    protocol._fit(Model(), setting, tasks.load("iris"), None, watch, None, wrap)
    [outer] = seen
    assert isinstance(outer, DelayedWatch)
    assert outer.seconds < outer.watch.seconds
    assert outer.watch.watch is watch


@pytest.mark.slow
def test_delayed_launches_of_a_block_are_of_the_adapter_itself():
    adapters = {"sklearn-mlp": find().adapters["sklearn-mlp"]}
    iris, cores = {"iris": tasks.load("iris")}, machine.cores()[:1]
    launch = Launch(CELL, 0, seed=0, seconds=0.2)
    wraps = ((Delay(seconds=0.0),), (Delay(seconds=0.01),))
    with LocalHost(adapters, iris, machine.describe(True), cores, 120.0, probes=False) as host:
        base, slow = host.together([Participant(launch, wrap, lane) for lane, wrap in enumerate(wraps)])
    assert [(record.status, record.cell) for record in (base, slow)] == [("ok", CELL)] * 2
    assert all(record.unproved is None for record in (base, slow))
    more = steady_epoch(slow) - steady_epoch(base)
    assert more > 0.9 * slow.steps_per_epoch * 0.01  # a busy wait is never shorter than it was asked for
