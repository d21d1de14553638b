from __future__ import annotations

import html
import random
import re

import pytest
import report_factory as factory

from levelfield.adapters.registry import find
from levelfield.harness.cli import main
from levelfield.harness.records import store
from levelfield.harness.records.cell import Cell
from levelfield.harness.records.store import Contents
from levelfield.harness.results import run_series
from levelfield.reports import history_page
from levelfield.tasks.errors import UserError

ENTRIES = factory.ENTRIES[:3]
OTHER = factory.MACHINE.model_copy(update={"cores": 64})


def run(day, factor=1.0, entries=ENTRIES, version="1.2.3", blocks=6, **changes):
    records = [
        r.model_copy(
            update={"epoch_seconds": [e * (factor if r.cell.framework == "torch" else 1) for e in r.epoch_seconds],
                    "versions": {r.cell.framework: version if r.cell.framework == "torch" else "2.0"}}
        )
        for r in factory.speed_records(entries, blocks=blocks, noise=0.004)
    ]  # fmt: skip
    head = {"name": f"day-{day}", "started": f"2026-01-{day:02d}T00:00:00Z"}
    return Contents(factory.make_run(**(head | changes)), records, [], [])


def series(*runs):
    return run_series.series(runs, {})


def built(*runs):
    return html.unescape(history_page.build(series(*runs)))


def drifting(day, factor=1.0, drift=1.0, **changes):
    """A run on a machine that is slower by `drift`, whatever it does."""
    stored = run(day, factor, **changes)
    stored.records[:] = [
        r.model_copy(update={"epoch_seconds": [drift * e for e in r.epoch_seconds]}) for r in stored.records
    ]
    return stored


def steps_of(history):
    return {
        (place[0].adapter, place[0].mode): [(history.runs[step.first].name, step.ratio) for step in own]
        for place, own in history.steps.items()
    }


CHANGED = [*(run(day) for day in (1, 2, 3)), *(run(day, 1.4, version="2.0.0") for day in (4, 5))]


def test_a_step_is_told_once_with_its_size_and_the_versions_that_changed_there():
    text = built(*CHANGED)
    assert "3 cells over 5 runs: 2 steps, the newest from day-4 on." in text
    told = (
        r"torch-autograd compile on digits · multi is 1\.40 × slower than before \([\d.]+–[\d.]+\) beside numpy-manual"
    )
    assert re.search(rf"From day-4 on, {told} eager, with torch 1\.2\.3 → 2\.0\.0\.", text)
    assert "From day-5" not in text
    assert not re.search(r"From day-\d on, numpy-manual", text)


def test_what_slows_down_all_adapters_alike_is_no_step():
    runs = [drifting(day, drift=drift) for day, drift in enumerate([1, 1.02, 1, 1, 1.5, 1.6, 1.5, 1.5], start=1)]
    assert set(map(tuple, steps_of(series(*runs)).values())) == {()}


def test_a_step_is_found_under_a_drift_of_the_machine_and_has_its_size():
    rng = random.Random(0)
    runs = [drifting(day, 1.2 if day >= 5 else 1, drift=1 + rng.random()) for day in range(1, 9)]
    found = steps_of(series(*runs))["torch-autograd", "eager"]
    [(name, ratio)] = found
    assert name == "day-5"
    assert ratio.low <= 1.2 <= ratio.high


def test_one_run_that_was_off_is_no_step():
    runs = [run(day, 1.5 if day == 4 else 1) for day in range(1, 9)]
    assert set(map(tuple, steps_of(series(*runs)).values())) == {()}


def test_too_few_runs_are_not_searched_and_say_so():
    assert "3 cells over 3 runs: steps are looked for from 4 runs on." in built(run(1), run(2), run(3, 1.4))


def test_the_order_is_that_of_the_start_and_not_of_the_folders():
    assert [r.name for r in series(run(3), run(1), run(2)).runs] == ["day-1", "day-2", "day-3"]


def test_runs_of_other_machines_are_left_out_and_named():
    runs = (run(1, machine=OTHER), run(2), run(3))
    assert (series(*runs).elsewhere, len(series(*runs).runs)) == (("day-1",), 2)
    assert "Left out, because they come from other machines: day-1." in built(*runs)


def test_a_cell_that_a_run_did_not_time_leaves_a_gap_and_its_step_is_still_found():
    text = built(run(1), run(2), run(3, entries=ENTRIES[:1]), run(4, 2.0), run(5, 2.0))
    assert len(re.findall(r"<small>not timed</small>", text)) == 2
    assert "From day-4 on, torch-autograd eager" in text


def test_the_control_is_the_baseline_of_the_last_run_and_has_no_ratio_of_its_own():
    history = series(run(1, baseline="torch-autograd"), run(2))
    assert {cell.adapter for cell in history.controls.values()} == {"numpy-manual"}
    assert all(cell.adapter != "numpy-manual" for own in history.ratios for cell, _ in own)
    other = series(run(1), run(2, baseline="torch-autograd"))
    assert {(c.adapter, c.mode) for c in other.controls.values()} == {("torch-autograd", "compile")}
    modes = run_series.series([run(1), run(2, baseline="torch-autograd")], find().adapters)
    assert {(c.adapter, c.mode) for c in modes.controls.values()} == {("torch-autograd", "eager")}


def test_without_a_clean_time_of_the_baseline_there_are_times_and_no_ratio():
    text = built(*(run(day, entries=ENTRIES[1:]) for day in range(1, 6)))
    assert "no run has a clean time of its baseline" in text
    assert "<figure" not in text
    assert "no control in this run" in text


def test_disturbed_launches_are_in_no_time_of_the_series():
    spoilt = run(2)
    spoilt.records[:] = [
        r.model_copy(update={"contaminated": "disturbed", "epoch_seconds": [9.0]}) for r in spoilt.records
    ]
    assert series(run(1), spoilt).times[1] == {}


@pytest.mark.parametrize("blocks", [0, 6])
def test_one_run_alone_is_no_series_yet(blocks):
    text = built(run(1, blocks=blocks))
    wanted = (
        "3 cells over 1 run: steps are looked for from 4 runs on."
        if blocks
        else "None of the runs has a speed launch with a clean time"
    )
    assert wanted in text
    assert "<figure" not in text


@pytest.mark.parametrize("evil", factory.EACH_HOSTILE)
def test_nothing_from_a_series_becomes_markup_or_hides(evil):
    runs = [run(day, name=evil, started=evil) for day in (1, 2)]
    for i, stored in enumerate(runs):
        stored.records[:] = [
            r.model_copy(update={"cell": Cell(**(r.cell.model_dump() | {"adapter": evil})), "versions": {evil: str(i)}})
            for r in stored.records[:6]
        ]
    text = history_page.build(series(*runs))
    assert (text.count("<script"), text.count("<style"), "<img" in text) == (2, 1, False)
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200e\u200f\u2028\u2029\x00\x07\x1b]", text)


def write(folder, stored):
    kept = store.Store.create(folder / stored.run.name, stored.run)
    for record in stored.records:
        kept.append(record)
    kept.close()


def test_the_command_writes_the_series_beside_the_runs(tmp_path, capsys):
    for stored in CHANGED:
        write(tmp_path, stored)
    assert main.main(["report", "--history", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'history.html'}\n"
    assert "From day-4 on, " in (tmp_path / "history.html").read_text(encoding="utf-8")


def test_a_folder_without_runs_and_other_options_are_refused(tmp_path, capsys):
    with pytest.raises(UserError, match="holds no run"):
        run_series.read(tmp_path / "nowhere", {})
    assert main.main(["report", "--history", str(tmp_path), "--baseline", "x"]) == 2
    assert "--history takes a folder of runs alone" in capsys.readouterr().err


@pytest.mark.browser
def test_the_series_is_silent_accessible_and_narrow(visit, violations):
    visited = visit(history_page.build(series(*CHANGED)))
    assert visited.said == []
    assert len(visited.asked) == 1
    assert violations(visited) == []
    visited.page.set_viewport_size({"width": 320, "height": 640})
    assert visited.page.evaluate("document.documentElement.scrollWidth") <= 320
