"""A suite on both tracks, from the command line."""

from __future__ import annotations

from collections import Counter

import pytest

from levelfield.harness.records import store

pytestmark = pytest.mark.slow

BOTH = 'track = ["matched", "idiomatic"]\nadapters = ["numpy-manual", "sklearn-mlp"]\n'


@pytest.fixture(scope="module")
def levelfield(command_line, tiny):
    levelfield = command_line()
    suite = tiny(learning=BOTH + "seeds = 1", speed=BOTH + "blocks = 1\nseconds = 0.02\nthreads = 1")
    (levelfield.folder / "both.toml").write_text(suite)
    done = levelfield("run", "both.toml", "-o", "both")
    assert done.returncode in (0, 1), done.stderr  # 1: a busy machine may void all that is timed
    return levelfield


def test_every_adapter_has_a_record_on_each_track(levelfield):
    records = store.read(levelfield.folder / "both").records
    found = Counter((r.cell.track, r.cell.adapter, r.cell.kind) for r in records if r.status == "ok")
    wanted = {
        (track, adapter, kind)
        for track in ("matched", "idiomatic")
        for adapter in ("numpy-manual", "sklearn-mlp")
        for kind in ("speed", "learning")
    }
    assert found == Counter(wanted)


def test_like_for_like_two_adapters_learn_the_same_and_by_default_they_do_not(levelfield):
    records = store.read(levelfield.folder / "both").records
    curves = {
        (r.cell.track, r.cell.adapter): [e.train.loss for e in r.epochs] for r in records if r.cell.kind == "learning"
    }
    for track, same in (("matched", True), ("idiomatic", False)):
        by_hand, sklearn = curves[track, "numpy-manual"], curves[track, "sklearn-mlp"]
        assert (by_hand == pytest.approx(sklearn, rel=1e-4)) is same


def test_resuming_makes_what_is_missing_and_nothing_twice(levelfield, records_of):
    folder = levelfield.folder / "both"
    path = folder / "records.jsonl"
    all_launches = {record.launch_id for record in store.read(folder).records}
    held = b"".join(path.read_bytes().splitlines(keepends=True)[:4])  # those of learning, which nothing voids
    path.write_bytes(held)
    assert levelfield.inside("run", "--resume", folder).returncode == 0
    again = path.read_bytes()
    assert again.startswith(held)
    assert {record.launch_id for record in records_of(folder)} == all_launches
    undisturbed = Counter(r.launch_id for r in records_of(folder) if not r.contaminated)
    assert set(undisturbed.values()) == {1}
    assert levelfield.inside("run", "--resume", folder).returncode == 0
    assert path.read_bytes() == again
