"""Launches that were not proved, from the command line to the page: shown with their reason, and in no verdict."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

FAULTS = Path(__file__).parents[1] / "certify" / "timed_faults.py"
CLASSES = {"honest": "Honest", "skips-updates": "SkipsUpdates", "defers": "Defers", "stops-learning": "StopsLearning"}
SPEED = 'adapters = ["numpy-manual", "honest", "skips-updates", "defers", "stops-learning"]\nblocks = 2\nseconds = 0.2'

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(command_line, install, tiny, tmp_path_factory):
    """A run with three wrong adapters, all of which hold their certificates."""
    points = {name: f"timed_faults:{one}" for name, one in CLASSES.items()}
    plugin = install(tmp_path_factory.mktemp("plugin"), points, {"timed_faults.py": FAULTS.read_text(encoding="utf-8")})
    levelfield = command_line(plugins=[plugin])
    (levelfield.folder / "tiny.toml").write_text(tiny(speed=SPEED))
    done = levelfield("run", "tiny.toml", "-o", "out")
    assert "not certified" not in done.stderr
    return levelfield


def test_wrong_adapters_are_certified_and_void_with_their_reason(made, records_of):
    last = {record.launch_id: record for record in records_of(made.folder / "out")}.values()
    unproved = {record.cell.adapter for record in last if record.unproved}
    assert unproved == {"skips-updates", "defers", "stops-learning"}
    assert all(record.status == "ok" for record in last)


def test_show_names_them_and_gives_no_step(made):
    shown = made("show", "out").stdout
    lines = [line for line in shown.splitlines() if "not proved while timed" in line]
    for name in ("skips-updates", "defers", "stops-learning"):
        assert any(name in line for line in lines), shown


def test_the_page_shows_the_reason(made):
    page = (made.folder / "out" / "report.html").read_text(encoding="utf-8")
    assert "not proved while timed" in page
    assert "predict changed the weights" in page


def test_an_export_has_no_step_for_them_and_says_why(made):
    rows = list(csv.DictReader(io.StringIO(made("export", "--format", "csv", "out").stdout)))
    void = [row for row in rows if row["adapter"] == "defers"]
    assert void
    assert all(row["unproved"] and not row["step_seconds"] for row in void)
    assert not any(row["unproved"] for row in rows if row["adapter"] == "honest")
