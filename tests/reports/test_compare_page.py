from __future__ import annotations

import html
import json
import re

import pytest
import report_factory as factory

from levelfield.harness.cli import main
from levelfield.harness.records import store
from levelfield.harness.records.cell import Cell
from levelfield.harness.results import compare_runs
from levelfield.reports import compare_page
from levelfield.tasks.errors import UserError

ENTRIES = factory.ENTRIES[:6]
FASTER, SLOWER = "numpy-manual", "torch-nn"
OTHER = factory.MACHINE.model_copy(update={"cpu": "Other CPU", "cores": 64})


def times(records, factors):
    return [
        r.model_copy(update={"epoch_seconds": [e * factors.get(r.cell.adapter, 1.0) for e in r.epoch_seconds]})
        for r in records
    ]


def pair(factors=None, *, blocks=8, drop=(), **run):
    old = factory.speed_records(ENTRIES, blocks=blocks, noise=0.004)
    new = times(factory.speed_records(ENTRIES, blocks=blocks, noise=0.004, seed=0), factors or {})
    new = [r for r in new if r.cell.adapter not in drop]
    return (factory.make_run(name="old", warnings=[]), old), (factory.make_run(name="new", warnings=[], **run), new)


def built(*args, force=False, **kwargs):
    base, new = pair(*args, **kwargs)
    found = compare_runs.compare(base, new, margin=0.03, force=force)
    return compare_page.build(base[0], new[0], found), found


@pytest.fixture(scope="module")
def changed():
    return built({FASTER: 0.5, SLOWER: 1.4}, drop=("torch-lightning",))[0]


def test_every_cell_that_differs_has_its_sentence_and_no_other(changed):
    text = html.unescape(changed)
    assert "numpy-manual eager on digits · multi is 2.00 × faster than the base run (2.00–2.00)." in text
    assert "torch-nn compile on digits · multi is 1.40 × slower than the base run (1.40–1.40)." in text
    assert "torch-autograd eager on digits" not in text
    assert "Of 5 cells in both runs, the new run against the base: 1 faster, 2 slower, 2 tied" in text
    assert "1 cell could not be compared: 1 only in the base run." in text
    assert "1 difference between the runs: lightning: 1.2.3 / absent." in text
    assert "different machines" not in text.partition("<main>")[0]


def test_a_run_against_itself_is_tied_everywhere():
    text, found = built()
    assert {c.verdict.word for c in found.changes} == {"tied"}
    assert "Machine and versions are the same in both runs." in text
    assert not re.search(r"is [\d.]+ × (faster|slower)", html.unescape(text))


def test_many_workloads_are_bounded_as_on_the_page_of_a_run():
    records = [r for w in range(41) for r in factory.speed_records(ENTRIES[:2], blocks=3, task=f"t{w:02d}")]
    base, new = (factory.make_run(name="old"), records), (factory.make_run(name="new"), records)
    found = compare_runs.compare(base, new, margin=0.03, force=False)
    section = compare_page.changes(compare_page.Pair(base[0], new[0], found))
    assert len(section.tables) == 40
    assert section.notes == ("The first 6 of 41 workloads are drawn; the first 40 have tables, the records hold all.",)


def test_another_machine_needs_force_and_then_carries_a_banner():
    with pytest.raises(UserError, match="different machines"):
        built(machine=OTHER)
    text = html.unescape(built(machine=OTHER, force=True)[0])
    assert "every difference below may be the machine's" in text.partition("<main>")[0]
    assert '<th scope="row">cpu</th><td>Example CPU 4210 @ 2.20 GHz</td><td>Other CPU</td>' in text


def test_too_few_launches_are_not_judged_and_the_page_says_why():
    text = html.unescape(built(blocks=2)[0])
    assert "None of the 6 cells in both runs is judged: n = 2, not judged." in text


def test_runs_without_a_common_cell_give_a_page_that_says_so():
    runs = factory.make_run(), factory.make_run()
    text = compare_page.build(*runs, compare_runs.RunComparison([], [factory.make_cell()], [], []))
    assert "there is nothing to compare" in text
    assert "<figure" not in text


def test_cold_and_forked_launches_are_not_compared():
    base, new = pair()
    cold = [r.model_copy(update={"cold": True}) for r in new[1]]
    found = compare_runs.compare(base, (new[0], cold), margin=0.03, force=False)
    assert found.changes == []
    assert "launches: forked / cold" in found.differences


def test_the_same_runs_give_the_same_bytes(changed):
    assert built({FASTER: 0.5, SLOWER: 1.4}, drop=("torch-lightning",))[0] == changed


@pytest.mark.parametrize("evil", factory.EACH_HOSTILE)
def test_nothing_from_two_runs_becomes_markup_or_hides(evil):
    base, new = pair(blocks=5)
    records = [
        [r.model_copy(update={"cell": Cell(**(r.cell.model_dump() | {"adapter": evil, "mode": r.cell.id})),
                              "versions": {evil: str(i)}}) for r in own]
        for i, (_, own) in enumerate((base, new))
    ]  # fmt: skip
    machine = factory.MACHINE.model_copy(update={"cpu": evil})
    runs = [factory.make_run(name=evil, suite=evil, command=evil, warnings=[evil], machine=m)
            for m in (machine, factory.MACHINE)]  # fmt: skip
    found = compare_runs.compare((runs[0], records[0]), (runs[1], records[1]), margin=0.03, force=True)
    text = compare_page.build(*runs, found)
    assert text.count("<script") == 2
    assert text.count("<style") == 1
    assert "<img" not in text
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200e\u200f\u2028\u2029\x00\x07\x1b]", text)
    data = json.loads(re.search(r'<script type="application/json"[^>]*>(.*?)</script>', text, re.DOTALL).group(1))
    assert {c["cell"]["adapter"] for c in data["cells"]} == {evil}


def stored(folder, run, records):
    kept = store.Store.create(folder, run)
    for record in records:
        kept.append(record)
    kept.close()
    return str(folder)


def test_the_command_writes_the_page_and_prints_its_path(tmp_path, capsys):
    base, new = pair({SLOWER: 1.4}, blocks=5)
    folders = [stored(tmp_path / name, *own) for name, own in (("a", base), ("b", new))]
    out = tmp_path / "compare.html"
    assert main.main(["compare", *folders, "-o", str(out), "--fail-on", "slower"]) == 1
    assert capsys.readouterr().out == f"{out}\n"
    assert "1.40 × slower" in out.read_text(encoding="utf-8")


@pytest.mark.parametrize(("factors", "code"), [({SLOWER: 1.4}, 1), ({FASTER: 0.5}, 0), ({SLOWER: 1.02}, 0), ({}, 0)])
def test_a_pipeline_fails_on_what_became_materially_slower_and_on_nothing_else(tmp_path, capsys, factors, code):
    base, new = pair(factors, blocks=8)
    folders = [stored(tmp_path / name, *own) for name, own in (("a", base), ("b", new))]
    assert main.main(["compare", *folders, "--fail-on", "slower"]) == code
    assert main.main(["compare", *folders]) == 0
    assert ("slower, materially" in capsys.readouterr().out) == bool(code)


@pytest.mark.parametrize(
    ("blocks", "common", "says"),
    [(8, False, "no speed cell with clean launches is in both runs"), (2, True, "no cell has enough clean launches")],
)
def test_runs_that_allow_no_comparison_are_no_success(tmp_path, capsys, blocks, common, says):
    base, new = pair(blocks=blocks)
    mine, others = (
        [r for r in records if common or (r.cell.adapter == FASTER) == first]
        for records, first in ((base[1], True), (new[1], False))
    )
    folders = [stored(tmp_path / "a", base[0], mine), stored(tmp_path / "b", new[0], others)]
    assert main.main(["compare", *folders, "--fail-on", "slower"]) == main.NOTHING
    assert f"nothing compared: {says}" in capsys.readouterr().err


@pytest.mark.browser
def test_the_page_is_silent_accessible_and_narrow(changed, visit, violations):
    visited = visit(changed)
    assert visited.said == []
    assert len(visited.asked) == 1
    assert visited.page.locator("main > section").count() == 4
    assert violations(visited) == []
    visited.page.set_viewport_size({"width": 320, "height": 640})
    assert visited.page.evaluate("document.documentElement.scrollWidth") <= 320
    visited.page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    visited.page.locator("#changes-table-1 thead button").nth(1).press("Enter")
    assert visited.page.inner_text("#changes-table-1 tbody th").startswith("numpy-manual")
