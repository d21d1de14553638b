"""A run directory: what was written is read again, and what is damaged is told and set aside."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from levelfield.harness.records import store
from levelfield.harness.records.cell import Cell, NamedModel, NamedRecipe
from levelfield.harness.records.record import SCHEMA, EpochScores, Record, Run, Score
from levelfield.harness.system.machine import Machine
from levelfield.tasks.errors import UserError

MACHINE = Machine(host=None, system="Linux", cpu="Some CPU", cores=2, memory_bytes=2**30, python="3.11", commit=None)
RUN = Run(
    name="mine",
    suite="smoke",
    summary="",
    started="2024-05-01T10:00:00+00:00",
    command="levelfield run smoke",
    baseline="numpy-manual",
    plan_seed=0,
    machine=MACHINE,
    suite_text="",
)
CELL = Cell(
    kind="speed",
    task="iris",
    model=NamedModel(name="small", hidden=(8,)),
    recipe=NamedRecipe(name="plain", optimizer="sgd", learning_rate=0.1),
    adapter="numpy-manual",
    framework="numpy",
    backend=None,
    api="low",
    mode="eager",
)


def record(block: int = 0, **changes: object) -> Record:
    known = {"seed": 1, "status": "ok", "started": "2024-05-01T10:00:00.000+00:00", "machine": MACHINE}
    return Record(cell=CELL, block=block, **{**known, **changes})  # type: ignore[arg-type]


@pytest.fixture
def kept(tmp_path):
    kept = store.Store.create(tmp_path / "run", RUN)
    yield kept
    kept.close()


def records_file(kept: store.Store) -> Path:
    return kept.folder / "records.jsonl"


def test_a_new_run_has_its_head_and_no_records(kept):
    contents = store.read(kept.folder)
    assert contents.run == RUN.model_copy(update={"folder": str(kept.folder)})
    assert contents.records == []
    assert contents.damaged == []


finite = st.floats(allow_nan=False)
score = st.builds(Score, loss=finite, accuracy=st.none() | finite)
scores = st.builds(EpochScores, epoch=st.integers(0, 99), train=score, validation=score, test=score)


@settings(deadline=None, derandomize=True)
@given(
    reason=st.none() | st.text(st.characters(exclude_categories=["Cs"])),
    epoch_seconds=st.lists(finite, max_size=5),
    epochs=st.lists(scores, max_size=3),
    phases=st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), finite, max_size=3),
)
def test_a_record_is_read_as_it_was_written(tmp_path_factory, **measured):
    kept = store.Store.create(tmp_path_factory.mktemp("runs") / "run", RUN)
    written = [record(0), record(1, **measured), record(2)]
    for one in written:
        kept.append(one)
    kept.close()
    contents = store.read(kept.folder)
    assert contents.records == written
    assert contents.damaged == []


def test_numbers_that_are_none_survive(kept):
    kept.append(record(epoch_seconds=[math.inf, -math.inf, math.nan]))
    [found] = store.read(kept.folder).records
    assert [repr(value) for value in found.epoch_seconds] == ["inf", "-inf", "nan"]


def test_the_last_record_of_a_launch_wins_and_all_are_kept(kept):
    for status in ("failed", "ok"):
        kept.append(record(0, status=status))
        kept.append(record(1, status=status))
    assert [(one.block, one.status) for one in store.read(kept.folder).records] == [(0, "ok"), (1, "ok")]
    assert len(records_file(kept).read_text().splitlines()) == 4


@pytest.mark.parametrize("keep", [1, 10, 200, -2])
def test_a_torn_last_line_is_told_with_its_number_and_the_next_record_is_whole(kept, keep):
    kept.append(record(0))
    kept.append(record(1))
    whole = records_file(kept).read_bytes()
    first = whole.index(b"\n") + 1
    os.truncate(records_file(kept), len(whole) + keep if keep < 0 else first + keep)
    assert [one.block for one in store.read(kept.folder).records] == [0]
    kept.append(record(2))
    contents = store.read(kept.folder)
    assert [one.block for one in contents.records] == [0, 2]
    [line] = contents.damaged
    assert line.startswith(f"{records_file(kept)}:2: set aside: ")
    assert "\n" not in line


@pytest.mark.parametrize(
    "line",
    [
        b"{}",
        b"null",
        b"[]",
        b"not JSON",
        b"\xff\xfe\x00",
        b'{"cell": 1}',
        b'"\\ud800"',
        b"9" * 5000,
        b"[" * 100_000,
    ],
)
def test_a_damaged_line_in_the_middle_hides_none_of_the_others(kept, line):
    kept.append(record(0))
    with records_file(kept).open("ab") as file:
        file.write(line + b"\n\n")
    kept.append(record(1))
    contents = store.read(kept.folder)
    assert [one.block for one in contents.records] == [0, 1]
    assert [damage.startswith(f"{records_file(kept)}:2: set aside: ") for damage in contents.damaged] == [True]


def test_a_record_of_a_later_version_with_unknown_fields_is_set_aside_not_misread(kept):
    kept.append(record(0))
    text = records_file(kept).read_text()
    records_file(kept).write_text(text.replace('"seed"', '"seeds_of_a_later_version"'))
    contents = store.read(kept.folder)
    assert contents.records == []
    assert len(contents.damaged) == 1


def test_a_number_that_no_export_can_hold_is_damage(kept):
    kept.append(record(0))
    text = records_file(kept).read_text()
    records_file(kept).write_text(text.replace('"threads":1', f'"threads":{2**63}'))
    contents = store.read(kept.folder)
    assert contents.records == []
    assert "threads" in contents.damaged[0]


@pytest.mark.parametrize("head", [b"", b"{}", b"null", b"\xff", b"{" * 100_000, RUN.model_dump_json().encode()[:-20]])
def test_a_damaged_head_is_one_clear_error(kept, head):
    (kept.folder / "run.json").write_bytes(head)
    with pytest.raises(UserError) as caught:
        store.read(kept.folder)
    assert str(kept.folder / "run.json") in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("schema", "which"),
    [(1, "levelfield 0.1"), (SCHEMA - 1, "levelfield 0.1"), (SCHEMA + 1, "a later levelfield")],
)
def test_a_run_of_another_schema_is_one_clear_error(kept, schema, which):
    head = kept.folder / "run.json"
    head.write_text(json.dumps(json.loads(head.read_text()) | {"schema_version": schema, "a_field_of_theirs": 1}))
    with pytest.raises(UserError, match=f"made by {which} .schema {schema}, this one reads {SCHEMA}.") as caught:
        store.read(kept.folder)
    assert "make it again" in (caught.value.hint or "")


@pytest.mark.parametrize("version", [0, 1, SCHEMA - 1, SCHEMA + 1, -1, "one", 1.5, None, [], {}])
def test_a_record_of_another_schema_is_set_aside_by_that_name(kept, version):
    kept.append(record(0))
    kept.append(record(1))
    first, second = records_file(kept).read_text().splitlines()
    records_file(kept).write_text(json.dumps(json.loads(first) | {"schema_version": version}) + f"\n{second}\n")
    contents = store.read(kept.folder)
    assert [one.block for one in contents.records] == [1]
    [told] = contents.damaged
    assert told.startswith(f"{records_file(kept)}:1: set aside: schema_version: ")


def test_what_is_no_run_is_one_clear_error(tmp_path):
    for folder in (tmp_path, tmp_path / "absent", tmp_path / ("x" * 300)):
        with pytest.raises(UserError) as caught:
            store.read(folder)
        assert "run.json" in caught.value.message
        assert caught.value.hint


def test_a_folder_in_place_of_the_records_is_one_clear_error(kept):
    records_file(kept).mkdir()
    with pytest.raises(UserError, match="directory"):
        store.read(kept.folder)


def test_a_folder_that_holds_a_run_is_not_written_over(kept):
    kept.append(record(0))
    kept.close()
    with pytest.raises(UserError) as caught:
        store.Store.create(kept.folder, RUN)
    assert "holds a run already" in caught.value.message
    assert "--resume" in caught.value.hint
    assert len(store.read(kept.folder).records) == 1


def test_foreign_files_in_the_folder_are_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    kept = store.Store.create(tmp_path, RUN)
    kept.append(record(0))
    kept.close()
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_two_writers_are_refused_until_the_first_has_gone(kept):
    with pytest.raises(UserError, match="another levelfield"):
        store.Store(kept.folder)
    other = [
        sys.executable,
        "-c",
        f"from levelfield.harness.records.store import Store; Store(__import__('pathlib').Path({str(kept.folder)!r}))",
    ]
    assert b"another levelfield" in subprocess.run(other, capture_output=True).stderr
    kept.close()
    assert subprocess.run(other, capture_output=True).returncode == 0


def test_a_full_disk_is_told_with_the_command_that_goes_on(kept):
    os.symlink("/dev/full", records_file(kept))
    with pytest.raises(UserError) as caught:
        kept.append(record(0))
    assert "No space left" in caught.value.message
    assert f"levelfield run --resume {kept.folder}" in caught.value.hint


def test_the_newest_run_is_the_one_that_was_started_last_whenever_its_files_were_touched(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="no run"):
        store.newest()
    for number, name in enumerate(("b", "c", "a")):
        run = RUN.model_copy(update={"started": f"2026-01-01T00:00:0{number}+00:00"})
        store.Store.create(store.RUNS / name, run).close()
        os.utime(store.RUNS / name / "run.json", (9 - number, 9 - number))
    (store.RUNS / "damaged").mkdir()
    (store.RUNS / "damaged" / "run.json").write_text("[")
    assert store.newest() == store.RUNS / "a"


def test_new_folders_do_not_collide(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = set()
    for _ in range(5):
        folder = store.new_folder("smoke")
        folder.mkdir(parents=True)
        made.add(folder)
    assert len(made) == 5


def test_a_warm_and_a_cold_launch_of_one_block_are_two(kept):
    warm, cold = record(), record(cold=True)
    for one in (record(seed=1), warm, cold):
        kept.append(one)
    assert store.read(kept.folder).records == [warm, cold]
