"""Pairs of runs of the same thing: how often would a gate fail for nothing, before and after ``compare --confirm``?

    python tests/acceptance/gate_alarms.py [--pairs 10] [--neighbour] [--json FILE]

A pair is two runs, one after the other, in this environment, with nothing changed between them. It is compared in both
orders with ``--fail-on slower``: every cell that fails it is a false alarm. Each order that has one is compared once
more with ``--confirm``. With --neighbour another process computes now and then all the while. With --json a pair is
written down at once, and the next call goes on behind it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scipy.stats import binomtest

from levelfield.harness.doctor.neighbour import neighbour
from levelfield.harness.system import machine, paths

SUITE = """
name = "same"
baseline = "numpy-manual"
peaks = false

[models.multi-layer]
hidden = [128]

[recipes.momentum]
optimizer = "momentum"
learning-rate = 0.01

[[speed]]
task = "digits"
model = "multi-layer"
recipe = "momentum"
adapters = {adapters}
modes = "default"
blocks = {blocks}
threads = 1
start-up = false
"""
ADAPTERS = "numpy-manual,sklearn-mlp,torch-autograd,torch-nn,jax-grad"
OK, FAILED = 0, 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--adapters", default=ADAPTERS, metavar="NAME,…")
    parser.add_argument("--blocks", type=int, default=8)
    parser.add_argument("--threshold", default="3%")
    parser.add_argument("--budget", default="60s", help="of each cell that is measured again")
    parser.add_argument("--neighbour", action="store_true", help="beside another process that computes now and then")
    parser.add_argument("--json", type=Path, help="where the pairs are, and go")
    options = parser.parse_args()
    written = json.loads(options.json.read_text()) if options.json and options.json.exists() else {"pairs": []}
    pairs: list[dict[str, Any]] = written["pairs"]
    with tempfile.TemporaryDirectory(prefix="gate-") as folder, neighbour() if options.neighbour else nullcontext():
        adapters = json.dumps(options.adapters.split(","))
        (Path(folder) / "same.toml").write_text(SUITE.format(adapters=adapters, blocks=options.blocks))
        for number in range(options.pairs):
            pairs.append(pair(Path(folder), number, options.threshold, options.budget))
            print(f"pair {len(pairs)}: {told(pairs[-1])}", flush=True)
            if options.json:
                head = {"date": datetime.now(UTC).isoformat(timespec="seconds"), "neighbour": options.neighbour}
                about = {"machine": machine.describe(True).model_dump(mode="json"), "threshold": options.threshold}
                options.json.write_text(json.dumps(head | about | {"pairs": pairs}, indent=1) + "\n")
    print("\n".join(summary(pairs)))
    return OK


def pair(folder: Path, number: int, threshold: str, budget: str) -> dict[str, Any]:
    """Two runs, and what the gate says of them in both orders: the cells that fail it at first, and when confirmed."""
    runs = [f"{number}-{side}" for side in "ab"]
    for run in runs:
        levelfield(folder, "run", "same.toml", "-o", run, "-q")
    orders = []
    for base, new in (runs, runs[::-1]):
        gate = ("compare", base, new, "--fail-on", "slower", "--threshold", threshold, "--json", "-q")
        code, found = levelfield(folder, *gate)
        order = {"cells": len(found["changes"]), "before": slower(found), "after": [], "seconds": 0.0}
        assert (code == FAILED) == bool(order["before"] or broken(found)), found
        if order["before"]:
            begin = time.monotonic()
            code, again = levelfield(folder, *gate, "--confirm", "--budget", budget)
            order |= {"after": slower(again), "seconds": round(time.monotonic() - begin, 1)}
            order["again"] = [row for row in again["changes"] if row["across"]]
            assert (code == FAILED) == bool(order["after"] or broken(again)), again
        orders.append(order)
    return {"orders": orders}


def levelfield(folder: Path, *words: str) -> tuple[int, Any]:
    """The exit code and, of what prints JSON, what it prints. Ends the program where the command could not do it."""
    done = subprocess.run(paths.module("levelfield", *words), cwd=folder, capture_output=True, text=True)
    if done.returncode not in (OK, FAILED) or (words[0] == "run" and done.returncode):
        sys.exit(f"levelfield {' '.join(words)}: exit code {done.returncode}\n{done.stderr}")
    return done.returncode, json.loads(done.stdout) if "--json" in words else None


def slower(found: dict[str, Any]) -> list[str]:
    """The cells for which a gate fails."""
    return [row["cell"] for row in found["changes"] if row["word"] == "slower" and row["material"]]


def broken(found: dict[str, Any]) -> bool:
    """Whether launches of the new run failed: a gate fails for that too, and no time is to blame."""
    return any(one["how"] != "disturbed" for one in found["lost"])


def told(one: dict[str, Any]) -> str:
    before, after = ([cell for order in one["orders"] for cell in order[when]] for when in ("before", "after"))
    return f"{len(before)} cells looked slower, {len(after)} confirmed"


def summary(pairs: Sequence[dict[str, Any]]) -> list[str]:
    """False alarms before and after, of comparisons and of their cells, with exact 95 % intervals.

    The two orders of a pair are not independent: the interval counts them as if they were.
    """
    orders = [order for one in pairs for order in one["orders"]]
    cells = sum(order["cells"] for order in orders)
    lines = [f"{len(pairs)} pairs of runs, each in both orders:"]
    for when in ("before", "after"):
        alarms, wrong = sum(bool(order[when]) for order in orders), sum(len(order[when]) for order in orders)
        interval = binomtest(alarms, len(orders)).proportion_ci()
        share = f"{alarms / len(orders):.0%} ({interval.low:.0%} to {interval.high:.0%})"
        lines.append(f"{when} --confirm: {alarms} of {len(orders)} gates fail, {share}; {wrong} of {cells} cells")
    lines.append(f"measuring again took {sum(order['seconds'] for order in orders):.0f} s in all")
    return lines


if __name__ == "__main__":
    sys.exit(main())
