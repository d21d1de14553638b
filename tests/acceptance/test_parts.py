"""What is measured of levelfield itself, part by part: overhead, start, time."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time

import blocks
import half
import overhead
import pytest
import script
import startup
import switch
from acceptance_examples import MACHINE, ROOT, series, spread
from effort import choose
from half import HalfBusy
from parts import PARTS
from share import newest, time_share

from levelfield.adapters.registry import find
from levelfield.harness.doctor.examine import prepare
from levelfield.harness.launch.rounds import LEAST_TURNS
from levelfield.harness.records.record import Record, Turn
from levelfield.harness.system import machine


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
    assert not overhead.known(series({"launch": script * factor, "script": script}, blocks=4, spread=1e-6))


def test_too_few_pairs_are_not_measured():
    found = overhead.judge("numpy-manual", "eager", series({"launch": 1.0, "script": 1.0}, blocks=2))
    assert found.ratio is None
    assert found.reason == "3 pairs are needed and 2 were made"


def test_every_adapter_has_its_plain_script():
    assert [name for name, info in find().adapters.items() if info.builtin and info.plain is None] == []


def test_of_what_a_script_prints_only_its_json_lines_count():
    found = script.parse('a notice\n{"epoch": 1, "seconds": 0.5}\n17\n{"epoch": 2, "seconds": 0.25}\n{"loss": 1}\n')
    assert found == {"epoch_seconds": [0.5, 0.25], "loss": 1.0}


def test_a_script_without_epochs_is_an_error():
    with pytest.raises(ValueError, match="no epoch times"):
        script.parse("nothing\n")


def record(block: int, epochs: list[float]) -> Record:
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
    return Record.model_validate(
        {
            "cell": cell,
            "seed": 0,
            "block": block,
            "status": "ok",
            "started": f"2026-01-01T00:00:{2 * block:02}.000+00:00",
            "wall_seconds": 1.0,
            "phases": {"import": 9.0, "build": 0.1, "predict": 0.2},
            "epoch_seconds": epochs,
            "machine": MACHINE,
        }
    )


def test_the_share_of_measured_time_leaves_out_the_import():
    records = [record(block, [0.1, 0.2]) for block in range(2)]
    found = time_share("run", records)
    assert found is not None
    assert math.isclose(found.measured, 2 * 0.6)
    assert math.isclose(found.core, 2 * 0.5)
    assert (found.wall, found.span, found.launches) == (2.0, 3.0, 2)
    assert time_share("run", []) is None


def test_without_a_run_there_is_a_reason_instead_of_its_time(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert newest().reason == "there is no run in runs/"


def test_the_start_is_measured_against_a_bare_interpreter():
    found = {row.command: row.ratio for row in startup.measure(2)}
    assert found.keys() == startup.BARS.keys()
    assert all(ratio.estimate > 1 for ratio in found.values())


def test_a_known_load_holds_when_both_readings_are_near_it():
    assert HalfBusy(2, None, 0.25, 0.26, 0.24).holds is True
    assert HalfBusy(2, None, 0.25, 0.29, 0.25).holds is False
    assert HalfBusy(2, None, 0.25, 0.26, 0.29).holds is False
    assert HalfBusy(2, "the loop left no result").holds is None


def test_a_loop_that_does_not_end_is_ended(tmp_path, monkeypatch):
    endless = tmp_path / "python"
    endless.write_text("#!/bin/sh\nexec sleep 600\n")
    endless.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(endless))
    monkeypatch.setattr("levelfield.harness.probes.client._START", 1.0)
    begin = time.monotonic()
    found = half.measure(seconds=-2.95)  # so that it is waited for half a second
    assert "timed out" in str(found.reason)
    assert time.monotonic() - begin < 300


def test_the_known_load_is_a_real_process_that_is_measured_twice():
    found = half.measure(0.3)
    assert found.reason is None
    assert found.true == 0.5 / found.cores
    assert found.cpu_share is not None
    assert 0 < found.cpu_share < 1  # how much depends on who else computes: `make acceptance ACCEPTANCE=half` tells
    if sys.platform == "linux":
        assert found.strip is not None
        assert 0 < found.strip < 1
        assert (found.sample_seconds or 0) > 0


def test_a_part_takes_the_adapters_that_are_named_and_else_its_own():
    adapters = find().adapters

    def names(part: str, *named: str) -> list[tuple[str, str]]:
        return [(step.info.name, step.mode) for step in PARTS[part][0].plan(choose([part], named), adapters)]

    builtin = {(name, mode) for name, info in adapters.items() if info.builtin for mode in info.modes}
    assert set(names("overhead")) == builtin
    assert [name for name, _ in names("neighbour")] == ["numpy-manual", "torch-autograd", "jax-grad"]
    for part in ("overhead", "itself", "neighbour"):
        assert {name for name, _ in names(part, "flax-nnx")} == {"flax-nnx"}
    for part, steps in (("switch", 1), ("blocks", 4)):
        planned = PARTS[part][0].plan(choose([part], ["flax-nnx"]), adapters)
        assert [[info.name for info in step.infos] for step in planned] == steps * [["flax-nnx"]]


def test_what_of_a_turn_lies_in_no_epoch_is_its_cost():
    """A turn of three epochs, the first of which warmed up, and one of two; the last epoch belongs to none."""
    turns = [Turn(first=0, epochs=3, warm=1, began=1.0), Turn(first=3, epochs=2, began=2.0)]
    launch = record(0, [0.02, 0.01, 0.01, 0.02, 0.01, 0.01]).model_copy(update={"turns": turns})
    found = switch.outside([0.05, 0.04], launch)
    assert found == [(0.05, pytest.approx(0.01)), (0.04, pytest.approx(0.01))]
    judged = switch.judge("a", "m", found)
    assert judged.seconds == pytest.approx(0.01)
    assert judged.share == pytest.approx(0.225)
    assert judged.turn_seconds == pytest.approx(0.045)
    assert switch.judge("a", "m", found[:1]).reason == "no two turns were taken"


def test_the_spread_of_an_adapter_against_itself_has_an_interval_and_needs_three_blocks():
    found = spread("a", 1, 0.02)
    assert (found.n, found.reason) == (120, None)
    assert found.low < 0.02 < found.high
    assert found.high / found.low == pytest.approx(1.29, abs=0.01)  # of 119 degrees of freedom
    assert abs(found.agree) < 0.3
    assert spread("a", 1, count=2).reason == "3 blocks are needed and 2 were made"


@pytest.mark.slow
@pytest.mark.frameworks
@pytest.mark.parametrize("threads", [1, len(machine.cores())])
def test_a_turn_costs_something_and_blocks_of_the_same_are_compared(threads):
    bench = prepare(threads, 0.1)
    infos = [find().adapters[name] for name in ("numpy-manual", "sklearn-mlp")]
    for one in switch.measure(bench, infos, 1, lambda: False):
        assert one.reason is None
        assert one.turns >= LEAST_TURNS
        assert 0 < one.seconds < one.turn_seconds
    found = blocks.measure(bench, infos, True, 3, lambda: False)
    assert [(one.adapter, one.threads, one.beside, one.n, one.reason) for one in found] == [
        ("numpy-manual", threads, True, 3, None),
        ("sklearn-mlp", threads, True, 3, None),
    ]


@pytest.mark.slow
@pytest.mark.frameworks
def test_the_command_measures_renders_and_keeps_what_it_found(tmp_path):
    """On a busy machine there may be too few pairs; then it must say so, and still be done."""
    page, data = tmp_path / "trust.md", tmp_path / "measured.json"
    page.write_text("<!-- acceptance -->\n<!-- end of acceptance -->\n")
    words = ["overhead", "half", "-a", "numpy-manual", "--budget", "0.1", "--data", data, "--write", page]
    command = [sys.executable, ROOT / "tests" / "acceptance" / "acceptance.py", *words]
    subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=True)
    found = json.loads(data.read_text())
    (row,) = found["rows"]["overhead"]
    assert row["result"]["reason"] is None or "pairs are needed" in row["result"]["reason"]
    assert row["date"]
    assert row["commit"]
    assert "### Through the harness, against a plain script" in page.read_text()
    assert "### A loop that is busy for half of the time" in page.read_text()
