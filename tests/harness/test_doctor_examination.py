"""A whole examination: its parts, its time, and what an interrupt leaves."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from doctor_examples import ROOT, series
from hypothesis import given
from hypothesis import strategies as st

from levelfield.adapters.registry import find
from levelfield.harness.doctor import conditions, document, overhead, tables
from levelfield.harness.doctor.examine import EFFORTS, Part, Parts, choose, examine


@given(st.lists(st.integers(1, 5), min_size=1, max_size=8))
def test_a_budget_is_divided_by_weight_and_never_overrun(weights):
    clock = Parts(0.0, sum(weights))  # in the past
    assert all(clock.next(weight)() for weight in weights)
    endless = Parts(None, sum(weights))
    assert not any(endless.next(weight)() for weight in weights)


def test_one_part_takes_the_adapters_that_are_named_and_its_time():
    chosen = choose(EFFORTS["normal"], ["flax-nnx"], ["cold"])
    assert (chosen.parts, chosen.cold, chosen.budget) == (("cold",), ("flax-nnx",), None)


def test_an_interrupt_leaves_what_was_measured_before_it(monkeypatch):
    def parts(effort, adapters, bench, found):
        def first(enough):
            found.overheads.append(overhead.judge("a", "eager", series({"launch": 1.0, "script": 1.0})))

        def second(enough):
            raise KeyboardInterrupt

        return [Part("first", 1.0, first), Part("second", 1.0, second), Part("third", 1.0, second)]

    monkeypatch.setattr("levelfield.harness.doctor.examine.parts", parts)
    monkeypatch.setattr(
        "levelfield.harness.doctor.examine.others", lambda seconds, cores: conditions.others(0.01, cores)
    )
    told: list[str] = []
    found = examine(choose(EFFORTS["normal"], [], ["overhead"]), find().adapters, 1, told.append)
    assert found.stopped
    assert told[-2:] == ["first", "second"]
    assert [row.adapter for row in found.overheads] == ["a"]
    assert "stopped before everything was measured" in tables.text(found).replace("\n    ", " ")


@pytest.mark.slow
@pytest.mark.frameworks
def test_the_doctor_examines_whatever_it_finds_in_the_time_that_it_is_given(tmp_path):
    """On a busy machine every launch may be void; then it must say so, and still be done."""
    page = tmp_path / "trust.md"
    page.write_text(f"{document.START}\n{document.END}\n")
    command = [
        sys.executable,
        "-P",
        "-m",
        "levelfield.harness.cli.main",
        "doctor",
        "--quick",
        "--json",
        "--budget",
        "6s",
    ]
    done = subprocess.run(
        [*command, "--write", str(page)], cwd=ROOT, capture_output=True, text=True, timeout=240, check=True
    )
    found = json.loads(done.stdout)
    assert {c["name"] for c in found["conditions"]} >= {"governor", "virtual machine", "CPU quota", "others"}
    assert [trial["turns"] for trial in found["trials"]] == [False, True]
    for trial in found["trials"]:
        assert trial["reason"] or [c["delay"] for c in trial["comparisons"]] == [0.0, 0.01, 0.02, 0.05]
    (row,) = found["overheads"]
    assert row["reason"] or row["ratio"]["n"] >= 5
    assert found["frameworks"]["numpy"] == np.__version__
    assert "### Through the harness, against a plain script" in page.read_text()
