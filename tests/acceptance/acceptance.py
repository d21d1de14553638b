"""``make acceptance``: measure what levelfield promises of itself, and write it into docs/trust.md.

    python tests/acceptance/acceptance.py [PART]… [-a ADAPTER]… [--budget MINUTES] [--threads N]
    python tests/acceptance/acceptance.py --table      # render what was measured, measure nothing

Without a PART all are measured, in 60 minutes; those that are named to their end, unless there is a budget. It may be
stopped at any time: every result is kept when it is there, and replaces the older one about the same.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import document
import measurements
import tables
from effort import choose
from measurements import Looked, Row
from parts import PARTS

from levelfield.adapters.registry import find
from levelfield.harness.doctor import examine
from levelfield.harness.doctor.conditions import conditions, others
from levelfield.harness.doctor.tables import short
from levelfield.harness.system import machine
from levelfield.tasks.errors import UserError, unknown

DOCS = Path(__file__).resolve().parents[2] / "docs"
SOAK = DOCS / "results" / "reliability" / "soak.json"
MARK = "acceptance"
MINUTES = 60.0


def main() -> int:
    options = _options()
    adapters = find().adapters
    for name in options.adapter:
        if name not in adapters:
            raise unknown("adapter", name, adapters, "levelfield list adapters")
    for part in options.parts:
        if part not in PARTS:
            raise unknown("part", part, PARTS, f"one of {', '.join(PARTS)}")
    document.check(options.write, MARK)
    if options.table:
        render(measurements.read(options.data), options.write)
        return 0
    here = machine.describe(True)
    found = measurements.read(options.data, here)
    minutes = options.budget or (None if options.parts else MINUTES)
    effort = choose(options.parts or list(PARTS), options.adapter, None if minutes is None else 60 * minutes)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    start = time.monotonic()
    bench = examine.prepare(options.threads, effort.seconds)
    when = datetime.now(UTC).date().isoformat()
    looked = [*conditions(cores=bench.cores), others(1.0, len(bench.cores))]
    found.looked = Looked(when, here, examine.frameworks(adapters), looked)
    chosen = [part for name, (part, _) in PARTS.items() if name in effort.parts]
    stopped = False
    try:
        for step, result in examine.measured(chosen, effort, adapters, bench, _tell, start):
            for one in result if isinstance(result, list) else [result]:
                found.add(step.part.name, Row(when, short(here.commit), bench.threads, one))
            measurements.write(found, options.data)
    except KeyboardInterrupt:
        stopped = True
    render(found, options.write)
    return 130 if stopped else 0


def render(found: measurements.Measurements, page: Path) -> None:
    """Print the tables, and put them into the document."""
    soak: dict[str, Any] | None = json.loads(SOAK.read_text(encoding="utf-8")) if SOAK.is_file() else None
    text = tables.markdown(tables.sections(found, soak))
    document.put(page, text, MARK)
    print(text, end="")


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("-a", "--adapter", action="append", default=[], metavar="NAME", help="these; repeatable")
    parser.add_argument("--budget", type=float, metavar="MINUTES", help="stop measuring then")
    parser.add_argument("--threads", type=int, metavar="N", help="default: all cores")
    parser.add_argument("--table", action="store_true", help="measure nothing, render what was measured")
    parser.add_argument("--data", type=Path, default=DOCS / "trust" / "measured.json", metavar="FILE")
    parser.add_argument("--write", type=Path, default=DOCS / "trust.md", metavar="FILE", help="a document with marks")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as error:
        sys.exit(f"error: {error.message}\n  hint: {error.hint}")
