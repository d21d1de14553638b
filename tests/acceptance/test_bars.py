"""The project's own bars, and which word follows from what was found."""

from __future__ import annotations

import bars
import blocks
import pytest
from acceptance_examples import interval, measured, series, soak, spread
from overhead import Overhead, holds
from share import TimeShare
from startup import Startup

from levelfield.harness.doctor.against_itself import TOGETHER, WINDOWS, Trial, same


def words(soak=None, **parts) -> dict[str, str]:
    """The word of each row, where nothing else was found."""
    return {bar.row: bar.word for bar in bars.bars(measured(**{"half": [], **parts}), soak)}


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
    assert words(overhead=rows)["1"] == word


@pytest.mark.parametrize(
    ("row", "threads", "sizes", "word"),
    [
        ("2a", 1, (0.02, 0.02), "holds"),
        ("2a", 1, (0.02, 0.031), "open"),
        ("2a", 1, (0.02, 0.05), "does not hold"),
        ("2a", 1, (0.02,), "open"),
        ("2b", 2, (0.035, 0.035), "holds"),
        ("2b", 2, (0.035, 0.08), "does not hold"),
    ],
)
def test_the_spread_of_blocks_beside_a_neighbour_holds_only_if_it_does_for_every_adapter(row, threads, sizes, word):
    found = [spread(name, threads, size) for name, size in zip(blocks.ADAPTERS, sizes, strict=False)]
    quiet = [spread(name, threads, 0.5, beside=False) for name in blocks.ADAPTERS]
    other = {"2a": "2b", "2b": "2a"}[row]
    assert words(blocks=found + quiet) | {other: "open"} == words() | {row: word}
    assert words(blocks=quiet) == words()


def noisy(blocks: int, factor: float = 1.0) -> Trial:
    labels = ["base", *(f"again {i}" for i in range(TOGETHER))]
    found = series({label: factor if label != "base" else 1.0 for label in labels}, blocks=blocks)
    return Trial("neighbour", "a", "m", same=same(found, labels[1:], "base"))


@pytest.mark.slow
def test_few_false_verdicts_in_many_windows_hold_and_few_windows_prove_nothing():
    assert words(neighbour=[noisy(400)])["3"] == "holds"
    assert words(neighbour=[noisy(20)])["3"] == "open"
    assert words(neighbour=[noisy(400, 1.1)])["3"] == "does not hold"


def test_comparisons_that_share_a_baseline_are_worth_the_pairs_that_share_nothing():
    run, *_ = noisy(80).same.runs
    assert (run.pairs, run.called.windows) == (WINDOWS[0], 4 * 80)
    assert run.called.independent == pytest.approx((TOGETHER + 1) / 2 * 80 / WINDOWS[0])


@pytest.mark.parametrize(
    ("span", "judged", "half", "suite", "word"),
    [
        (300.0, 43, 0.03, "default", "holds"),
        (400.0, 43, 0.03, "default", "does not hold"),
        (300.0, 42, 0.03, "default", "does not hold"),
        (300.0, 43, 0.04, "default", "does not hold"),
        (300.0, 43, None, "default", "does not hold"),
        (300.0, 43, 0.03, "smoke", "open"),
    ],
)
def test_the_default_suite_is_held_to_its_time_and_its_verdicts(span, judged, half, suite, word):
    share = TimeShare("run", 10, span=span, suite=suite, cells=43, judged=judged, half=half)
    assert words(time=[share])["4"] == word


def test_the_start_of_every_command_has_its_bar():
    quick, late = Startup("--help", 0.02, interval(3.0)), Startup("list", 0.02, interval(9.0))
    assert words(start=[quick, Startup("list", 0.02, interval(7.0))])["5"] == "holds"
    assert words(start=[quick, late])["5"] == "does not hold"
    assert words(start=[Startup("--help", 0.02, interval(4.0))])["5"] == "open"


@pytest.mark.parametrize(
    ("cost", "planned", "slower", "word"),
    [
        (0.012, 10_000, 1.1, "holds"),
        (0.030, 10_000, 1.1, "does not hold"),
        (0.012, 10_000, 1.6, "does not hold"),
        (0.012, 500, 1.1, "open"),
    ],
)
def test_the_cost_of_scheduling_is_read_from_the_soak(cost, planned, slower, word):
    assert words(soak=soak(cost, planned, slower))["6"] == word
