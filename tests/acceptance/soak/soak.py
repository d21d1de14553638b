"""``make soak``: 2,000 launches of a trivial adapter, and the cost of scheduling with 10,000 planned.

    python tests/acceptance/soak/soak.py [--launches N] [--planned N] [--json FILE]

The first part runs the real thing and watches the memory and the open files of the harness and of its warm parent.
The second plans and schedules for real, with a launcher that answers at once: what is left is what scheduling costs.
Exit code 0 when memory, open files and costs are flat and scheduling a launch costs at most 20 ms.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from threading import Event
from typing import Any

import psutil

from levelfield.adapters.registry import find
from levelfield.harness.plan import suite
from levelfield.harness.plan.launches import Launch, Surroundings, plan
from levelfield.harness.records import store
from levelfield.harness.records.record import Record, Run
from levelfield.harness.run.progress import Progress
from levelfield.harness.run.schedule import carry_out
from levelfield.harness.run.stop_rule import StopRule
from levelfield.harness.system import machine
from levelfield.tasks import registry as tasks

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "tests" / "harness"), str(ROOT / "tests" / "acceptance")]
import costs  # noqa: E402
from dry_launcher import DryHost, DryLauncher  # noqa: E402

SUITE = """
name = "soak"
baseline = "numpy-manual"
peaks = false
time-limit = 60.0

[models.small]
hidden = [4]

[recipes.plain]
optimizer = "sgd"
batch-size = 64
epochs = 1

[[{kind}]]
task = "iris"
model = "small"
recipe = "plain"
adapters = ["numpy-manual"]
{many}
"""
EDGE = 500  # launches at each end that are compared


def watch(launches: int, folder: Path) -> dict[str, Any]:
    """Make the launches, and look at the processes five times a second."""
    (folder / "soak.toml").write_text(SUITE.format(kind="learning", many=f"seeds = {launches}"))
    words = [
        sys.executable,
        "-P",
        "-m",
        "levelfield.harness.cli.main",
        "run",
        "soak.toml",
        "-o",
        "out",
        "--no-certify",
        "-q",
    ]
    variables = os.environ | {"PYTHONPATH": str(ROOT), "LEVELFIELD_CACHE": str(folder / "cache")}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(words, cwd=folder, env=variables, stdout=log, stderr=log)
    seen: dict[str, list[tuple[int, int]]] = {"harness": [], "warm parent": []}
    path = folder / "out" / "records.jsonl"
    while process.poll() is None:
        time.sleep(0.2)
        if not path.exists():
            continue
        with contextlib.suppress(psutil.Error):
            harness = psutil.Process(process.pid)
            [parent] = [one for one in harness.children() if "levelfield.harness.launch.worker" in one.cmdline()] or [
                None
            ]
            if parent is not None:  # it is ended before the report is written, which takes memory of its own
                seen["harness"].append((harness.memory_info().rss, harness.num_fds()))
                seen["warm parent"].append((parent.memory_info().rss, parent.num_fds()))
    assert process.returncode == 0, (folder / "log").read_text()
    records = store.read(folder / "out").records
    assert len(records) == launches
    assert all(record.status == "ok" for record in records)
    begun = sorted(datetime.fromisoformat(record.started).timestamp() for record in records)
    between = [after - before for before, after in itertools.pairwise(begun)]
    found: dict[str, Any] = {"launches": launches, "looks": len(seen["harness"])}
    edge = min(EDGE, launches // 4)
    found["seconds between launches"] = ends(between, edge, median)
    for name, looks in seen.items():
        tenth = max(len(looks) // 10, 1)
        found[f"{name}: resident MB"] = ends([rss / 1e6 for rss, _ in looks], tenth, median)
        found[f"{name}: open files"] = ends([files for _, files in looks], tenth, max)
    return found


def ends(values: list[float], edge: int, of: Any) -> dict[str, float]:
    first, last = of(values[:edge]), of(values[-edge:])
    return {"first": first, "last": last, "ratio": last / first}


def schedule(planned: int, like: Record, folder: Path, kind: str) -> dict[str, Any]:
    """Plan, schedule, store and show so many launches that take no time; seconds of this process' CPU."""
    many = f"seeds = {planned}" if kind == "learning" else f"blocks = {planned}\nthreads = 1"
    text = SUITE.format(kind=kind, many=many)
    chosen = suite.parse(text, folder / "soak.toml")
    there = Surroundings(find().adapters, {"iris": tasks.load("iris")}, len(machine.cores()))
    start = time.process_time()
    launches = plan(chosen, there)
    planning = time.process_time() - start
    assert len(launches) == planned
    head = Run(
        name=f"scheduled-{kind}",
        suite="soak",
        summary="",
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        command="make soak",
        baseline=chosen.baseline,
        plan_seed=chosen.seed,
        machine=like.machine,
        suite_text=text,
    )
    kept = store.Store.create(folder / head.name, head)
    goal = StopRule(launches, head.baseline, there.adapters, budget=1e6, precision=None)
    ends_at: list[tuple[float, float]] = []
    with (folder / "progress").open("w") as sink, contextlib.redirect_stderr(sink):
        progress = Progress(launches, lanes=len(machine.cores()), timing=goal.remaining, plain=True)

        def finished(launch: Launch, record: Record) -> None:
            kept.append(record)
            goal.add(record)
            progress.finished(launch, record)
            ends_at.append((time.process_time(), time.perf_counter()))

        carry_out(launches, DryLauncher([DryHost(like=like)]).hosts, finished, Event(), goal.reached)
        progress.close()
    kept.close()
    assert len(store.read(kept.folder).records) == planned
    cpu = [after[0] - before[0] for before, after in itertools.pairwise(ends_at)]
    wall = [after[1] - before[1] for before, after in itertools.pairwise(ends_at)]

    def mean(values: list[float]) -> float:
        return sum(values) / len(values)

    return {
        "planned": planned,
        "planning, seconds of CPU a launch": planning / planned,
        costs.CPU: ends(cpu, EDGE, mean),
        costs.DISK: ends(wall, EDGE, median),
        costs.SLOWEST: max(mean(wall[i : i + 500]) for i in range(0, len(wall), 500)),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--launches", type=int, default=2000)
    parser.add_argument("--planned", type=int, default=10_000)
    parser.add_argument("--json", type=Path, help="where the results go")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        folder = Path(name)
        long = watch(options.launches, folder)
        like = store.read(folder / "out").records[0]
        scheduled = {kind: schedule(options.planned, like, folder, kind) for kind in ("learning", "speed")}
    result = {
        "command": "make soak",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": machine.commit(),
        "python": platform.python_version(),
        "long run": long,
        "scheduling": scheduled,
    }
    print(json.dumps(result, indent=1))
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    bad = [f"{line.what}: not {line.bar}" for line in costs.lines(result) if line.holds is False]
    print("; ".join(bad) or "flat", file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
