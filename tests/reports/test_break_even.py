"""What starting costs from an empty and from a filled compile cache are two figures, and break-even is from each."""

from __future__ import annotations

import random

import numpy as np
import pytest
import report_factory as factory
from hypothesis import given
from hypothesis import strategies as st

from levelfield.reports import frames, markdown
from levelfield.reports.findings import break_even, whole_job
from levelfield.reports.findings.evidence import gather
from levelfield.reports.findings.text import NARROW
from levelfield.reports.page import html
from levelfield.reports.sections import startup

RUN = factory.make_run(baseline="torch-nn")
EAGER = ("torch-nn", "torch", None, "mixed", "eager", 2e-4, 0.01)
COMPILED = ("torch-nn", "torch", None, "mixed", "compile", 1e-4, 0.0)
SCAN = ("jax-grad", "jax", None, "low", "scan", 0.5e-4, 0.0)
COLD, CACHED = 20.01, 2.01  # seconds that the first epoch takes more than a steady one


def records(blocks: int = 12, fresh: int = 3):
    """Eager ones keep no cache; compiled ones meet an empty one in the first blocks, then a filled one."""
    rng = random.Random(0)
    made = []
    for block in range(blocks):
        made.append(factory.speed_record(factory.make_cell(EAGER), block, 2e-4 * rng.gauss(1, 0.002), extra=0.01))
        for entry in (COMPILED, SCAN):
            extra, cache = (COLD, "empty") if block < fresh else (CACHED, "filled")
            step = entry[5] * rng.gauss(1, 0.002)
            extra *= rng.gauss(1, 0.01)
            made.append(factory.speed_record(factory.make_cell(entry), block, step, extra=extra, cache=cache))
    return made


def found(own):
    evidence = gather(RUN, own)
    return evidence, *break_even.find(evidence, evidence.speed[0])


def test_launches_that_met_an_empty_cache_and_those_that_met_a_filled_one_are_two_figures():
    _, starts, _ = found(records())
    by_mode = {s.place.entry.mode: s.costs for s in starts}
    assert {mode: list(costs) for mode, costs in by_mode.items()} == {
        "eager": [None],
        "compile": ["empty", "filled"],
        "scan": ["empty", "filled"],
    }
    assert by_mode["compile"]["empty"].estimate == pytest.approx(COLD, rel=0.03)
    assert by_mode["compile"]["filled"].estimate == pytest.approx(CACHED, rel=0.03)
    assert [cost.n for cost in by_mode["compile"].values()] == [3, 9]


def test_break_even_is_told_from_both():
    _, _, (payback,) = found(records())
    assert payback.steps["empty"].estimate == pytest.approx(200_000, rel=0.03)
    assert payback.steps["filled"].estimate == pytest.approx(20_000, rel=0.03)
    for steps in payback.steps.values():
        assert steps.low < steps.estimate < steps.high
    assert "steps from an empty compile cache (" in payback.sentence
    assert "steps with a filled compile cache (" in payback.sentence


def test_a_launch_that_met_another_cache_than_was_planned_counts_among_its_like():
    """As the first one of a run that is gone on with does: its compile cache is empty again."""
    own = records()
    late = factory.make_cell(COMPILED).id
    own = [r.model_copy(update={"cache": "empty"}) if (r.cell.id, r.block) == (late, 7) else r for r in own]
    _, starts, _ = found(own)
    (costs,) = [s.costs for s in starts if s.place.entry.mode == "compile"]
    assert [cost.n for cost in costs.values()] == [4, 8]


def test_where_no_clean_launch_met_an_empty_cache_there_is_no_such_figure():
    own = [r.model_copy(update={"contaminated": "steal 9 %"}) if r.block < 3 else r for r in records()]
    evidence, _, (payback,) = found(own)
    assert list(payback.steps) == ["filled"]
    (table, *_) = startup.section(evidence).tables
    (line,) = [line for line in table.lines if line.values[0].text == "torch-nn compile"]
    assert line.values[1].detail == "no clean launch met one"


def test_the_page_says_which_figure_is_which():
    evidence, _, _ = found(records())
    section = startup.section(evidence)
    assert "with a filled compile cache" in section.finding
    start, job = section.tables
    assert [c.detail for c in start.columns[1:3]] == ["compile cache empty", "cache filled, or none kept"]
    by_label = {line.values[0].text: [v.text for v in line.values] for line in start.lines}
    assert by_label["torch-nn eager"][1] == "—"
    assert by_label["torch-nn compile"][1] != by_label["torch-nn compile"][2]
    assert {line.values[0].text for line in job.lines} == {
        "torch-nn eager",
        *(f"{name}{how}" for name in ("torch-nn compile", "jax-grad scan")
          for how in (" from an empty compile cache", " with a filled compile cache")),
    }  # fmt: skip
    text = html.build(RUN, records())
    assert "Persistent compilation caches, which are off" not in text
    assert "from an empty compile cache" in markdown.build(RUN, records())


def test_frames_tell_the_cache():
    evidence, _, _ = found(records())
    _, paybacks, jobs, _ = frames.tables(evidence)
    assert [row["cache"] for row in paybacks] == ["empty", "filled"]
    seconds = {(j["mode"], j["cache"]): j["seconds"] for j in jobs if j["epochs"] == whole_job.EPOCHS[0]}
    assert seconds["compile", "empty"] - seconds["compile", "filled"] == pytest.approx(COLD - CACHED, rel=0.03)
    assert ("eager", None) in seconds


# The stated confidence


def test_the_interval_of_steps_holds_as_often_as_it_says():
    """Few and noisy starts and savings, where the ends of two 95 % intervals together hold less often than 95 %."""
    rng = np.random.default_rng(5)
    cost, gain, held, repeats = 5.0, 1e-4, 0, 4000
    for _ in range(repeats):
        starts = (cost + rng.normal(0, 0.5, 5)).tolist(), [0.0] * 5
        savings = (2e-4 + rng.normal(0, 1e-5, 5)).tolist(), (1e-4 + rng.normal(0, 1e-5, 5)).tolist()
        steps = break_even.meeting(starts, savings, 0.9)
        held += steps is not None and steps.low <= cost / gain <= steps.high
    assert held / repeats >= 0.9


def test_its_parts_share_the_error_and_all_ranges_of_a_table_share_another(monkeypatch):
    asked = []
    real = break_even.statistics.paired_difference
    monkeypatch.setattr(break_even.statistics, "paired_difference", lambda *a: asked.append(a[2]) or real(*a))
    _, _, (payback,) = found(records())
    told = [steps.confidence for steps in payback.steps.values()]
    assert len(asked) == 2 * len(told) == 4
    for steps, parts in zip(told, (asked[:2], asked[2:]), strict=True):
        assert sum(1 - part for part in parts) == pytest.approx(1 - steps)
    assert sum(1 - steps for steps in told) <= 0.05


@given(
    st.lists(st.tuples(st.floats(-5, 50), st.floats(-5, 5)), min_size=1, max_size=6),
    st.lists(st.tuples(st.floats(-1e-3, 1e-3), st.floats(-1e-3, 1e-3)), min_size=1, max_size=6),
)
def test_whatever_was_measured_the_interval_has_two_ends_in_order(cost, gain):
    steps = break_even.meeting(
        tuple(map(list, zip(*cost, strict=True))), tuple(map(list, zip(*gain, strict=True))), 0.95
    )
    if steps is not None:
        assert steps.low <= steps.high
        assert steps.estimate >= 0
        assert break_even.steps_range(steps)


@pytest.mark.parametrize(("blocks", "later"), [(12, True), (3, False)])
def test_the_line_of_the_start_tells_of_later_starts_only_where_they_were_measured(blocks, later):
    glance = startup.section(gather(RUN, records(blocks))).glance
    assert "s from an empty cache" in glance.text.replace(NARROW, " ")
    assert (" later" in glance.text) is later
