"""Run a plain script of `tests/benchmarks/plain` in a launch of its own, where the harness' launches are made too.

It is forked from the same warm parent, so that environment, core mask and imported framework are the same, and what
differs is the harness and the adapter.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import runpy
import sys
from pathlib import Path
from typing import Any

from harness import disturbance


def run(script: Path, arguments: list[str]) -> dict[str, Any]:
    """In the worker: run `script` as ``python script arguments…`` would, and collect what it prints.

    The result has `epoch_seconds` (steady epochs, s), `loss`, `disturbance` and `contaminated` as in a record.
    """
    sys.argv = [str(script), *arguments]
    sys.path.insert(0, str(script.parent))
    output = io.StringIO()
    before = disturbance.snapshot()
    with contextlib.redirect_stdout(output):
        runpy.run_path(str(script), run_name="__main__")
    shares = disturbance.between(before, disturbance.snapshot(), os.cpu_count() or 1)
    return parse(output.getvalue()) | {"disturbance": shares, "contaminated": disturbance.verdict(shares)}


def parse(text: str) -> dict[str, Any]:
    """The JSON lines of a plain script; other lines are the framework's. Raises ValueError without steady epochs."""
    lines = []
    for line in text.splitlines():
        with contextlib.suppress(json.JSONDecodeError):
            lines.append(json.loads(line))
    facts = [line for line in lines if isinstance(line, dict)]
    times = [float(fact["seconds"]) for fact in facts if "seconds" in fact]
    if not times:
        raise ValueError("the script printed no epoch times")
    losses = [float(fact["loss"]) for fact in facts if "loss" in fact]
    return {"epoch_seconds": times, "loss": losses[-1] if losses else None}
