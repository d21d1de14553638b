"""Run the pytest-benchmark suites for every adapter and mode that is installed, each in a process of its own.

    python tests/benchmarks/bench.py [-a ADAPTER]… [--threads N] [-o DIR]

Writes one file an adapter and mode, which ``pytest-benchmark compare`` reads, and prints them side by side. For
verdicts use ``levelfield run``: rounds inside one process are not independent samples.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from levelfield.adapters import runtime
from levelfield.adapters.adapter import Setting
from levelfield.adapters.limits import refusal
from levelfield.adapters.registry import AdapterInfo, find
from levelfield.harness.plan.launches import has_compiler
from levelfield.harness.system import machine
from levelfield.tasks.errors import UserError, unknown
from levelfield.tasks.mlp import MLP
from levelfield.tasks.recipe import Recipe

HERE = Path(__file__).resolve().parent
LIMIT = 600  # seconds for one adapter in one mode


def main() -> int:
    parser = argparse.ArgumentParser(description="Time one step, one epoch and one prediction of every adapter.")
    parser.add_argument("-a", "--adapter", action="append", default=[], metavar="NAME", help="only these; repeatable")
    parser.add_argument("--threads", type=int, default=len(machine.cores()), metavar="N", help="default: all cores")
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="default: .benchmarks/levelfield/TIME")
    options = parser.parse_args()
    adapters = find().adapters
    for name in options.adapter:
        if name not in adapters:
            raise unknown("adapter", name, adapters, "levelfield list adapters")
    folder = (
        options.output or Path(".benchmarks", "levelfield", datetime.now(UTC).strftime("%Y%m%d-%H%M%S"))
    ).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    written, failed = [], []
    for info in adapters.values():
        if options.adapter and info.name not in options.adapter:
            continue
        for mode in info.modes:
            if (reason := _reason(info, mode)) is not None:
                print(f"skipped: {info.name} ({mode}): {reason}", file=sys.stderr)
                continue
            print(f"{info.name} ({mode})", file=sys.stderr)
            path = folder / f"{info.name}-{mode}.json"
            (written if _time(info, mode, options.threads, path) else failed).append(path)
    if written:
        compare = [sys.executable, "-m", "pytest_benchmark", "compare", "--group-by=group", "--sort=min"]
        subprocess.run([*compare, "--columns=min,median,iqr,rounds", *map(str, written)], check=False)
    print(folder)
    return 1 if failed or not written else 0


def _reason(info: AdapterInfo, mode: str) -> str | None:
    setting = Setting(MLP((64, 128, 10)), Recipe("momentum"), mode=mode)
    return info.missing() or refusal(info, setting, compiler=has_compiler())


def _time(info: AdapterInfo, mode: str, threads: int, path: Path) -> bool:
    command = [sys.executable, "-m", "pytest", "-q", str(HERE), "--adapter", info.name, "--mode", mode]
    command += ["--threads", str(threads), f"--benchmark-json={path}", "--benchmark-quiet"]
    pin = partial(os.sched_setaffinity, 0, machine.cores()[:threads]) if hasattr(os, "sched_setaffinity") else None
    environment = os.environ | runtime.environment(info.framework, info.backend, "cpu", threads)
    try:
        done = subprocess.run(
            command,
            env=environment,
            preexec_fn=pin,
            capture_output=True,
            text=True,
            timeout=LIMIT,
            cwd=HERE.parent.parent,
        )
    except subprocess.TimeoutExpired:
        print(f"failed: {info.name} ({mode}): took longer than {LIMIT} s", file=sys.stderr)
        return False
    if done.returncode:
        print(f"failed: {info.name} ({mode}):\n{done.stdout[-4000:]}{done.stderr[-2000:]}", file=sys.stderr)
    return done.returncode == 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as error:
        sys.exit(f"error: {error.message}\n  hint: {error.hint}")
