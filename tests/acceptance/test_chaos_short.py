"""A few tries of every fault of ``make chaos``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

CHAOS = Path(__file__).parent / "chaos" / "chaos.py"


def made(*launches: str) -> list[SimpleNamespace]:
    """Records of timed launches "a" and "b" of one block, and of learning launches, as far as they are looked at."""
    kinds = {"a": "speed", "b": "speed"}
    return [
        SimpleNamespace(launch_id=one, block=0, cell=SimpleNamespace(kind=kinds.get(one, "learning")))
        for one in launches
    ]


@pytest.mark.parametrize(
    ("launches", "twice"),
    [("xyab", 0), ("xyx", 1), ("xaab", 0), ("aaaab", 0), ("abab", 2), ("aaba", 1)],
    ids=["once", "learnt twice", "torn", "torn three times", "made again though whole", "torn, then one too many"],
)
def test_only_a_block_that_was_torn_may_be_made_again(monkeypatch, launches, twice):
    monkeypatch.syspath_prepend(str(CHAOS.parent))
    import ground

    assert ground.repeated(made(*launches)) == twice


@pytest.mark.slow
def test_no_fault_loses_or_doubles_a_record_or_leaves_a_process(tmp_path):
    done = subprocess.run(
        [sys.executable, str(CHAOS), "--short", "--json", str(tmp_path / "chaos.json")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads((tmp_path / "chaos.json").read_text())["rows"].values()
    assert sum(row["tries"] for row in rows) >= 8
