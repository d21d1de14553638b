"""``make versus``: the same pairs under pytest-benchmark, pyperf, asv and levelfield, judged by each tool's own rules.

    python tests/acceptance/versus/versus.py [--short | --minutes N] [--data FILE] [--write FILE]
    python tests/acceptance/versus/versus.py --table      # judge what was recorded, measure nothing

Records for 85 minutes (--short: 20). It may be stopped at any time: what was recorded is kept and judged.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import record
import replay
import table

sys.path.append(str(Path(__file__).resolve().parents[1]))
import document

from levelfield.harness.doctor.series import TASK, Bench
from levelfield.harness.system import machine
from levelfield.tasks import registry

ROOT = Path(__file__).resolve().parents[3]
MINUTES, SHORT = 85.0, 20.0
LAUNCH_SECONDS = 0.1  # of steady epochs in a launch of levelfield


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    much = parser.add_mutually_exclusive_group()
    much.add_argument("--short", action="store_true", help=f"record for {SHORT:g} minutes only")
    much.add_argument("--minutes", type=float, default=MINUTES, help="record for so long")
    much.add_argument("--table", action="store_true", help="record nothing, judge again")
    parser.add_argument("--data", type=Path, default=ROOT / "docs" / "results" / "versus" / "series.jsonl.gz")
    parser.add_argument(
        "--write", type=Path, default=ROOT / "docs" / "results" / "versus.md", help="a document with the marks"
    )
    options = parser.parse_args()
    document.check(options.write, table.MARK)
    if not options.table:
        _record(options.data, SHORT if options.short else options.minutes)
    lines = replay.read(options.data)
    head = {key: value for line in lines if "tool" not in line for key, value in line.items()}
    text = table.markdown(head, replay.rows(lines))
    document.put(options.write, text, table.MARK)
    print(text, end="")
    return 0


def _record(file: Path, minutes: float) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    cores = machine.cores()
    here = machine.describe(anonymous=True)
    tools = ("pytest-benchmark", "pyperf", "asv", "asv_runner", "numpy")
    record.append(
        file,
        {
            "command": "make versus" + ("" if minutes == MINUTES else f" VERSUS='--minutes {minutes:g}'"),
            "minutes": minutes,
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": here.model_dump(),
            "versions": {name: version(name) for name in tools},
        },
    )
    bench = Bench(registry.load(TASK), here, cores, len(cores), LAUNCH_SECONDS)
    with tempfile.TemporaryDirectory(prefix="versus-") as folder:
        try:
            record.record(bench, Path(folder), file, 60 * minutes, lambda line: print(line, file=sys.stderr))
        except KeyboardInterrupt:
            print("stopped: what was recorded so far is judged", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
