"""One ``levelfield explain`` from its arguments to what it prints."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

from levelfield.adapters.registry import AdapterInfo, Registry, find
from levelfield.harness.cli.duel import named, parse, speed_work, workload
from levelfield.harness.cli.explain_text import text
from levelfield.harness.explain.ladder import Climb
from levelfield.harness.explain.rungs import Side, counterpart, rungs, whole_batches
from levelfield.harness.explain.spent import look
from levelfield.harness.measure.profile import Profile
from levelfield.harness.plan import environments
from levelfield.harness.run.duel import ground, unproved
from levelfield.harness.system import machine, variables
from levelfield.harness.system.console import teller, warn
from levelfield.tasks.errors import UserError


def run(options: argparse.Namespace) -> int:
    """Explain and print; 0 with a ladder, 1 without one, 130 when it was stopped, with what was measured until then."""
    registry = find()
    given = variables.passed(dict(options.env))
    warn([*registry.problems, *environments.not_passed_on(registry.adapters, dict(options.env))])
    names = sides(options.adapter, options.against, registry)
    chosen, surroundings, planned = speed_work(options, registry.adapters, names, options.threads)
    if options.against is None:  # the one below it is not asked for: where the suite has it not, there is none
        able = {launch.cell.adapter for launch in planned if not launch.skip}
        names = names[:1] + [one for one in names[1:] if one[0].name in able]
    found = workload(planned, (names[0], names[-1]), options.workload)
    if options.trace is not None:
        make_folder(options.trace)
    side, *others = (Side(info, launch.cell) for (info, _), launch in zip(names, found, strict=False))
    other = others[0] if others else None
    task = whole_batches(surroundings.tasks[side.cell.task], side.cell.recipe.batch_size)
    climb = Climb(rungs(side, other, task))
    tell = teller(options.quiet)
    tell("certifying, where not done before")
    cells = dict.fromkeys(one.cell for one in climb.left)
    if failed := unproved([replace(found[0], cell=cell) for cell in cells], surroundings):
        print(
            f"not explained, because not certified: {', '.join(failed)} (levelfield certify shows why)", file=sys.stderr
        )
        return 1
    here, stopped = machine.describe(True), False
    looked: dict[str, Profile | str] = {}
    limit, where = chosen.time_limit, surroundings.environments
    try:
        with ground(side, other or side, task, here, limit, where) as host:
            end = time.monotonic() + options.budget
            for number in range(options.blocks):
                if time.monotonic() >= end or climb.decided(options.precision):
                    break
                climb.block(host, number)
                tell(f"block {number + 1} of at most {options.blocks}")
            for one in filter(None, (side, other)):
                tell(f"looking at {one.label}")
                looked[one.label] = look(host, one, options.trace)
    except KeyboardInterrupt:
        stopped = True
    ladder = climb.ladder
    if options.json:
        about = {
            "adapter": side.label,
            "against": None if other is None else other.label,
            "workload": named(side.cell),
            "threads": options.threads,
            "ladder": ladder.model_dump(),
            "profiles": {label: one if isinstance(one, str) else one.model_dump() for label, one in looked.items()},
            "machine": here.model_dump(mode="json"),
            "variables": variables.kept(os.environ, given) | dict(given),
        }
        print(json.dumps(about, indent=1))
    else:
        print("\n".join(text(side, other, named(side.cell), ladder, looked)))
    return 130 if stopped else 0 if len(ladder.rungs) > 1 else 1


def sides(first: str, against: str | None, registry: Registry) -> list[tuple[AdapterInfo, str]]:
    """The adapter and its mode, and the other one's: as asked, or the low-level API below it, if there is one."""
    info, mode = parse(first, registry)
    if against is not None:
        if (other := parse(against, registry)) == (info, mode):
            raise UserError("--against names the adapter itself, in the same mode", "name another adapter or mode")
        return [(info, mode), other]
    below = counterpart(info, registry.adapters.values())
    if below is None:
        return [(info, mode)]
    return [(info, mode), (below, mode if mode in below.modes else below.modes[0])]


def make_folder(path: Path) -> None:
    """For traces. Raises UserError where it cannot be made."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--trace {path}: {error.strerror}", "name a folder that can be written") from None
