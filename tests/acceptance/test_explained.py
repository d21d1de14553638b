"""The page of what five differences are made of: rendered from its data alone, and measured piece by piece."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import explained
import explained_page
import pytest

from levelfield.reports.findings.text import NARROW

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results"
MACHINE = {"cpu": "some processor", "cores": 2, "commit": "0123456789abcdef"}


def span(estimate: float, half: float) -> dict[str, float]:
    return {"estimate": estimate, "low": estimate - half, "high": estimate + half, "n": 5, "confidence": 0.95}


def measured(adapter: str, against: str, *steps: tuple[str, float], added: float, causes: list[str]) -> dict:
    """One that was not looked at; `steps`: rung → microseconds, each difference ± 1."""
    rungs, below = [], None
    for name, step in steps:
        more = None if below is None else span(1e-6 * (step - below), 1e-6)
        rungs.append({"rung": name, "what": name, "step": span(1e-6 * step, 2e-6), "more": more})
        below = step
    ladder = {"rungs": rungs, "missing": {}, "blocks": 5, "added": span(1e-6 * added, 1e-6), "causes": causes}
    about = {
        "date": "2026-01-02T03:04:05Z",
        "command": f"levelfield explain {adapter}",
        "workload": "digits",
        "threads": 1,
    }
    sides = {"adapter": adapter, "against": against, "profiles": dict.fromkeys((adapter, against), "too short")}
    return about | sides | {"ladder": ladder, "machine": MACHINE}


ORIGINAL = measured(
    "keras",
    "tape",
    ("arithmetic", 20),
    ("other", 100),
    ("step", 160),
    ("loader", 400),
    added=300,
    causes=["loader", "step"],
)
COPY = measured("copy", "keras", ("arithmetic", 20), ("other", 160), ("step", 115), added=-45, causes=["step"])


def test_the_page_names_the_two_largest_causes_and_adds_up():
    text = explained_page.text({"keras-tensorflow": ORIGINAL}).replace(NARROW, " ")
    assert "keras takes 300 ± 1 µs more a step than tape: +240 ± 1 µs (80 %) are its loader, +60 ± 1 µs (20 %)" in text
    assert "It adds up: 20 + 80 + 60 + 240 = 400 µs." in text
    assert "keras was not looked at: too short." in text
    assert "Measured on 2026-01-02 by `make explained` with levelfield 0123456789ab," in text
    assert "some processor, 2 cores" in text


def test_the_experiment_is_held_against_what_the_ladder_predicts():
    (name, asked), *_ = explained_page.EXPERIMENTS.items()
    text = explained_page.text({asked.original: ORIGINAL, name: COPY}).replace(NARROW, " ")
    assert "a step is 60 ± 1 µs shorter" in text
    assert "Found: the step is 45 ± 1 µs shorter. The change takes away 75 % ± 2.1 % of that." in text
    assert "What was predicted is not known" in explained_page.text({name: COPY})


def test_each_experiment_is_measured_and_changes_the_adapter_of_a_pair():
    pairs = {pair.name: pair for pair in explained.PAIRS}
    for name, asked in explained_page.EXPERIMENTS.items():
        copy, original = pairs[name], pairs[asked.original]
        assert copy.against.partition(":")[0] == copy.adapter.partition(":")[0] == original.adapter


def test_without_data_the_page_says_so():
    assert "Nothing was measured yet." in explained_page.text({})


def test_the_committed_page_is_what_its_data_say():
    assert (RESULTS / "explained.md").read_text(encoding="utf-8") == explained_page.text(
        explained.read(RESULTS / "explained")
    )


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Calls the program, whose measurements are given; what was measured."""

    def call(*words: str, fails: str = "") -> list[str]:
        called = []

        def measure(pair, options):
            called.append(pair.name)
            return None if pair.name == fails else ORIGINAL | {"adapter": pair.adapter, "against": pair.against}

        monkeypatch.setattr(explained, "_measure", measure)
        monkeypatch.setattr(sys, "argv", ["explained.py", "--results", str(tmp_path), *words])
        call.code = explained.main()
        return called

    return call


def test_it_goes_on_where_it_stopped(run, tmp_path, capsys):
    names = [pair.name for pair in explained.PAIRS]
    assert run("--only", "flax-nnx") == ["flax-nnx"]
    assert run(fails="keras-torch") == [name for name in names if name != "flax-nnx"]
    assert run.code == 1
    assert "1 of 6: keras-tensorflow against tensorflow-tape" in capsys.readouterr().err
    assert run() == ["keras-torch"]
    assert run.code == 0
    assert run() == []
    assert run("--only", "flax-nnx", "--again") == ["flax-nnx"]
    assert run("--table") == []
    assert set(json.loads((tmp_path / "explained" / "flax-nnx.json").read_text())) >= {"date", "command", "ladder"}
    assert "## flax-nnx against jax-grad" in (tmp_path / "explained.md").read_text()
