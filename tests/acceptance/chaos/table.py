"""Renders docs/reliability.md from the results of ``make chaos``, ``make fuzz`` and ``make soak``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from faults import FAULTS

DOCS = Path(__file__).resolve().parents[2] / "docs"
RESULTS = DOCS / "reliability"
HEAD = """# Reliability

Written by `tests/chaos/table.py` from what `make chaos`, `make fuzz` and `make soak` measured; the results lie in
[reliability/](reliability/). Every fault is injected into real processes. *Lost* are launches that have no record when
the run has been resumed to its end, *twice* are records with the launch and the attempt of another, *orphans* are
processes that outlive their harness by ten seconds, *zombies* dead children that nobody reaps within one.
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
        f"## Faults\n\n`python tests/chaos/chaos.py`, {' and '.join(days)}, seeds {seeds}. Where the tries are"
        " fewer than those of `make chaos`, single faults were tried with `--only` and `--tries`; of rounds that were"
        " broken off for lack of time nothing is counted.\n\n"
        + table(HEADINGS, rows)
        + "\nFaults of an adapter inside its launch (crashes, exits, stalls, memory, output, grandchildren) are tested"
        "\none by one in `tests/harness/test_worker_faults.py` and `tests/harness/test_worker_limits.py`.\n"
    )


def skipping(one: dict[str, Any]) -> str:
    return one["expected"] + (f" (skipped: {one['skipped']})" if one["skipped"] else "")


COUNTS = ("lost", "twice", "orphans", "zombies")
HEADINGS = ("fault", "what shall come of it", "tries", "tries of `make chaos`", *COUNTS, "other surprises")


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
    long = result["long run"]
    rows: list[list[object]] = [
        [name, f"{row['first']:.4g}", f"{row['last']:.4g}", f"{row['ratio']:.2f}"]
        for name, row in long.items()
        if isinstance(row, dict)
    ]
    for kind, row in result["scheduling"].items():
        for name, value in row.items():
            what = f"{row['planned']:,} {kind} launches planned: {name}"
            if isinstance(value, dict):
                rows.append([what, f"{value['first']:.2g}", f"{value['last']:.2g}", f"{value['ratio']:.2f}"])
            elif name != "planned":
                rows.append([what, f"{value:.2g}", "", ""])
    return (
        f"## Long runs\n\n`make soak`, {result['date'][:10]}, {long['launches']:,} launches of a trivial adapter, on a"
        " machine that others used too. *First* and *last* are tenths of the run for memory and open files, and 500"
        " launches for times. Scheduling is all that the harness does for a launch outside its child, the writing of"
        " the record to the disk included. Memory in MB, times in seconds.\n\n"
        + table(["what", "first", "last", "last / first"], rows)
    )


def main() -> None:
    text = "\n".join([HEAD, chaos(load("chaos")), fuzz(load("fuzz")), soak(load("soak"))])
    (DOCS / "reliability.md").write_text(text)


if __name__ == "__main__":
    main()
