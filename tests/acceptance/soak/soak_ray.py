"""``make soak-ray``: 10,000 launches of a trivial adapter through a Ray cluster of two nodes on this machine.

    python tests/acceptance/soak/soak_ray.py [--launches N] [--json FILE]

Each node has one core of its own. Looked at are the gaps on a host, from the end of one launch to the beginning of the
next: what the driver, Ray and the store cost. Exit code 0 when the gaps, memory and open files of the driver are flat.
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
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import psutil

from levelfield.harness.records import store
from levelfield.harness.records.record import Record
from levelfield.harness.system import machine

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "tests" / "harness"), str(ROOT / "tests" / "acceptance" / "soak")]
from ray_cluster import LocalCluster  # noqa: E402
from soak import EDGE, SUITE, costs, ends  # noqa: E402


class Look(NamedTuple):
    """At the driver: bytes of memory, open files, seconds of CPU, bytes of records."""

    resident: int
    files: int
    cpu: float
    stored: int


def run(launches: int, folder: Path, address: str) -> tuple[list[Record], list[Look], float]:
    """The records, looks at the driver twice a second while records came, and the seconds of it all."""
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
    path = folder / "out" / "records.jsonl"
    looks: list[Look] = []
    begin = time.monotonic()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*words, "--launcher", f"ray://{address}"], cwd=folder, env=variables, stdout=log, stderr=log
        )
        while process.poll() is None:
            time.sleep(0.5)
            stored = path.stat().st_size if path.exists() else 0
            if stored > (looks[-1].stored if looks else 0):  # the report, at the end, takes memory of its own
                with contextlib.suppress(psutil.Error):
                    driver = psutil.Process(process.pid)
                    cpu = driver.cpu_times()
                    looks.append(Look(driver.memory_info().rss, driver.num_fds(), cpu.user + cpu.system, stored))
    assert process.returncode == 0, (folder / "log").read_text()
    return store.read(folder / "out").records, looks, time.monotonic() - begin


def driver_costs(looks: list[Look], each: float) -> dict[str, float]:
    """Seconds of the driver's CPU for a launch, in the first and the last tenth; a record has `each` bytes."""
    tenth = max(len(looks) // 10, 1)

    def cost(first: Look, last: Look) -> float:
        return (last.cpu - first.cpu) / ((last.stored - first.stored) / each)

    early, late = cost(looks[0], looks[tenth]), cost(looks[-1 - tenth], looks[-1])
    return {"first": early, "last": late, "ratio": late / early, "all": cost(looks[0], looks[-1])}


def gaps(records: list[Record]) -> dict[str, list[float]]:
    """By host, seconds from the end of a launch to the beginning of the next."""
    found: dict[str, list[float]] = {}
    for name in sorted({record.machine.host or "" for record in records}):
        own = sorted((record for record in records if record.machine.host == name), key=lambda r: r.started)
        begun = [datetime.fromisoformat(record.started).timestamp() for record in own]
        found[name] = [
            after - before - record.wall_seconds
            for (before, after), record in zip(itertools.pairwise(begun), own, strict=False)
        ]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--launches", type=int, default=10_000)
    parser.add_argument("--json", type=Path, help="where the results go")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as name, LocalCluster() as cluster:
        records, looks, seconds = run(options.launches, Path(name), cluster.address)
    assert len(records) == options.launches
    assert all(record.status == "ok" for record in records)
    edge = min(EDGE, options.launches // 8)
    tenth = max(len(looks) // 10, 1)
    between = gaps(records)
    walls = [record.wall_seconds for record in sorted(records, key=lambda r: r.started)]
    result: dict[str, Any] = {
        "command": f"python tests/acceptance/soak/soak_ray.py --launches {options.launches}",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": machine.commit(),
        "python": platform.python_version(),
        "ray": version("ray"),
        "machine": str(records[0].machine.type),
        "load average": os.getloadavg()[1],
        "launches": len(records),
        "seconds": seconds,
        "launches by host": {host: len(own) + 1 for host, own in between.items()},
        "seconds of a launch on its host": ends(walls, edge, median),
        "driver: seconds of CPU a launch": driver_costs(looks, looks[-1].stored / len(records)),
        "driver: resident MB": ends([look.resident / 1e6 for look in looks], tenth, median),
        "driver: open files": ends([look.files for look in looks], tenth, max),
        **{f"gap on {host}, seconds": ends(own, edge, median) | {"all": median(own)} for host, own in between.items()},
    }
    print(json.dumps(result, indent=1))
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    bad = [name for name, row in result.items() if name.startswith("gap") and row["ratio"] > costs.MOST_SLOWER]
    bad += ["CPU of the driver"] if result["driver: seconds of CPU a launch"]["ratio"] > costs.MOST_SLOWER else []
    bad += ["memory"] if result["driver: resident MB"]["ratio"] > costs.MOST_GROWTH else []
    bad += ["open files"] if result["driver: open files"]["ratio"] > 1 else []
    print("; ".join(bad) or "flat", file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
