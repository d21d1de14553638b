from __future__ import annotations

import html
import re

import pytest
import report_factory as factory

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


def built(*runs):
    return html.unescape(history_page.build(run_series.series(runs)))


def test_what_changed_between_neighbours_is_told_with_its_versions_and_nothing_else():
    text = built(run(1), run(2, 1.4, version="2.0.0"), run(3, 1.4, version="2.0.0"))
    assert "3 cells over 3 runs; from one run to the next: 2 slower, 4 tied." in text
    told = "is 1.40 × slower than in day-1 (1.40–1.40), with torch 1.2.3 → 2.0.0."
    assert f"In day-2, torch-autograd compile on digits · multi {told}" in text
    assert "In day-3," not in text
    assert "numpy-manual eager on" not in text


def test_the_order_is_that_of_the_start_and_not_of_the_folders():
    found = run_series.series([run(3), run(1), run(2)])
    assert [r.name for r in found.runs] == ["day-1", "day-2", "day-3"]


def test_runs_of_other_machines_are_left_out_and_named():
    found = run_series.series([run(1, machine=OTHER), run(2), run(3)])
    assert (found.elsewhere, len(found.steps)) == (("day-1",), 1)
    assert "Left out, because they come from other machines: day-1." in built(run(1, machine=OTHER), run(2), run(3))


def test_a_cell_that_a_run_did_not_time_leaves_a_gap_and_no_verdict_across_it():
    text = built(run(1), run(2, entries=ENTRIES[:1]), run(3, 2.0))
    assert not re.search(r"In day-\d, torch", text)
    assert len(re.findall(r"<small>not timed</small>", text)) == 2


def test_disturbed_launches_are_in_no_time_of_the_series():
    spoilt = run(2)
    spoilt.records[:] = [
        r.model_copy(update={"contaminated": "disturbed", "epoch_seconds": [9.0]}) for r in spoilt.records
    ]
    assert run_series.series([run(1), spoilt]).times[1] == {}


@pytest.mark.parametrize("blocks", [0, 6])
def test_one_run_alone_is_a_series_that_has_not_begun(blocks):
    text = built(run(1, blocks=blocks))
    wanted = "a series begins with the second" if blocks else "None of the runs has a speed launch with a clean time"
    assert wanted in text
    assert "<figure" not in text


@pytest.mark.parametrize("evil", factory.HOSTILE)
def test_nothing_from_a_series_becomes_markup_or_hides(evil):
    runs = [run(day, name=evil, started=evil) for day in (1, 2)]
    for i, stored in enumerate(runs):
        stored.records[:] = [
            r.model_copy(update={"cell": Cell(**(r.cell.model_dump() | {"adapter": evil})), "versions": {evil: str(i)}})
            for r in stored.records[:6]
        ]
    text = history_page.build(run_series.series(runs))
    assert (text.count("<script"), text.count("<style"), "<img" in text) == (2, 1, False)
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200e\u200f\u2028\u2029\x00\x07\x1b]", text)


def write(folder, stored):
    kept = store.Store.create(folder / stored.run.name, stored.run)
    for record in stored.records:
        kept.append(record)
    kept.close()


def test_the_command_writes_the_series_beside_the_runs(tmp_path, capsys):
    for stored in (run(1), run(2, 1.4)):
        write(tmp_path, stored)
    assert main.main(["report", "--history", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'history.html'}\n"
    assert "with the same versions" in (tmp_path / "history.html").read_text(encoding="utf-8")


def test_a_folder_without_runs_and_other_options_are_refused(tmp_path, capsys):
    with pytest.raises(UserError, match="holds no run"):
        run_series.read(tmp_path / "nowhere")
    assert main.main(["report", "--history", str(tmp_path), "--baseline", "x"]) == 2
    assert "--history takes a folder of runs alone" in capsys.readouterr().err


@pytest.mark.browser
def test_the_series_is_silent_accessible_and_narrow(visit, violations):
    visited = visit(history_page.build(run_series.series([run(1), run(2, 1.4), run(3)])))
    assert visited.said == []
    assert len(visited.asked) == 1
    assert violations(visited) == []
    visited.page.set_viewport_size({"width": 320, "height": 640})
    assert visited.page.evaluate("document.documentElement.scrollWidth") <= 320
