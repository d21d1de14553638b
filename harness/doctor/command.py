"""One ``levelfield doctor`` from its arguments to its page."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace

from adapters.registry import find
from harness.doctor import tables
from harness.doctor.examine import EFFORTS, choose, examine
from tasks.errors import UserError, unknown


def run(options: argparse.Namespace) -> int:
    """Examine and print; 0 whatever was found."""
    adapters = find().adapters
    for name in options.adapter:
        if name not in adapters:
            raise unknown("adapter", name, adapters, "levelfield list adapters")
    if options.write is not None and not options.write.is_file():
        raise UserError(f"{options.write}: is not a file", f"give a document with the marks {tables.START}")
    effort = choose(EFFORTS["quick" if options.quick else "full" if options.full else "normal"], options.adapter)
    if options.budget is not None:
        effort = replace(effort, budget=options.budget)

    def tell(line: str) -> None:
        if not options.quiet:
            print(line, file=sys.stderr)

    found = examine(effort, adapters, options.threads, tell)
    if options.write is not None:
        tables.write(found, options.write)
    print(tables.as_json(found) if options.json else tables.text(found), end="\n" if options.json else "")
    return 0
