"""A run measures what its device can do with every installed framework, once, and keeps all samples."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from levelfield.adapters.registry import find
from levelfield.harness.measure import peak
from levelfield.harness.records import store
from levelfield.harness.records.peak import PeakSubject
from levelfield.harness.run import peaks

pytestmark = [pytest.mark.frameworks, pytest.mark.slow]


def test_a_run_measures_its_peak_once_with_frameworks_that_take_no_part_too(levelfield, tiny) -> None:
    text = tiny(speed='adapters = ["numpy-manual"]\nblocks = 1\nseconds = 0.01\nthreads = 1')
    (levelfield.folder / "peaks.toml").write_text(text.replace("peaks = false\n", ""))
    done = levelfield("run", "peaks.toml", "-o", "peaks", "--no-certify", "-q")
    assert done.returncode == 0, done.stderr
    folder: Path = levelfield.folder / "peaks"
    (found,) = store.read(folder).peaks
    assert found.subject == PeakSubject("cpu", "float32", 1)
    assert {candidate.framework for candidate in found.candidates} == set(peaks.askable(find().adapters))
    assert [candidate.reason for candidate in found.candidates if candidate.reason] == []
    for candidate in found.candidates:
        assert [trial.operation for trial in candidate.trials] == ["product", "product", "addition"]
        assert all(len(trial.seconds) >= peak.LEAST and min(trial.seconds) > 0 for trial in candidate.trials)
    ceiling = found.ceiling
    assert ceiling is not None
    assert ceiling.flops == max(t.rate for c in found.candidates for t in c.trials if t.operation == "product")

    (folder / "records.jsonl").unlink()
    assert levelfield("run", "--resume", "peaks", "-q").returncode == 0
    assert len((folder / "peaks.jsonl").read_text().splitlines()) == 1
    assert json.loads((folder / "peaks.jsonl").read_text())["candidates"]
