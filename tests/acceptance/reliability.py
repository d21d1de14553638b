"""Renders docs/results/reliability.md from the results of ``make chaos``, ``make fuzz`` and ``make soak``."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import costs

sys.path.append(str(Path(__file__).resolve().parent / "chaos"))
from faults import FAULTS

DOCS = Path(__file__).resolve().parents[2] / "docs"
RESULTS = DOCS / "results" / "reliability"
HEAD = """# Reliability

For anyone who asks what is lost when something breaks during a run.

`tests/acceptance/reliability.py` wrote this page from the results of `make chaos`, `make fuzz` and `make soak`, which
are in [reliability/](reliability/). Every fault is injected into real processes. *Lost* launches have no record after
the run was resumed to its end. *Twice* are second records of a launch, unless its whole block was made again. *Orphans*
outlive their harness by ten seconds. *Zombies* are dead children not reaped within one.
"""


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    numbers = ["---" if n == 0 or not isinstance(row, int) else "---:" for n, row in enumerate(rows[0])] if rows else []
    lines = [head, numbers, *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines) + "\n"


def load(name: str) -> dict[str, Any] | None:
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def chaos(result: dict[str, Any] | None) -> str:
    if result is None:
        return "## Faults\n\nNot measured: `make chaos`.\n"
    faults: dict[str, dict[str, Any]] = {}
    full = {fault.__name__: tries for fault, (tries, _) in FAULTS.items()}
    for key, row in result["rows"].items():
        one = faults.setdefault(row["fault"], dict.fromkeys(("tries", *COUNTS, "wrong"), 0) | {"skipped": None})
        for count in ("tries", *COUNTS):
            one[count] += row[count]
        one["full"] = full[key.split()[0]]
        one["wrong"] += len(row["wrong"])
        one["skipped"] = one["skipped"] or row["skipped"]
        one["expected"] = row["expected"]
    rows = [
        [name, skipping(one), *(one[key] for key in ("tries", "full", *COUNTS, "wrong"))]
        for name, one in faults.items()
    ]
    days = sorted({row["date"][:10] for row in result["rows"].values()})
    seeds = ", ".join(sorted({str(row["seed"]) for row in result["rows"].values()}))
    return (
        f"## Faults\n\n`python tests/acceptance/chaos/chaos.py`, {' and '.join(days)}, seeds {seeds}. Where the tries"
        " are fewer than those of `make chaos`, single faults were tried with `--only` and `--tries`; rounds that"
        " were broken off do not count.\n\n"
        + table(HEADINGS, rows)
        + "\nFaults of an adapter inside its launch (crashes, exits, stalls, memory, output, grandchildren) are tested"
        "\none by one in `tests/harness/test_worker_faults.py` and `tests/harness/test_worker_limits.py`.\n"
    )


def skipping(one: dict[str, Any]) -> str:
    return one["expected"] + (f" (skipped: {one['skipped']})" if one["skipped"] else "")


COUNTS = ("lost", "twice", "orphans", "zombies")
HEADINGS = ("fault", "expected", "tries", "tries of `make chaos`", *COUNTS, "other surprises")


def fuzz(result: dict[str, Any] | None) -> str:
    if result is None:
        return "## Bad input\n\nNot measured: `make fuzz`.\n"
    rows: list[list[Any]] = [
        [what, sum(codes.values()), *(codes.get(code, 0) for code in "0253")] for what, codes in result["rows"].items()
    ]
    rows.append(["all", *(sum(row[n] for row in rows) for n in range(1, 6))])
    head = ["what was fuzzed", "examples", "accepted (0)", "refused with a message (2)", "nothing selected (5)"]
    said = f"`{result['command']}`, {result['date'][:10]} (`make fuzz` asks for 10,000);"
    said += " exit code 3 is a traceback that was held back:"
    return f"## Bad input\n\n{said}\n\n" + table([*head, "tracebacks (3)"], rows)


def soak(result: dict[str, Any] | None) -> str:
    if result is None:
        return "## Long runs\n\nNot measured: `make soak`.\n"
    rows: list[list[object]] = []
    for line in costs.lines(result):
        digits = ".4g" if line.what in result["long run"] else ".2g"
        last, ratio = ("", "") if line.last is None else (f"{line.last:{digits}}", f"{line.ratio:.2f}")
        word = "" if line.holds is None else "holds" if line.holds else "does not hold"
        rows.append([line.what, f"{line.first:{digits}}", last, ratio, line.bar, word])
    return (
        f"## Long runs\n\n`make soak`, {result['date'][:10]}, {result['long run']['launches']:,} launches of a trivial"
        " adapter, on a machine that others used too. *First* and *last* are tenths of the run for memory and open"
        " files, and 500 launches for times. Scheduling is all that the harness does for a launch outside its child,"
        " the writing of the record to the disk included. Memory in MB, times in seconds. How the time with the disk"
        " grows is not judged, because the disk waits for whoever else uses it; that it stays below 20 ms is."
        " [Row 6 of the bars](../trust.md#the-bars) is the worst of these lines.\n\n"
        + table(["what", "first", "last", "last / first", "bar", "word"], rows)
    )


def text() -> str:
    """The whole document."""
    return "\n".join([HEAD, chaos(load("chaos")), fuzz(load("fuzz")), soak(load("soak"))])


def main() -> None:
    (DOCS / "results" / "reliability.md").write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
