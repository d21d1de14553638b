"""Run a plain script in a launch of its own, where the harness' launches are made too.

It is forked from the same warm parent, so that environment, core mask and imported framework are the same, and what
differs is the harness and the adapter.
"""

from __future__ import annotations

import contextlib
import io
import json
import runpy
from pathlib import Path
from typing import Any

from levelfield.harness.measure.turns import Turns

RUNNER = Path(__file__).resolve().parent / "plain" / "run.py"


def run(arguments: list[str]) -> dict[str, Any]:
    """In the worker: run a script as ``python plain/run.py arguments…`` would, in turns with a launch.

    The first arguments are the folder of their turns, the own side, and the least epochs of a turn. The result has
    `epoch_seconds` (steady epochs, s), `turns` (the epochs of each) and `loss`.
    """
    folder, side, least, *rest = arguments
    turns = Turns(Path(folder), side, int(least))
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        runpy.run_path(str(RUNNER))["main"](rest, turns.epoch_end)
    return parse(output.getvalue()) | {"turns": turns.epochs}


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
