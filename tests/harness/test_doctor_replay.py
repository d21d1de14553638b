"""What the doctor replays from a recorded series."""

from __future__ import annotations

import numpy as np
import pytest
from doctor_examples import noise, series
from hypothesis import given
from hypothesis import strategies as st

from levelfield.harness.doctor import replay
from levelfield.harness.doctor.against_itself import same, slowed_down


def test_an_adapter_against_itself_is_rarely_told_apart():
    shares = [replay.rates(noise(2 * i, 60), noise(2 * i + 1, 60), 12) for i in range(40)]
    assert sum(rates.differs.share for rates in shares if rates) / 40 < 0.05


def test_a_delay_of_five_per_cent_is_found_in_every_window():
    rates = replay.rates(noise(0, 60, 1.05), noise(1, 60), 12)
    assert rates is not None
    assert (rates.slower.share, rates.faster.share, rates.called.share) == (1.0, 0.0, 1.0)


def test_swapping_the_labels_swaps_slower_and_faster():
    a, b = noise(0, 60, 1.01), noise(1, 60)
    one, other = replay.rates(a, b, 12), replay.rates(b, a, 12)
    assert one is not None
    assert other is not None
    assert (one.slower, one.faster, one.differs) == (other.faster, other.slower, other.differs)


def test_a_difference_inside_the_margin_is_not_called_though_it_is_seen():
    rates = replay.rates(noise(0, 200, 1.02, 0.003), noise(1, 200, 1.0, 0.003), 20)
    assert rates is not None
    assert rates.differs.share == 1.0
    assert rates.called.share == 0.0


def test_the_stop_looks_at_the_width_of_the_interval():
    own, base = noise(0, 80, 1.02), noise(1, 80)
    narrow, wide = replay.until(own, base, 0.01), replay.until(own, base, 0.03)
    assert narrow is not None
    assert wide is not None
    assert 5 <= wide.pairs < narrow.pairs <= narrow.pairs_90 <= 80


def test_a_series_too_noisy_never_stops():
    assert replay.until(noise(0, 40, spread=0.5), noise(1, 40, spread=0.5), 0.01) is None


def test_a_stop_that_not_even_one_independent_run_reached_is_not_told():
    own, base = noise(0, 40), noise(1, 40)
    stops = [replay.until(own, base, precision / 1000) for precision in range(2, 60)]
    assert all(stop is None or stop.differs.independent >= 1 for stop in stops)
    assert {stop is None for stop in stops} == {True, False}


@pytest.mark.parametrize("blocks", [0, 1, 4])
def test_a_series_too_short_gives_no_rates(blocks):
    assert replay.rates(noise(0, blocks), noise(1, blocks), 5) is None
    assert replay.until(noise(0, blocks), noise(1, blocks), 0.02) is None


def test_windows_that_overlap_count_as_the_runs_they_are_worth():
    rates = replay.rates(noise(0, 60), noise(1, 60), 12)
    assert rates is not None
    assert (rates.differs.windows, rates.differs.independent) == (60, 5.0)
    assert rates.differs.high > 0.4  # five runs without a false verdict prove little


def test_blocks_that_hang_together_are_told():
    calm = np.random.default_rng(0).normal(0, 0.01, 200)
    slow = np.repeat(np.random.default_rng(1).normal(0, 0.05, 40), 5)
    base = [1.0] * 200
    assert abs(replay.neighbours_agree(np.exp(calm).tolist(), base) or 1) < 0.2
    assert (replay.neighbours_agree(np.exp(slow).tolist(), base) or 0) > 0.6
    assert replay.neighbours_agree([1.0] * 9, [1.0] * 9) is None


@given(st.integers(0, 1000), st.integers(1, 1000))
def test_the_interval_of_a_share_holds_it(hits, more):
    n = hits + more
    low, high = replay.wilson(hits, n)
    assert 0 <= low <= hits / n <= high <= 1
    assert low < high


def test_only_blocks_that_both_labels_have_become_pairs():
    found = series({"a": 1.0, "b": 1.0}, blocks=30)
    del found.values["a"][3], found.values["b"][7]
    own, base = found.pairs("a", "b")
    assert len(own) == len(base) == 28
    assert found.pairs("a", "never recorded") == ([], [])


def test_a_delay_is_found_in_what_was_recorded():
    found = slowed_down(series({"a": 1.0, "a +2%": 1.02}), "a +2%", "a", 0.02, 0.02)
    assert found.ratio is not None
    assert found.ratio.low < 1.02 < found.ratio.high
    assert found.injected == pytest.approx(0.02, rel=0.01)
    assert [after.pairs for after in found.after] == [3, 8, 12, 20, 40]
    assert found.stop is not None
    assert found.stop.seconds == found.stop.pairs  # a pair takes a second
    assert found.stop.found.share > 0.5


def test_the_same_under_several_labels_is_judged_together():
    labels = ["a", "b", "c", "d"]
    found = same(series(dict.fromkeys(["base", *labels], 1.0)), labels, "base")
    assert [run.pairs for run in found.runs if run.precision is None] == [3, 8, 12, 20, 40]
    assert [run.differs.windows for run in found.runs if run.precision is None] == 5 * [4 * 120]
    (until,) = [run for run in found.runs if run.precision is not None]
    assert (until.precision, until.called) == (0.02, None)
    assert found.ratio is not None
    assert found.ratio.low < 1 < found.ratio.high


def test_a_series_too_short_has_no_runs_and_stops_nowhere():
    short = series({"a": 1.0, "b": 1.0}, blocks=4)
    assert same(short, ["b"], "a").runs == []
    delay = slowed_down(short, "b", "a", 0.02, 0.02)
    assert (delay.after, delay.stop) == ([], None)
