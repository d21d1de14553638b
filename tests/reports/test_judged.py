"""The last lines of a run: how many launches count, which cells are judged, and the exit code where none is."""

from __future__ import annotations

import pytest
import report_factory as factory

from levelfield.harness.cli import main
from levelfield.harness.records import store
from levelfield.harness.run import session
from levelfield.harness.run.outcome import Outcome
from levelfield.reports.findings import judged
from levelfield.reports.findings.certificates import Certificate
from levelfield.reports.findings.evidence import gather

ENTRIES = [factory.ENTRIES[i] for i in (0, 1, 3, 5)]  # numpy-manual is the baseline
HELD = [c for c in factory.CERTIFICATES if (c.adapter, c.mode) in {(e[0], e[4]) for e in ENTRIES}]
VOID = "disturbed: foreign 50% (more than 10%)"


def void(records, adapters=None):
    return [
        r.model_copy(update={"contaminated": VOID}) if adapters is None or r.cell.adapter in adapters else r
        for r in records
    ]


def told(records, certificates: list[Certificate] | None = HELD) -> list[str]:
    return judged.lines(judged.of(gather(factory.make_run(), records, certificates=certificates)))


def test_where_all_is_judged_two_lines_say_so():
    assert told(factory.speed_records(ENTRIES, blocks=6)) == [
        "24 of 24 timed launches count",
        "3 of 3 timed cells are judged against numpy-manual eager",
    ]


def test_where_every_launch_was_void_nothing_is_judged():
    assert told(void(factory.speed_records(ENTRIES, blocks=6))) == [
        "0 of 24 timed launches count: 24 disturbed",
        "nothing is judged: 0 of 3 timed cells are judged",
        "  not judged: 3 cells: every launch was disturbed",
    ]


def test_each_reason_is_told_with_its_cells():
    records = void(factory.speed_records(factory.ENTRIES[:3], blocks=6), {"torch-autograd"})
    records += [factory.failed_record(factory.make_cell(factory.ENTRIES[3]), block) for block in range(6)]
    records += factory.speed_records([factory.ENTRIES[5], factory.ENTRIES[9]], blocks=2)
    lines = told(records)
    assert lines[0] == "10 of 28 timed launches count: 12 disturbed and 6 failed"
    assert lines[1] == "nothing is judged: 0 of 5 timed cells are judged"
    assert set(lines[2:]) == {
        "  not judged: 2 cells: every launch was disturbed",
        "  not judged: 1 cell: all its launches failed",
        "  not judged: 1 cell: 2 clean blocks in common with the baseline, a verdict needs 3",
        "  not judged: 1 cell: not certified",
    }


def test_without_the_baseline_the_others_say_why():
    lines = told(void(factory.speed_records(ENTRIES, blocks=6), {"numpy-manual"}))
    assert "  not judged: 3 cells: no launch of the baseline gave a clean time" in lines


def test_nothing_timed_has_nothing_to_tell_and_a_baseline_alone_no_one_to_be_judged():
    assert told([factory.learning_record(factory.make_cell(kind="learning"), 0)]) == []
    assert told(factory.speed_records(ENTRIES[:1], blocks=1)) == [
        "1 of 1 timed launch counts",
        "nothing is judged: there is no other cell to compare the baseline with",
    ]


@pytest.mark.parametrize(
    ("records", "compared", "judgeable", "code"),
    [
        (factory.speed_records(ENTRIES, blocks=6), True, True, 0),
        (void(factory.speed_records(ENTRIES, blocks=6)), True, True, 1),
        (void(factory.speed_records(ENTRIES, blocks=2)), True, False, 1),  # as all of a short suite may be
        (void(factory.speed_records(ENTRIES, blocks=6), {"numpy-manual"}), True, True, 1),
        (factory.speed_records(ENTRIES, blocks=2), True, False, 0),  # too few for a verdict, as planned
        (void(factory.speed_records(ENTRIES[:1], blocks=2)), False, False, 0),  # nothing to be compared
        ([factory.learning_record(factory.make_cell(kind="learning"), 0)], False, False, 0),
    ],
)
def test_a_run_that_could_not_answer_ends_with_exit_code_1(
    tmp_path, monkeypatch, capsys, records, compared, judgeable, code
):
    kept = store.Store.create(tmp_path / "run", factory.make_run())
    for record in records:
        kept.append(record)
    kept.close()
    made = Outcome(0, kept.folder, ["done"], {"ok": len(records)}, compared, judgeable)
    monkeypatch.setattr(session, "run", lambda *_: made)
    monkeypatch.setattr(judged, "find", lambda run, own, _: judged.of(gather(run, own, certificates=HELD)))
    assert main.main(["run", "smoke"]) == code
    out, err = capsys.readouterr()
    assert out == f"{kept.folder}/report.html\n"
    assert err.splitlines()[0] == "done"
    assert ("timed launches count" in err) == (records[0].cell.kind == "speed")
