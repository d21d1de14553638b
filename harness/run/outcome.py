"""How a run ended: counts with reasons, and how many of the planned launches were made."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from levelfield.harness.judge.statistics import LEAST_BLOCKS
from levelfield.harness.plan.launches import Launch
from levelfield.harness.records import store
from levelfield.harness.records.record import Record, Run
from levelfield.harness.system.numbers import counted


@dataclass
class Outcome:
    """What the command line reports; `folder` is None when nothing was run.

    `compared`: whether a timed comparison was asked for; `judgeable`: with blocks enough for a verdict.
    """

    code: int
    folder: Path | None = None
    lines: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    compared: bool = False
    judgeable: bool = False


def summarise(folder: Path, took: str, launches: Sequence[Launch], interrupted: bool, certified: bool) -> Outcome:
    """Counts with reasons, from the records on the disk; `launches` are all that were planned."""
    stored = store.read(folder)
    counts: Counter[str] = Counter(record.status for record in stored.records)
    parts = [f"{counts['ok']} ok"] + [f"{counts[s]} {s}" for s in ("failed", "unsupported", "skipped") if counts[s]]
    lines = [f"{', '.join(parts)} in {took}"]
    reasons = Counter((r.status, r.cell.adapter, r.reason or "") for r in stored.records if r.status != "ok")
    lines += [f"  {status}: {adapter}: {reason} (×{n})" for (status, adapter, reason), n in sorted(reasons.items())]
    lines += [told] if (told := unfinished(stored.run, stored.records)) else []
    code = 130 if interrupted else 1 if counts["failed"] else 0
    blocks = most_blocks(launches, stored.run.baseline) if certified else 0
    return Outcome(code, folder, lines, dict(counts), blocks > 0, blocks >= LEAST_BLOCKS)


def unfinished(run: Run, records: Sequence[Record]) -> str | None:
    """``6 of 60 launches: interrupted; go on with: …``; None where all was made, or an older head does not tell."""
    if run.planned is None or run.ended == "complete":
        return None
    made = len({record.place for record in records if record.status in ("ok", "failed")})
    whole = f"at most {counted(run.planned, 'launch')}" if run.at_most else counted(run.planned, "launch")
    how = "interrupted" if run.ended == "interrupted" else "not ended"
    return f"{made:,} of {whole}: {how}; go on with: {resume_command(run.folder or run.name)}"


def resume_command(folder: Path | str) -> str:
    return f"levelfield run --resume {shlex.quote(str(folder))}"


def most_blocks(launches: Sequence[Launch], baseline: str) -> int:
    """Blocks in which the baseline and another one shall be timed on the same work, where these are most; 0: never."""
    blocks = Counter(launch.cell for launch in launches if launch.cell.kind == "speed" and not launch.skip)
    pairs = [
        min(blocks[base], blocks[other])
        for base in blocks
        if base.adapter == baseline
        for other in blocks
        if other != base and other.workload == base.workload
    ]
    return max(pairs, default=0)
