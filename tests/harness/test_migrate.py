"""Runs of every older version are read as the newest; those of a later one are told from damage."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from levelfield.harness.records import migrate, store
from levelfield.harness.records.record import SCHEMA
from levelfield.tasks.errors import UserError

FIXTURES = Path(__file__).parent / "fixtures"
OLDER = range(1, SCHEMA)


@pytest.fixture
def old(tmp_path):
    return shutil.copytree(FIXTURES / "version-1", tmp_path / "run")


def test_every_older_version_is_kept_and_has_its_step():
    assert [folder.name for folder in sorted(FIXTURES.iterdir())] == [f"version-{n}" for n in OLDER]
    assert sorted(migrate.STEPS) == list(OLDER)


@pytest.mark.parametrize("version", OLDER)
def test_a_run_of_an_older_version_is_read_whole_as_the_newest(version):
    folder = FIXTURES / f"version-{version}"
    lines = [json.loads(line) for line in (folder / "records.jsonl").read_text().splitlines()]
    assert {line["schema_version"] for line in lines} == {version}
    contents = store.read(folder)
    assert contents.damaged == []
    assert contents.run.schema_version == SCHEMA
    assert {record.schema_version for record in contents.records} == {SCHEMA}
    assert [record.started for record in contents.records] == [line["started"] for line in lines]
    assert [record.reason for record in contents.records] == [line["reason"] for line in lines]
    assert [record.epoch_seconds for record in contents.records] == [line["epoch_seconds"] for line in lines]


def test_failures_of_version_1_get_their_kind_from_their_reason(old):
    kinds = {record.cell.adapter: record.failure for record in store.read(old).records}
    assert kinds == {
        "numpy-manual": None,
        "raises": "exception",
        "stalls": "time",
        "aborts": "signal",
        "asks": "memory",
        "quits": "exit",
    }


def test_reading_and_resuming_do_not_rewrite_old_records(old):
    before = (old / "records.jsonl").read_bytes()
    kept = store.Store(old)
    kept.append(store.read(old).records[0])
    kept.close()
    assert (old / "records.jsonl").read_bytes().startswith(before)
    assert store.read(old).damaged == []


def test_a_record_of_a_later_version_is_set_aside_by_that_name(old):
    path = old / "records.jsonl"
    first, *rest = path.read_text().splitlines()
    later = json.loads(first) | {"schema_version": SCHEMA + 1, "what_nobody_knows_yet": 1}
    path.write_text("\n".join([json.dumps(later), *rest]) + "\n")
    contents = store.read(old)
    assert len(contents.records) == len(rest)
    [told] = contents.damaged
    later_one = f"written by a later levelfield (schema {SCHEMA + 1}, this one reads up to {SCHEMA})"
    assert told == f"{path}:1: set aside: {later_one}"


def test_a_head_of_a_later_version_is_one_clear_error(old):
    head = old / "run.json"
    head.write_text(json.dumps(json.loads(head.read_text()) | {"schema_version": SCHEMA + 1}))
    with pytest.raises(UserError, match=f"written by a later levelfield .schema {SCHEMA + 1}"):
        store.read(old)


@pytest.mark.parametrize("version", [0, -1, True, "1", 1.5, None, [], {}])
def test_a_version_that_never_was_is_set_aside(old, version):
    path = old / "records.jsonl"
    first, *rest = path.read_text().splitlines()
    path.write_text("\n".join([json.dumps(json.loads(first) | {"schema_version": version}), *rest]) + "\n")
    contents = store.read(old)
    assert len(contents.records) == len(rest)
    assert len(contents.damaged) == 1
