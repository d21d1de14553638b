"""The project's own bars, and which word follows from what was found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from doctor_examples import interval, series

from levelfield.harness.doctor import bars
from levelfield.harness.doctor.against_itself import TOGETHER, Trial, compare
from levelfield.harness.doctor.overhead import Overhead, holds
from levelfield.harness.doctor.share import TimeShare
from levelfield.harness.doctor.startup import Startup


def words(**found) -> dict[str, str]:
    """The word of each row, of an examination that found nothing else."""
    nothing = dict(overheads=[], trials=[], share="there is no run", startups=[], soak=Path("/nonexistent"))
    return {bar.row: bar.word for bar in bars.bars(**nothing | found)}


def test_what_was_not_measured_is_open():
    assert words() == dict.fromkeys(("1", "2a", "2b", "3", "4", "5", "6"), "open")


@pytest.mark.parametrize(
    ("ratios", "word"),
    [
        ([interval(1.0), interval(1.005)], "holds"),
        ([interval(1.0), interval(1.02)], "open"),
        ([interval(1.0), interval(1.1)], "does not hold"),
        ([interval(1.0), None], "open"),
    ],
)
def test_the_overhead_holds_only_if_it_does_for_every_adapter_and_mode(ratios, word):
    same = interval(1e-6)
    rows = [
        Overhead(str(i), "m", None, 0.01, ratio, same, holds=ratio and holds(0.01, ratio, same))
        for i, ratio in enumerate(ratios)
    ]
    assert words(overheads=rows)["1"] == word


def resolving(spread: float, pair_seconds: float) -> list[Trial]:
    trials = []
    for name in bars.RESOLVED:
        found = series({"a": 1.0, "b": 1.02}, spread=spread)
        found.wall = {label: dict.fromkeys(range(120), pair_seconds / 2) for label in "ab"}
        trials.append(Trial(name, "m", False, True, comparisons=[compare(found, "b", "a", 0.02, 0.02)]))
    return trials


def test_two_per_cent_are_resolved_by_the_width_and_the_seconds():
    assert words(trials=resolving(0.01, 0.5))["2a"] == "holds"
    assert words(trials=resolving(0.01, 20.0))["2a"] == "does not hold"
    assert words(trials=resolving(0.5, 0.5))["2a"] == "does not hold"
    assert words(trials=resolving(0.01, 0.5)[:2])["2a"] == "open"


@pytest.mark.parametrize(
    ("pairs", "made", "word"), [(12, 40, "holds"), (None, 40, "does not hold"), (None, 20, "open")]
)
def test_two_per_cent_are_resolved_by_the_pairs(pairs, made, word):
    other = Overhead("other", "m", None, 0.01, interval(1.0, n=made), interval(0.0), pairs)
    assert words(overheads=[other])["2b"] == word


def noisy(blocks: int, factor: float = 1.0) -> Trial:
    labels = ["base", *(f"again {i}" for i in range(TOGETHER))]
    found = series({label: factor if label != "base" else 1.0 for label in labels}, blocks=blocks)
    same = [compare(found, label, "base", 0.0, 0.0, TOGETHER) for label in labels[1:]]
    return Trial("a", "m", True, comparisons=same)


def test_few_false_verdicts_in_many_windows_hold_and_few_windows_prove_nothing():
    assert words(trials=[noisy(400)])["3"] == "holds"
    assert words(trials=[noisy(20)])["3"] == "open"
    assert words(trials=[noisy(400, 1.1)])["3"] == "does not hold"


def test_comparisons_that_share_a_baseline_are_worth_the_pairs_that_share_nothing():
    (rates, *_) = bars.together(noisy(80))
    assert (rates.pairs, rates.called.windows) == (8, 4 * 80)
    assert rates.called.independent == (TOGETHER + 1) / 2 * 80 / 8


@pytest.mark.parametrize(
    ("span", "measured", "core", "suite", "word"),
    [
        (300.0, 200.0, 100.0, "default", "holds"),
        (400.0, 300.0, 200.0, "default", "does not hold"),
        (300.0, 170.0, 100.0, "default", "does not hold"),
        (300.0, 200.0, 80.0, "default", "does not hold"),
        (300.0, 200.0, 100.0, "smoke", "open"),
    ],
)
def test_the_default_suite_is_held_to_its_time_and_its_shares(span, measured, core, suite, word):
    share = TimeShare("run", 10, 100.0, measured, core, span, suite)
    assert words(share=share)["4"] == word


def test_the_start_of_every_command_has_its_bar():
    quick, late = Startup("--help", 0.02, interval(3.0)), Startup("list", 0.02, interval(9.0))
    assert words(startups=[quick, Startup("list", 0.02, interval(7.0))])["5"] == "holds"
    assert words(startups=[quick, late])["5"] == "does not hold"
    assert words(startups=[Startup("--help", 0.02, interval(4.0))])["5"] == "open"


def test_the_cost_of_scheduling_is_read_from_the_soak(tmp_path):
    stored = json.loads(bars.SOAK.read_text(encoding="utf-8"))
    file = tmp_path / "soak.json"
    for cost, planned, word in ((0.012, 10_000, "holds"), (0.030, 10_000, "does not hold"), (0.012, 500, "open")):
        for kind in stored["scheduling"].values():
            kind["slowest half-thousand, seconds a launch"], kind["planned"] = cost, planned
            kind["scheduling, seconds of CPU a launch"]["ratio"] = 1.1
        file.write_text(json.dumps(stored))
        assert words(soak=file)["6"] == word
