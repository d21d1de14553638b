"""``levelfield export``: a run in the formats of other tools."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from levelfield.harness.records.peak import Peak
from levelfield.harness.records.record import Record, Run, step_seconds
from levelfield.harness.results import tables
from levelfield.harness.results.proved import judged
from levelfield.harness.system import folders
from levelfield.harness.system.variables import shown
from levelfield.tasks.errors import UserError


def to_csv(run: Run, records: Sequence[Record], peaks: Sequence[Peak] = ()) -> bytes:
    """One row a launch, see `harness.results.tables.launches`."""
    rows = tables.launches(judged(records, run.tasks, peaks), run.tasks, peaks)
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return text.getvalue().encode()


def to_json(run: Run, records: Sequence[Record], peaks: Sequence[Peak] = ()) -> bytes:
    """The head, all records and the peaks, raw samples included."""
    data = {
        "run": run.model_dump(mode="json"),
        "records": [record.model_dump(mode="json") for record in records],
        "peaks": [peak.model_dump(mode="json") for peak in peaks],
    }
    return (json.dumps(data, indent=1) + "\n").encode()


def to_parquet(run: Run, records: Sequence[Record], peaks: Sequence[Peak] = ()) -> bytes:
    """One row a launch."""
    import pyarrow
    import pyarrow.parquet

    rows = tables.launches(judged(records, run.tasks, peaks), run.tasks, peaks)
    sink = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), sink)
    return sink.getvalue()


def to_pytest_benchmark(run: Run, records: Sequence[Record], peaks: Sequence[Peak] = ()) -> bytes:
    """A file that ``pytest-benchmark compare`` reads: one benchmark a speed cell, one round a clean launch.

    A round's time is the median steady step of that launch in seconds.
    """
    try:
        from pytest_benchmark.stats import Stats
    except ImportError:
        raise UserError("this format needs pytest-benchmark", "pip install 'levelfield[benchmark]'") from None
    cells: dict[str, list[tuple[Record, float]]] = {}
    for record in judged(records, run.tasks, peaks):
        if (step := step_seconds(record)) is not None:
            cells.setdefault(record.cell.id, []).append((record, step))
    benchmarks: list[dict[str, Any]] = []
    for measured in cells.values():
        cell = measured[0][0].cell
        stats = Stats()
        for _, step in measured:
            stats.update(step)
        name = f"{cell.adapter}[{', '.join([cell.mode, *([shown(cell.variables)] if cell.variables else [])])}]"
        workload = "/".join([cell.task, cell.model.name, cell.recipe.name, *([cell.over] if cell.over else [])])
        benchmarks.append(
            {
                "group": workload,
                "name": name,
                "fullname": f"{workload}::{name}",
                "params": {"mode": cell.mode, "threads": cell.threads, "replicas": cell.replicas},
                "param": cell.mode,
                "extra_info": {"versions": measured[0][0].versions, "variables": measured[0][0].in_force},
                "options": {"disable_gc": False, "timer": "perf_counter", "min_rounds": len(measured), "warmup": True},
                "stats": {**{field: getattr(stats, field) for field in Stats.fields}, "iterations": 1},
            }
        )
    code = run.machine.commit or run.machine.package
    data = {
        "machine_info": {"node": run.machine.host or "", "processor": run.machine.cpu, "system": run.machine.system},
        "commit_info": {"id": code, "dirty": (code or "").endswith("+changes")},
        "benchmarks": benchmarks,
        "datetime": run.started,
        "version": "5.0.0",
    }
    return (json.dumps(data, indent=1) + "\n").encode()


FORMATS: dict[str, Callable[[Run, Sequence[Record], Sequence[Peak]], bytes]] = {
    "csv": to_csv,
    "json": to_json,
    "parquet": to_parquet,
    "pytest-benchmark": to_pytest_benchmark,
}


def write(data: bytes, path: Path) -> None:
    try:
        folders.write(path, data)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}", "choose another file with -o") from None
