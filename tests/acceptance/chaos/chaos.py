"""``make chaos``: inject faults into real runs, resume them, and count what is lost, twice, or left behind.

    python tests/acceptance/chaos/chaos.py [--short] [--seed N] [--only NAME]… [--json FILE]

Exit code 0 when all counts are 0.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import platform
import random
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from faults import FAULTS
from ground import Ground, Row

from levelfield.harness.system import machine


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true", help="a few tries of each")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--only", action="append", default=[], choices=[fault.__name__ for fault in FAULTS])
    parser.add_argument("--tries", type=int, help="of each, instead of the usual number")
    parser.add_argument("--json", type=Path, help="where the results go")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        ground = Ground(Path(folder))
        for fault, (full, short) in FAULTS.items():
            if options.only and fault.__name__ not in options.only:
                continue
            row = fault(
                ground,
                options.tries or (short if options.short else full),
                random.Random(f"{options.seed} {fault.__name__}"),
            )
            rows.append(row)
            if options.json:
                write(options.json, fault.__name__, row, options.seed)
            state = f"skipped: {row.skipped}" if row.skipped else "good" if row.good else "BAD"
            counts = f"lost {row.lost}, twice {row.twice}, orphans {row.orphans}, zombies {row.zombies}"
            print(f"{row.fault}: {row.tries} tries: {counts}: {state}", flush=True)
            for wrong in row.wrong:
                print(f"  {wrong}", flush=True)
    return 0 if all(row.good for row in rows) else 1


def write(path: Path, name: str, row: Row, seed: int) -> None:
    """Put a row into the results; several processes, with seeds of their own, may add to them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        text = file.read()
        result = json.loads(text) if text else {"command": "make chaos", "rows": {}}
        facts = {
            "seed": seed,
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "commit": machine.commit(),
            "python": platform.python_version(),
        }
        result["rows"][f"{name} {seed}"] = row.as_json() | facts
        file.truncate(0)
        file.write(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
