from __future__ import annotations

import struct

import picture
import pytest
import report_factory as factory

from levelfield.harness.records import store


@pytest.mark.browser
def test_the_picture_of_a_run_has_the_size_that_readme_shows(tmp_path, chromium):
    kept = store.Store.create(tmp_path / "run", factory.make_run())
    for record in factory.speed_records(factory.ENTRIES[:3], blocks=5):
        kept.append(record)
    kept.close()
    picture.take(chromium, tmp_path / "run", tmp_path / "report.png")
    data = (tmp_path / "report.png").read_bytes()
    assert data.startswith(b"\x89PNG")
    assert struct.unpack(">II", data[16:24]) == (1200, 1100)
