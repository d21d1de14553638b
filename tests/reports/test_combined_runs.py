from __future__ import annotations

import pytest
import report_factory as factory
from hypothesis import given, settings
from hypothesis import strategies as st

from levelfield.harness.cli import main
from levelfield.harness.records import store
from levelfield.harness.records.store import Contents
from levelfield.harness.results.merge_runs import combine
from levelfield.reports.findings.evidence import gather
from levelfield.reports.page import html
from levelfield.tasks.errors import UserError

NUMPY, TORCH, COMPILED = factory.ENTRIES[:3]


def contents(records, **run):
    return Contents(factory.make_run(**run), records, [], [])


def test_launches_of_one_cell_add_up_and_pairs_stay_within_their_run():
    slow = factory.speed_records([NUMPY, TORCH], blocks=5, seed=1)
    slow = [r.model_copy(update={"epoch_seconds": [9 * e for e in r.epoch_seconds]}) for r in slow]
    both = combine([contents(factory.speed_records([NUMPY, TORCH], blocks=8)), contents(slow)])
    (comparison,) = gather(both.run, both.records).speed
    torch = next(p for p in comparison.places if p.entry.adapter == "torch-autograd")
    assert len(torch.steps) == 13
    assert torch.ratio.n == 13
    assert 1.7 < torch.ratio.low < torch.ratio.high < 2.1  # pairs across the runs would differ by a factor of nine


def test_cells_of_another_suite_stand_beside_those_of_the_first():
    runs = [contents(factory.speed_records([NUMPY], blocks=5), name="a", command="levelfield run a"),
            contents(factory.speed_records([NUMPY, COMPILED], blocks=5, task="iris"), name="b", suite="other",
                     command="levelfield run b")]  # fmt: skip
    both = combine(runs)
    assert (both.run.name, both.run.suite) == ("a + b", "default, other")
    assert len(gather(both.run, both.records).speed) == 2
    text = html.build(both.run, both.records)
    assert "2 commands repeat all of this run" in text
    assert "levelfield run a\nlevelfield run b" in text


@given(st.lists(st.integers(0, 4), min_size=1, max_size=4))
@settings(max_examples=15, deadline=None)
def test_no_timed_launch_is_lost_or_met_twice(blocks):
    both = combine([contents(factory.speed_records([NUMPY], blocks=n)) for n in blocks])
    assert len({r.launch_id for r in both.records}) == len(both.records) == sum(blocks)


def test_a_learning_launch_that_was_made_twice_counts_once():
    cell = factory.make_cell(kind="learning")
    runs = [contents([factory.learning_record(cell, s) for s in range(3)]) for _ in range(2)]
    both = combine(runs)
    assert len(gather(both.run, both.records).latest) == 3


def test_a_single_run_is_itself():
    one = contents(factory.speed_records([NUMPY], blocks=2))
    assert combine([one]) is one


def test_warnings_say_which_run_they_are_of_unless_they_are_of_all():
    runs = [contents([], name="a", warnings=["everywhere", "here"]), contents([], name="b", warnings=["everywhere"])]
    assert combine(runs).run.warnings == ["everywhere", "a: here"]


@pytest.mark.parametrize(
    ("change", "message"),
    [({"machine": factory.MACHINE.model_copy(update={"cpu": "Other CPU"})}, "different machines: cpu: Example"),
     ({"tasks": {"iris": {"digest": "x", "samples": {"train": 1}}}}, "the task iris has other data")],
)  # fmt: skip
def test_what_may_not_stand_in_one_interval_is_refused(change, message):
    with pytest.raises(UserError, match=message):
        combine([contents([]), contents([], **change)])


def test_other_versions_are_refused_with_what_to_do_instead():
    records = factory.speed_records([NUMPY], blocks=2)
    newer = [r.model_copy(update={"versions": {"numpy": "9.0"}}) for r in records]
    with pytest.raises(UserError, match=r"numpy is 1\.2\.3 in old and 9\.0 in new") as error:
        combine([contents(records, name="old"), contents(newer, name="new")])
    assert "compare" in error.value.hint


def test_the_command_combines_the_runs_that_it_is_given(tmp_path, capsys):
    folders = []
    for name in ("a", "b"):
        kept = store.Store.create(tmp_path / name, factory.make_run(name=name))
        for record in factory.speed_records([NUMPY, TORCH], blocks=3):
            kept.append(record)
        kept.close()
        folders.append(str(tmp_path / name))
    assert main.main(["report", *folders]) == 0
    path = tmp_path / "b" / "report.html"
    assert capsys.readouterr().out == f"{path}\n"
    assert "<h1>a + b</h1>" in path.read_text(encoding="utf-8")
    assert "6 / 6" in path.read_text(encoding="utf-8")


def test_a_run_that_was_ended_half_way_is_named_among_the_warnings():
    records = factory.speed_records([NUMPY], blocks=3)
    half = contents(records, name="half", planned=60, ended="interrupted", folder="runs/half")
    whole = contents(factory.speed_records([NUMPY], blocks=3), name="whole", planned=3, ended="complete")
    both = combine([whole, half])
    assert both.run.warnings[0] == (
        "half: 3 of 60 launches: interrupted; go on with: levelfield run --resume runs/half"
    )
    assert "all of this run, 6 launches" in html.build(both.run, both.records)
