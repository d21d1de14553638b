"""The page about reliability is rendered from its results, and says the same of scheduling as the bars do."""

from __future__ import annotations

import bars
import costs
import pytest
import reliability
from acceptance_examples import ROOT, measured, soak


def test_the_page_is_what_its_results_say():
    page = (ROOT / "docs" / "results" / "reliability.md").read_text(encoding="utf-8")
    assert page == reliability.text()


@pytest.mark.parametrize(("cost", "slower"), [(0.012, 1.1), (0.030, 1.1), (0.012, 1.6)])
def test_the_page_and_the_bars_say_the_same_of_scheduling(cost, slower):
    found = soak(cost, slower=slower)
    (row,) = [bar for bar in bars.bars(measured(half=[]), found) if bar.row == "6"]
    lines = [line for line in reliability.soak(found).splitlines() if "scheduling, seconds of CPU" in line]
    slowest = [line for line in reliability.soak(found).splitlines() if "slowest half-thousand" in line]
    assert all(f"| {slower:.2f} | at most 1.5 |" in line for line in lines)
    assert f"{slower:.2f} × the first's CPU time" in row.found
    assert f"{1e3 * cost:.1f} ms" in row.found
    judged = [line.split(" | ")[-1].rstrip(" |") for line in (*lines, *slowest)]
    assert set(judged) == ({"holds"} if row.word == "holds" else {"holds", "does not hold"})


def test_how_the_disk_slows_down_is_shown_and_not_judged():
    found = soak()
    (line, _) = [line for line in costs.lines(found) if line.what.endswith(costs.DISK)]
    assert (line.ratio, line.holds) == (2.0, None)
    assert "2.00 ×, which is not judged" in costs.scheduling(found).text
