"""A run in another tool's format is read by that tool's own command."""

from __future__ import annotations

import json
import subprocess
import sys

import report_factory as factory

from levelfield.harness.cli import main
from levelfield.harness.records import store
from levelfield.harness.results import tables


def test_pytest_benchmark_compares_two_exported_runs(tmp_path):
    files = []
    for name, seed in (("base", 0), ("new", 1)):
        records = factory.speed_records(factory.ENTRIES[:3], blocks=6, seed=seed)
        kept = store.Store.create(tmp_path / name, factory.make_run(name=name))
        for record in records:
            kept.append(record)
        kept.close()
        files.append(str(tmp_path / f"{name}.json"))
        assert main.main(["export", str(tmp_path / name), "--format", "pytest-benchmark", "-o", files[-1]]) == 0
    columns = "--columns=min,median,rounds"
    command = [sys.executable, "-m", "pytest_benchmark", "compare", *files, columns, f"--csv={tmp_path / 'compared'}"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    header, *rows = (tmp_path / "compared.csv").read_text().splitlines()
    named = [dict(zip(header.split(","), row.split(","), strict=True)) for row in rows]
    cells = {(r.cell.adapter, r.cell.mode) for r in records}
    assert len(named) == 2 * len(cells)
    assert {row["rounds"] for row in named} == {"6"}
    steps = [s for r in records if r.cell == records[0].cell and (s := tables.step_seconds(r))]
    own = json.loads((tmp_path / "new.json").read_text())["benchmarks"][0]
    assert own["stats"]["min"] == min(steps)
    assert own["name"] in done.stdout
