"""Right timed launches, of every adapter in every mode, and what the proof of timed work says of them: nothing.

``python tests/certify/right_launches.py [COUNT] [--recipe NAME] [--json FILE]`` makes COUNT launches (500), as a run
makes them, of several workloads (those of one recipe), and prints a table of them: how many were refused, how far the
worst weights were off, and what looking at them cost. With FILE the launches are appended to it, one JSON object a
line, and count with those in it.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterable
from itertools import chain, groupby
from pathlib import Path
from typing import Any

from levelfield.adapters.registry import find
from levelfield.harness.launch.local import LocalHost
from levelfield.harness.plan import devices, environments, suite
from levelfield.harness.plan.launches import Launch, Surroundings, plan
from levelfield.harness.system import machine
from levelfield.tasks import registry

SUITE = """
name = "right"
baseline = "numpy-manual"
peaks = false

[models]
single = { hidden = [] }
small = { hidden = [16] }
deep = { hidden = [32, 16], activation = "tanh", l2 = 0.001 }
dropped = { hidden = [16], dropout = 0.25 }
two = { hidden = [2], activation = "tanh" }
wide = { hidden = [128] }

[recipes]
momentum = { optimizer = "momentum", learning-rate = 0.05, batch-size = 16, epochs = 20 }
small-rate = { optimizer = "momentum", learning-rate = 0.01, batch-size = 32, epochs = 20 }
sgd = { optimizer = "sgd", learning-rate = 0.1, batch-size = 16, epochs = 20 }
nesterov = { optimizer = "nesterov", learning-rate = 0.02, batch-size = 16, epochs = 20 }
adam = { optimizer = "adam", learning-rate = 0.002, batch-size = 16, epochs = 20 }
full-batch = { optimizer = "adam", learning-rate = 0.2, batch-size = 5, epochs = 400 }
"""
# task, model, recipe, and what else a part says; compiled torch, which compiles for seconds, in the first alone
WORKLOADS = [
    ("digits", "wide", "small-rate", "compile"),
    ("digits", "wide", "adam", ""),
    ("iris", "small", "momentum", ""),
    ("iris", "single", "sgd", ""),
    ("wine", "deep", "nesterov", ""),
    ("breast-cancer", "small", "adam", ""),
    ("iris", "dropped", "momentum", ""),
    ("five-points", "two", "full-batch", ""),
    ("iris", "small", "momentum", 'track = "idiomatic"'),
    ("iris", "small", "momentum", 'precision = "bfloat16"'),
    ("iris", "small", "momentum", "replicas = [2]"),
]
UNTIMED = '["numpy-manual", "torch-autograd", "jax-grad", "keras-jax"]'  # whose own untimed launches are the band
SECONDS = 0.1
BLOCKS = 12


def launches(there: Surroundings) -> list[Launch]:
    """Block by block, as many as there may be; untimed ones of the idiomatic track first."""
    parts = [SUITE]
    for task, model, recipe, more in WORKLOADS:
        where = f'task = "{task}"\nmodel = "{model}"\nrecipe = "{recipe}"\nmodes = "all"\n'
        rest = more if "=" in more else ""
        if "idiomatic" in more:
            parts.append(f"[[learning]]\n{where}{more}\nadapters = {UNTIMED}\nseeds = 1\n")
        parts.append(f"[[speed]]\n{where}{rest}\nblocks = {BLOCKS}\nseconds = {SECONDS}\nthreads = 1\n")
    planned = plan(suite.parse("\n".join(parts), Path("right.toml")), there)
    return [one for one in planned if not one.skip and not _too_dear(one)]


def _too_dear(launch: Launch) -> bool:
    cell = launch.cell
    first = (cell.model.name, cell.recipe.name, cell.replicas) == ("wide", "small-rate", 1)
    return cell.mode == "compile" and not (first and launch.block < 3)


def made(count: int, recipe: str | None) -> Iterable[dict[str, Any]]:
    """What came of each timed launch."""
    adapters = {name: info for name, info in find().adapters.items() if info.builtin}
    tasks = {task: registry.load(task) for task in dict.fromkeys(task for task, *_ in WORKLOADS)}
    own = environments.find({}, {name for info in adapters.values() for name in info.distributions})
    without = devices.lacking({"cpu"}, adapters, own, ())
    there = Surroundings(adapters, tasks, len(machine.cores()), own, without)
    with LocalHost(adapters, tasks, machine.describe(True), machine.cores(), 300.0, probes=False) as launcher:
        wanted = [one for one in launches(there) if recipe in (None, one.cell.recipe.name)]
        for launch in wanted:
            if launch.cell.kind == "learning":
                launcher.launch(launch)
        timed = [one for one in wanted if one.cell.kind == "speed"][:count]
        blocks = groupby(sorted(timed, key=lambda one: one.block), key=lambda one: one.block)
        for record in chain.from_iterable(launcher.block(list(block)) for _, block in blocks):
            cell = record.cell
            yield {
                "workload": f"{cell.task}, {cell.model.name}, {cell.recipe.name}"
                + (f", {cell.track}" if cell.track != "matched" else "")
                + (f", {cell.precision}" if cell.precision != "float32" else "")
                + (f", {cell.over}" if cell.over else ""),
                "adapter": f"{cell.adapter} · {cell.mode}",
                "status": record.status,
                "reason": record.reason,
                "unproved": record.unproved,
                "proof": record.proof,
                "epochs": 1 + len(record.epoch_seconds),
                "wall": record.wall_seconds,
                "cost": record.phases.get("proof"),
            }


def table(found: list[dict[str, Any]]) -> str:
    """By workload, then the cost by adapter, as Markdown."""
    rows = ["| workload | launches | refused | failed | most epochs | weights off by, at most |", "| --- " * 6 + "|"]
    by_workload, by_adapter = defaultdict(list), defaultdict(list)
    for one in found:
        by_workload[one["workload"]].append(one)
        if one["cost"] is not None:
            by_adapter[one["adapter"]].append(one)
    for workload, own in [*sorted(by_workload.items()), ("all", found)]:
        refused = sum(one["unproved"] is not None for one in own)
        failed = sum(one["status"] != "ok" for one in own)
        offs = [m[1] for one in own if (m := re.match(r"off by (\S+) of", one["proof"].get("weights", "")))]
        worst = f"{max(map(float, offs)):.1e} ({len(offs)} launches)" if offs else "not checked"
        most = max(one["epochs"] for one in own)
        rows.append(f"| {workload} | {len(own)} | {refused} | {failed} | {most} | {worst} |")
    rows += ["", "| adapter | launches | proof, share of the launches' time | highest of one |", "| --- " * 4 + "|"]
    for adapter, own in [*sorted(by_adapter.items()), ("all", [one for one in found if one["cost"] is not None])]:
        whole = sum(one["cost"] for one in own) / max(sum(one["wall"] for one in own), 1e-9)
        highest = max((one["cost"] / one["wall"] for one in own), default=0.0)
        rows.append(f"| {adapter} | {len(own)} | {100 * whole:.1f} % | {100 * highest:.1f} % |")
    return "\n".join(rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", nargs="?", type=int, default=500)
    parser.add_argument("--recipe")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found: list[dict[str, Any]] = []
    if options.json and options.json.exists():
        found = [json.loads(line) for line in options.json.read_text(encoding="utf-8").splitlines()]
    for one in made(options.count, options.recipe):
        found.append(one)
        if one["unproved"] or one["status"] != "ok":
            print(f"{one['adapter']}, {one['workload']}: {one['unproved'] or one['reason']} {one['proof']}", flush=True)
        if options.json:
            with options.json.open("a", encoding="utf-8") as file:
                print(json.dumps(one), file=file)
    print(table(found))
    return int(any(one["unproved"] or one["status"] != "ok" for one in found))


if __name__ == "__main__":
    sys.exit(main())
