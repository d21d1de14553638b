"""A few tries of every fault of ``make chaos``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

CHAOS = Path(__file__).parent / "chaos" / "chaos.py"


@pytest.mark.slow
def test_no_fault_loses_or_doubles_a_record_or_leaves_a_process(tmp_path):
    done = subprocess.run(
        [sys.executable, str(CHAOS), "--short", "--json", str(tmp_path / "chaos.json")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads((tmp_path / "chaos.json").read_text())["rows"].values()
    assert sum(row["tries"] for row in rows) >= 10
