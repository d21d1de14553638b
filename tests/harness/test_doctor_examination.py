"""A whole examination: its parts, its time, and what an interrupt leaves."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from doctor_examples import examination, trials
from hypothesis import given
from hypothesis import strategies as st

from levelfield.adapters.registry import find
from levelfield.harness.cli import arguments
from levelfield.harness.doctor import conditions, tables
from levelfield.harness.doctor.examine import EFFORTS, Shares, choose, examine
from levelfield.harness.doctor.parts import PARTS


@given(st.lists(st.integers(1, 5), min_size=1, max_size=8))
def test_a_budget_is_divided_by_weight_and_never_overrun(weights):
    clock = Shares(0.0, sum(weights))  # in the past
    assert all(clock.next(weight)() for weight in weights)
    endless = Shares(None, sum(weights))
    assert not any(endless.next(weight)() for weight in weights)


def test_one_part_takes_the_adapters_that_are_named_and_its_time():
    chosen = choose(EFFORTS["normal"], ["flax-nnx"], ["neighbour"])
    assert (chosen.parts, chosen.adapters, chosen.budget) == (("neighbour",), ("flax-nnx",), None)


def test_the_help_names_the_parts_that_there_are(capsys):
    with pytest.raises(SystemExit):
        arguments.parse(["doctor", "--help"])
    assert ", ".join(PARTS) in " ".join(capsys.readouterr().out.split())


def test_every_part_has_a_step_for_each_adapter_in_its_first_mode():
    adapters = find().adapters
    for part in PARTS.values():
        steps = part.plan(EFFORTS["full"], adapters)
        assert [(step.info.name, step.mode) for step in steps] == [
            ("numpy-manual", "eager"),
            ("torch-autograd", "eager"),
            ("jax-grad", "jit"),
        ]
        assert all(step.seconds > 0 and part.about in step.title for step in steps)


def test_an_interrupt_leaves_what_was_measured_before_it(monkeypatch):
    first, *_ = trials()

    def stop(bench, step, enough):
        raise KeyboardInterrupt

    monkeypatch.setattr(PARTS["itself"], "measure", lambda bench, step, enough: first, raising=False)
    monkeypatch.setattr(PARTS["neighbour"], "measure", stop, raising=False)
    monkeypatch.setattr(
        "levelfield.harness.doctor.examine.others", lambda seconds, cores: conditions.others(0.01, cores)
    )
    told: list[str] = []
    effort = replace(EFFORTS["full"], adapters=("numpy-manual",))
    found = examine(effort, find().adapters, 1, told.append)
    assert found.stopped
    assert [line.partition(",")[0] for line in told[1:]] == [
        "numpy-manual against itself",
        "numpy-manual against itself with a neighbour",
    ]
    assert found.trials == [first]
    assert "stopped before everything was measured" in tables.text(found).replace("\n    ", " ")


def test_the_page_says_what_was_found_and_why_the_rest_was_not():
    page = tables.text(examination()).replace("\n    ", " ")
    assert "Missing: torch" in page
    assert "with uncommitted changes" in page
    assert page.count("not measured, because needs c: pip install c.") == 1
    assert "b (eager) with a neighbour: not judged, because the pairs were too few." in page
    assert "7 of 360 launches had too few turns" in page
    (slow,) = [line for line in page.splitlines() if line.split()[1:2] == ["5%"]]
    assert "1.050" in slow
    assert "12: 100%" in slow


def test_every_row_of_a_table_is_as_long_as_its_header():
    found = [section for section in tables.sections(examination()) if section.rows]
    assert [section.title for section in found] == [tables.TITLES[n] for n in ("conditions", "itself", "delays")]
    assert all({len(section.header)} == set(map(len, section.rows)) for section in found)


def test_as_json_there_are_the_recorded_values_and_no_infinities():
    found = json.loads(tables.as_json(examination()), parse_constant=pytest.fail)
    assert len(found["trials"][0]["values"]["a +5%"]) == 120
    assert found["trials"][0]["same"]["runs"][0]["called"]["share"] <= 1


@pytest.mark.slow
@pytest.mark.frameworks
def test_the_doctor_examines_whatever_it_finds_in_the_time_that_it_is_given(tmp_path):
    """On a busy machine there may be no time for a block; then it must say so, and still be done."""
    words = ["-P", "-m", "levelfield.harness.cli.main", "doctor", "--quick", "--json", "--budget", "6s"]
    done = subprocess.run(
        [sys.executable, *words], cwd=tmp_path, capture_output=True, text=True, timeout=900, check=True
    )
    found = json.loads(done.stdout)
    assert {c["name"] for c in found["conditions"]} >= {"governor", "virtual machine", "CPU quota", "others"}
    (series,) = found["trials"]
    assert series["part"] == "itself"
    assert series["reason"] or [d["delay"] for d in series["delays"]] == [0.01, 0.02, 0.05]
    assert found["frameworks"]["numpy"] == np.__version__
