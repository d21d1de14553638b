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

from levelfield.harness.measure.turns import Line, Turns

RUNNER = Path(__file__).resolve().parent / "plain" / "run.py"


def run(arguments: list[str]) -> dict[str, Any]:
    """In the worker: run a script as ``python plain/run.py arguments…`` would, in turns with a launch.

    The first argument is the stem of the line on which it is told its turns. The result has `epoch_seconds` (steady
    epochs, s), `turns` and `loss`.
    """
    stem, *rest = arguments
    turns = Turns(Line(Path(stem)), 0.0)

    def goes_on(seconds: list[float]) -> bool:
        if turns.add(seconds[-1]):
            if turns.command == "end":
                return False
            turns.next()
        return True

    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        runpy.run_path(str(RUNNER))["main"](rest, goes_on)
    return parse(output.getvalue()) | {"turns": [turn.model_dump() for turn in turns.taken]}


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
