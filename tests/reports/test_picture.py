from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest
import report_factory as factory

from harness import store

ROOT = Path(__file__).parents[2]


@pytest.mark.browser
def test_the_picture_of_a_run_has_the_size_that_readme_shows(tmp_path, chromium):
    kept = store.Store.create(tmp_path / "run", factory.make_run())
    for record in factory.speed_records(factory.ENTRIES[:3], blocks=5):
        kept.append(record)
    kept.close()
    command = [sys.executable, "tests/reports/picture.py", str(tmp_path / "run"), str(tmp_path / "report.png")]
    subprocess.run(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True, capture_output=True)
    data = (tmp_path / "report.png").read_bytes()
    assert data.startswith(b"\x89PNG")
    assert struct.unpack(">II", data[16:24]) == (1200, 1100)
