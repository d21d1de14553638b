"""Every speed record carries its quantities or the reason why not, with probes and without."""

from __future__ import annotations

from pathlib import Path

import pytest

from levelfield.adapters.registry import find
from levelfield.harness.launch.local import LocalHost
from levelfield.harness.plan import suite
from levelfield.harness.plan.launches import Surroundings, plan
from levelfield.harness.probes import registry
from levelfield.harness.probes.cpu import CpuTime
from levelfield.harness.probes.memory import Memory
from levelfield.harness.records.quantity import Measured, Unavailable
from levelfield.harness.records.record import Record
from levelfield.harness.results import tables
from levelfield.harness.system import machine
from levelfield.tasks import registry as task_registry

IRIS = task_registry.load("iris")
NAMES = {*CpuTime.names, *Memory.names, "allocator_peak", *registry.names("cpu")}


def launched(text: str, probes: bool = True) -> list[Record]:
    """The records of all launches of a suite; nothing of them is left behind."""
    adapters = find().adapters
    launches = plan(suite.parse(text, Path("mine.toml")), Surroundings(adapters, {"flowers": IRIS}, 1))
    cores = machine.cores()[:1]
    with LocalHost(adapters, {"flowers": IRIS}, machine.describe(True), cores, 120.0, probes=probes) as launcher:
        records = [launcher.launch(one) for one in launches]
        sampler = launcher.sampling.process
    assert (sampler is not None) == (probes and any(record.window for record in records))
    assert sampler is None or sampler.returncode is not None
    return records


@pytest.mark.parametrize("probes", [True, False])
def test_a_speed_record_carries_every_quantity_or_its_reason(tiny, probes):
    (record,) = launched(tiny(speed='adapters = ["numpy-manual"]\nblocks = 1\nthreads = 1\nseconds = 0.2'), probes)
    assert record.status == "ok", record.log
    assert set(record.utilisation) == NAMES
    for name, quantity in record.utilisation.items():
        assert isinstance(quantity, Measured | Unavailable), name
        assert isinstance(quantity, Unavailable) or quantity.value > 0 or name == "memory_above_floor", name
    sampled = {quantity for name, quantity in record.utilisation.items() if name in registry.names("cpu")}
    off = Unavailable(reason="sampling was switched off")
    assert (sampled == {off}) is not probes
    assert len(record.busy) <= 100
    assert probes or record.busy == []
    (row,) = tables.launches([record])
    assert row["cores_busy"] == record.utilisation["cores_busy"].value  # type: ignore[union-attr]
    assert row["allocator_peak_bytes"] is None


def test_a_learning_record_needs_none(tiny):
    (record,) = launched(tiny(learning='adapters = ["numpy-manual"]\nseeds = 1'))
    assert record.status == "ok", record.log
    assert record.utilisation == {}
    assert record.busy == []


def test_a_launch_that_fails_before_its_window_is_not_sampled(tiny):
    failed, well = launched(
        tiny(speed='adapters = ["numpy-manual"]\nblocks = 2\nthreads = 1\nseconds = 0.1').replace(
            "batch-size = 16", "batch-size = 105"
        )
    )
    assert (failed.status, well.status) == ("failed", "failed")  # the batch is larger than the training split
    assert failed.utilisation == {}
