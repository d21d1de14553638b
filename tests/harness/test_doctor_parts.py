"""What the doctor measures, part by part: overhead, delays, warm and cold launches, probes, time."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from time import perf_counter

import numpy as np
import pytest
from doctor_examples import ROOT, duels, examination, series

from levelfield.adapters.adapter import Setting
from levelfield.adapters.numpy.manual import NumpyManual
from levelfield.adapters.registry import find
from levelfield.harness.doctor import cold, half, overhead, probed, script, startup, tables
from levelfield.harness.doctor.half import HalfBusy
from levelfield.harness.doctor.share import time_share
from levelfield.harness.measure import delay
from levelfield.harness.measure.delay import Delay
from levelfield.harness.records.record import Record
from levelfield.tasks.mlp import MLP
from levelfield.tasks.recipe import BatchOrder, Recipe
from levelfield.tasks.task import Split

PLAIN = ROOT / "tests" / "benchmarks" / "plain"


@pytest.mark.parametrize(
    ("seconds", "factor", "holds"),
    [(0.010, 1.00, True), (0.010, 1.10, False), (0.001, 1.00, True), (0.001, 1.10, False)],
)
def test_the_bar_is_a_ratio_for_long_epochs_and_a_difference_for_short_ones(seconds, factor, holds):
    found = series({"launch": seconds * factor, "script": seconds}, spread=0.003)
    assert overhead.judge("numpy-manual", "eager", found).holds is holds


def test_an_interval_across_the_bar_leaves_it_open():
    found = series({"launch": 1.02, "script": 1.0}, blocks=12, spread=0.05)
    assert overhead.judge("numpy-manual", "eager", found).holds is None


@pytest.mark.parametrize(
    ("script", "spread", "known"),
    [(0.010, 0.002, True), (0.010, 0.1, False), (0.001, 0.002, True), (0.001, 0.02, False), (0.004, 0.006, False)],
)
@pytest.mark.parametrize("factor", [0.5, 1.0, 1.02, 2.0])
def test_pairs_end_by_the_width_of_the_bar_that_is_read_wherever_the_interval_lies(script, spread, known, factor):
    found = series({"launch": script * factor, "script": script}, blocks=12, spread=spread)
    assert overhead.known(found) is known
    assert not overhead.known(series({"launch": script * factor, "script": script}, blocks=7, spread=1e-6))


def test_too_few_pairs_are_not_measured():
    found = overhead.judge("numpy-manual", "eager", series({"launch": 1.0, "script": 1.0}, blocks=4))
    assert found.ratio is None
    assert found.reason == "5 pairs are needed and 4 were made"


def test_every_adapter_has_its_plain_script():
    missing = [name for name, info in find().adapters.items() if info.builtin and not _script(name).is_file()]
    assert missing == []


def _script(adapter: str) -> Path:
    return PLAIN / f"{adapter.replace('-', '_')}.py"


def test_of_what_a_script_prints_only_its_json_lines_count():
    found = script.parse('a notice\n{"epoch": 1, "seconds": 0.5}\n17\n{"epoch": 2, "seconds": 0.25}\n{"loss": 1}\n')
    assert found == {"epoch_seconds": [0.5, 0.25], "loss": 1.0}


def test_a_script_without_epochs_is_an_error():
    with pytest.raises(ValueError, match="no epoch times"):
        script.parse("nothing\n")


class Counting:
    """A watch for a fixed number of epochs."""

    def __init__(self, epochs: int) -> None:
        self.left = epochs

    def ready(self) -> None:
        pass

    def epoch_end(self, epoch: int) -> bool:
        self.left -= 1
        return self.left > 0


def trained(seconds: float) -> tuple[np.ndarray, float]:
    """The first kernel after two epochs of two steps with a delay, and the seconds that they took."""
    setting = Setting(MLP((4, 8, 3)), Recipe("momentum", batch_size=8), mode="eager")
    model = NumpyManual(setting)
    model.set_weights(setting.model.initial_weights(0))
    rng = np.random.default_rng(0)
    train = Split(rng.normal(size=(16, 4)).astype(np.float32), rng.integers(0, 3, 16))
    start = perf_counter()
    with Delay(seconds=seconds).around(model, Counting(2), 2) as watch:
        model.fit(train, BatchOrder(16, 8, 2, 0), watch)
    return model.get_weights()[0].kernel, perf_counter() - start


def test_a_delayed_launch_computes_the_same_and_takes_longer_at_every_step():
    plain, _ = trained(0.0)
    late, took = trained(0.02)
    np.testing.assert_array_equal(plain, late)
    assert took >= 4 * 0.02  # a busy wait cannot end early, whatever else the machine does


def test_where_steps_are_not_called_one_by_one_the_epoch_ends_later(monkeypatch):
    monkeypatch.setattr(delay, "STEPS", {})
    _, took = trained(0.02)
    assert took >= 4 * 0.02


def test_the_share_of_measured_time_leaves_out_the_import():
    cell = {
        "kind": "speed",
        "task": "digits",
        "model": {"name": "m"},
        "recipe": {"name": "r", "optimizer": "sgd", "learning_rate": 0.1},
        "adapter": "numpy-manual",
        "framework": "numpy",
        "backend": None,
        "api": "low",
        "mode": "eager",
    }
    host = dict(host=None, system="", cpu="", cores=2, memory_bytes=1, python="", commit=None)
    records = [
        Record.model_validate(
            {
                "cell": cell,
                "seed": 0,
                "block": block,
                "status": "ok",
                "started": f"2026-01-01T00:00:{2 * block:02}.000+00:00",
                "wall_seconds": 1.0,
                "phases": {"import": 9.0, "build": 0.1, "predict": 0.2},
                "epoch_seconds": [0.1, 0.2],
                "machine": host,
            }
        )
        for block in range(2)
    ]
    found = time_share("run", records)
    assert found is not None
    assert math.isclose(found.measured, 2 * 0.6)
    assert math.isclose(found.core, 2 * 0.5)
    assert (found.wall, found.span, found.launches) == (2.0, 3.0, 2)
    assert time_share("run", []) is None


@pytest.mark.parametrize(("warm", "spread", "agree"), [(1.02, 0.01, True), (1.2, 0.01, False), (1.08, 0.2, None)])
def test_warm_and_cold_agree_only_where_the_whole_interval_is_within_ten_per_cent(warm, spread, agree):
    assert cold.judge("a", "eager", duels(warm, 12, spread)).agree is agree


def test_too_few_cold_launches_prove_no_agreement():
    found = cold.judge("a", "eager", duels(1.0, 3))
    assert found.agree is None
    assert "5 pairs are needed and 3 were made" in (found.reason or "")


def test_the_start_is_measured_against_a_bare_interpreter():
    found = {row.command: row.ratio for row in startup.measure(2)}
    assert found.keys() == startup.BARS.keys()
    assert all(ratio.estimate > 1 for ratio in found.values())


def test_a_known_load_is_shown_with_what_the_probes_said_of_it():
    text = tables.text(examination())
    assert "Of 2 cores it keeps 25% busy. Measured: 26.0% by its own CPU time, 24.0% by the core-busy strip" in text
    assert json.loads(tables.as_json(examination()))["half_busy"][0]["holds"] is True
    assert HalfBusy(2, None, 0.25, 0.29, 0.25).holds is False
    assert HalfBusy(2, "the loop left no result").holds is None


def test_the_known_load_is_a_real_process_that_is_measured_twice():
    found = half.measure(0.3)
    assert found.reason is None
    assert found.true == 0.5 / found.cores
    assert found.cpu_share is not None
    assert 0 < found.cpu_share < 1  # how much depends on who else computes: `levelfield doctor` tells
    if sys.platform == "linux":
        assert found.strip is not None
        assert 0 < found.strip < 1
        assert (found.sample_seconds or 0) > 0


def test_probes_on_and_off_are_tied_when_the_interval_lies_within_the_margin():
    assert probed.judge("a", series({"on": 1.0, "off": 1.0}, spread=0.003)).tied is True
    assert probed.judge("a", series({"on": 1.2, "off": 1.0}, spread=0.003)).tied is False
    assert probed.judge("a", series({"on": 1.0, "off": 1.0}, blocks=3)).tied is None
