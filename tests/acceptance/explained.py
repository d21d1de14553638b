"""``make explained``: what five differences are made of, and whether taking a cause away changes what was said.

    python tests/acceptance/explained.py [--budget S] [--blocks N] [--only NAME] [--again] [--table]

Each is one ``levelfield explain … --json``, kept in docs/results/explained/; docs/results/explained.md is rendered from
these files. What is there already is not measured again unless asked. It may be stopped at any time and goes on later.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import explained_page

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "docs" / "results"
BUDGET, BLOCKS = 90.0, 12  # seconds of blocks, and how many at most: all seven within a quarter of an hour


@dataclass(frozen=True)
class Pair:
    """`name` is that of its file."""

    name: str
    adapter: str
    against: str
    threads: int = 1  # Keras' data adapter has one of its own: on one core it and the training wait for each other


PAIRS = (
    Pair("keras-tensorflow", "keras-tensorflow", "tensorflow-tape", threads=2),
    Pair("torch-lightning", "torch-lightning", "torch-nn"),
    Pair("flax-nnx", "flax-nnx", "jax-grad"),
    Pair("keras-torch", "keras-torch", "torch-nn"),
    Pair("torch-compile", "torch-nn:compile", "torch-nn:eager"),
    Pair("experiment", "flax-nnx:split-merge", "flax-nnx:jit"),
    Pair("experiment-trainer", "torch-lightning:fabric", "torch-lightning:eager"),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--budget", type=float, default=BUDGET, metavar="S", help="seconds of blocks of each")
    parser.add_argument("--blocks", type=int, default=BLOCKS, metavar="N", help="at most so many of each")
    parser.add_argument("--only", action="append", choices=[one.name for one in PAIRS], help="this one; repeatable")
    parser.add_argument("--again", action="store_true", help="measure also what was measured before")
    parser.add_argument("--table", action="store_true", help="measure nothing, write the page again")
    parser.add_argument(
        "--results", type=Path, default=RESULTS, metavar="DIR", help="where explained.md and its data are"
    )
    options = parser.parse_args()
    folder = options.results / "explained"
    folder.mkdir(parents=True, exist_ok=True)
    failed = [] if options.table else _measure_all(options, folder)
    page = options.results / "explained.md"
    page.write_text(explained_page.text(read(folder)), encoding="utf-8")
    print(page)
    return 1 if failed else 0


def read(folder: Path) -> dict[str, dict[str, Any]]:
    """What was measured, by name, in the order of the page."""
    files = ((one.name, folder / f"{one.name}.json") for one in PAIRS)
    return {name: json.loads(file.read_text(encoding="utf-8")) for name, file in files if file.exists()}


def _measure_all(options: argparse.Namespace, folder: Path) -> list[str]:
    """Those that could not be measured."""
    wanted = [one for one in PAIRS if not options.only or one.name in options.only]
    left = [one for one in wanted if options.again or not (folder / f"{one.name}.json").exists()]
    failed = []
    for number, pair in enumerate(left, 1):
        _tell(f"{number} of {len(left)}: {pair.adapter} against {pair.against}")
        begin = time.monotonic()
        found = _measure(pair, options)
        if found is None:
            failed.append(pair.name)
            continue
        partial = folder / f"{pair.name}.partial"
        partial.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        partial.replace(folder / f"{pair.name}.json")
        blocks = found["ladder"]["blocks"]
        _tell(f"{pair.name}: {blocks} blocks, {time.monotonic() - begin:.0f} s")
    return failed


def _measure(pair: Pair, options: argparse.Namespace) -> dict[str, Any] | None:
    """What ``levelfield explain`` says, with when and how; None where it has no ladder."""
    words = ["explain", pair.adapter, "--against", pair.against]
    words += ["--threads", str(pair.threads)] if pair.threads > 1 else []
    words += ["--blocks", str(options.blocks), "--budget", f"{options.budget:g}s", "--json"]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "levelfield.harness.cli.main", *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        _tell(f"{pair.name}: not measured (exit code {done.returncode})")
        if done.returncode == 130:
            raise SystemExit(130)
        return None
    when = datetime.now(UTC).isoformat(timespec="seconds")
    return {"date": when, "command": shlex.join(["levelfield", *words])} | json.loads(done.stdout)


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
