"""Record series: every tool measures the same work under four labels, again and again, each run in equal time.

A run of a peer is its own command from start to end, so that start-up counts as it does for its user. levelfield is
there twice: blocks of all labels, as `levelfield run` makes them, and pairs in turns, as `levelfield
duel` does.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

from levelfield.adapters.registry import find
from levelfield.harness.doctor import series
from levelfield.harness.doctor.against_itself import CALIBRATION
from levelfield.harness.doctor.neighbour import neighbour
from levelfield.harness.doctor.series import TIME_LIMIT, Bench
from levelfield.harness.measure.delay import Delay
from levelfield.harness.run.duel import THREADS, Side, ground, pair

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
ADAPTER, MODE = "numpy-manual", "eager"
LABELS = {"base": 0.0, "same": 0.0, "+2%": 0.02, "+5%": 0.05}  # shares of a step
SIDE = 8.0  # seconds that one measurement of one label may take, start-up included
PYTEST_START = 1.5  # seconds of it in which pytest starts and ends
BLOCKS = 8  # of levelfield's run, between two looks at the clock
TOOLS = ("pytest-benchmark", "pyperf", "asv", "levelfield run", "levelfield duel")
NOISES = ("quiet", "neighbour")


def append(file: Path, line: dict[str, Any]) -> None:
    """One more line, on the disk when this returns: a recording may be stopped at any time."""
    data = gzip.compress(json.dumps(line).encode() + b"\n")
    with file.open("ab") as stream:
        stream.write(data)


def record(bench: Bench, folder: Path, file: Path, seconds: float, tell: Callable[[str], None]) -> None:
    """All series, in equal parts of `seconds`; a line of `file` for every cycle through the labels."""
    data = folder / "task.npz"
    bench.task.save(data)
    step = _step(bench)
    append(file, {"step_seconds": step, "side_seconds": SIDE, "threads": bench.threads})
    end = time.monotonic() + seconds
    parts = [(noise, tool) for noise in NOISES for tool in TOOLS]
    for done, (noise, tool) in enumerate(parts):
        now = time.monotonic()
        until = now + max(end - now, 0.0) / (len(parts) - done)
        tell(f"{tool}, {noise}: {until - now:.0f} s")
        with neighbour() if noise == "neighbour" else nullcontext():
            cycles = {"levelfield run": partial(_run, bench), "levelfield duel": partial(_duel, bench)}.get(
                tool, partial(_peer, bench, tool, data)
            )
            for cycle in cycles(step, until):
                append(file, {"tool": tool, "noise": noise, **cycle})


def _step(bench: Bench) -> float:
    """Seconds of one undelayed step: the median over some launches."""
    info = find().adapters[ADAPTER]
    with bench.launcher({info.name: info}) as launcher:
        side = Side(info, series.cell(info, MODE, bench.threads))
        found = series.record(launcher, bench, {info.name: side}, 9, lambda: False)
    if info.name not in found.values:
        raise SystemExit(f"the step could not be calibrated: {found.failure or found.nothing()}")
    return median(found.values[info.name].values()) / (len(bench.task.train.x) // series.RECIPE.batch_size)


def _run(bench: Bench, step: float, until: float) -> Iterator[dict[str, Any]]:
    info = find().adapters[ADAPTER]
    work = series.cell(info, MODE, bench.threads)
    sides = {label: Side(info, work, (Delay(seconds=share * step),)) for label, share in LABELS.items()}
    with bench.launcher({info.name: info}) as host:
        first = 0
        while time.monotonic() < until:
            found = series.record(host, bench, sides, BLOCKS, lambda: time.monotonic() >= until, first)
            if found.failure is not None:
                raise SystemExit(f"a launch failed: {found.failure}")
            yield {"values": found.values, "wall": found.wall, "short": found.short}
            first += BLOCKS


def _duel(bench: Bench, step: float, until: float) -> Iterator[dict[str, Any]]:
    """A cycle is a pair of each label with the base. Delays are shares of a step of a duel, which has one thread."""
    info, shuffle = find().adapters[ADAPTER], random.Random(0)
    work = series.cell(info, MODE, THREADS)

    def side(label: str) -> Side:
        return Side(info, work, wrap=(Delay(seconds=LABELS[label] * step),))

    plain = Side(info, work)
    with ground(plain, plain, bench.task, bench.machine, TIME_LIMIT) as host:
        first = [pair(host, side("base"), side("base"), block) for block in range(CALIBRATION)]
        step = median(one.second for one in first if one) / (len(bench.task.train.x) // series.RECIPE.batch_size)
        for block in count():
            values: dict[str, dict[int, float]] = {}
            wall: dict[str, dict[int, float]] = {}
            others = [label for label in LABELS if label != "base"]
            for label in shuffle.sample(others, len(others)):
                if time.monotonic() >= until:
                    return
                made = pair(host, side(label), side("base"), block)
                wall |= {label: {block: 0.0 if made is None else made.wall}, f"{label} base": {block: 0.0}}
                if made is not None:
                    values |= {label: {block: made.first}, f"{label} base": {block: made.second}}
            yield {"values": values, "wall": wall, "step_seconds": step}


def _peer(bench: Bench, tool: str, data: Path, step: float, until: float) -> Iterator[dict[str, Any]]:
    """A cycle measures every label once, in random order; none is begun that could not be ended in time."""
    shuffle = random.Random(0)
    took = len(LABELS) * SIDE
    while time.monotonic() + took <= until:
        start = time.monotonic()
        values, wall = {}, {}
        for label in shuffle.sample(list(LABELS), len(LABELS)):
            begun = time.monotonic()
            values[label] = RUNS[tool](data.parent, _environment(bench, data, LABELS[label] * step))
            wall[label] = round(time.monotonic() - begun, 3)
        took = time.monotonic() - start
        yield {"values": values, "wall": wall}


def _environment(bench: Bench, data: Path, delay: float) -> dict[str, str]:
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(bench.threads))
    path = os.pathsep.join([str(ROOT), str(HERE)])
    return os.environ | threads | {"PYTHONPATH": path, "VERSUS_DATA": str(data), "VERSUS_DELAY": repr(delay)}


def _python(arguments: list[str], folder: Path, variables: dict[str, str]) -> str:
    """What a script prints; pinned to nothing, as the tools leave it by default."""
    done = subprocess.run([sys.executable, *arguments], cwd=folder, env=variables, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(arguments)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def pytest_benchmark(folder: Path, variables: dict[str, str], side: float = SIDE) -> dict[str, float]:
    """One process: calibrated rounds for as long as there is time. Its own statistics."""
    file = folder / "pytest.json"
    options = ["-q", "--noconftest", "-c", os.devnull, "--rootdir", str(folder), "-p", "no:cacheprovider"]
    options += [f"--benchmark-max-time={side - PYTEST_START:g}", f"--benchmark-json={file}"]
    _python(["-m", "pytest", str(HERE / "sample_pytest.py"), *options], folder, variables)
    (found,) = json.loads(file.read_text())["benchmarks"]
    return {name: found["stats"][name] for name in ("min", "mean", "median", "stddev", "rounds")}


def pyperf(folder: Path, variables: dict[str, str], processes: int = 20) -> list[list[float]]:
    """20 processes of 3 values after a warm-up each, as by default; values are shorter, so that they fit."""
    file = folder / "pyperf.json"
    file.unlink(missing_ok=True)
    options = ["-p", str(processes), "-n", "3", "-w", "1", "--min-time", "0.02", "-q", "-o", str(file)]
    options += ["--inherit-environ", "VERSUS_DATA,VERSUS_DELAY,PYTHONPATH,OMP_NUM_THREADS,OPENBLAS_NUM_THREADS"]
    _python([str(HERE / "sample_pyperf.py"), *options], folder, variables)
    import pyperf as tool

    runs = tool.Benchmark.load(str(file)).get_runs()
    return [[_short(value) for value in run.values] for run in runs if run.values]


def asv(folder: Path, variables: dict[str, str], side: float = SIDE) -> list[float]:
    """Processes of 5 samples each, as asv's two rounds by default, but as many rounds as there is time for."""
    samples: list[float] = []
    start, took = time.monotonic(), 0.0
    while time.monotonic() - start + took <= side:
        begun = time.monotonic()
        samples += map(_short, json.loads(_python([str(HERE / "sample_asv.py")], folder, variables)))
        took = time.monotonic() - begun
    return samples


def _short(seconds: float) -> float:
    return float(f"{seconds:.6g}")


RUNS: dict[str, Callable[[Path, dict[str, str]], Any]] = {
    "pytest-benchmark": pytest_benchmark,
    "pyperf": pyperf,
    "asv": asv,
}
