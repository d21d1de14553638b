"""One ``levelfield doctor`` from its arguments to its page."""

from __future__ import annotations

import argparse
import signal
from dataclasses import replace

from levelfield.adapters.registry import find
from levelfield.harness.doctor import tables
from levelfield.harness.doctor.examine import EFFORTS, choose, examine
from levelfield.harness.doctor.parts import PARTS
from levelfield.harness.plan import environments
from levelfield.harness.system.console import teller, warn
from levelfield.tasks.errors import unknown


def run(options: argparse.Namespace) -> int:
    """Examine and print; 0 whatever was found, 130 when it was stopped, with what was measured until then."""
    registry = find()
    adapters = registry.adapters
    for name in options.adapter:
        registry.get(name)
    for part in options.only:
        if part not in PARTS:
            raise unknown("part", part, PARTS, "levelfield doctor --help")
    warn(environments.not_passed_on(adapters, {}))
    name = "quick" if options.quick else "full" if options.full else "normal"
    effort = choose(EFFORTS[name], options.adapter, options.only)
    if options.budget is not None:
        effort = replace(effort, budget=options.budget)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whoever stops it gets the tables all the same
    found = examine(effort, adapters, options.threads, teller(options.quiet))
    print(tables.as_json(found) if options.json else tables.text(found), end="\n" if options.json else "")
    return 130 if found.stopped else 0
