"""Failures and skips: the reason for every empty cell, and the command that repeats it."""

from __future__ import annotations

import shlex
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from levelfield.harness.records.record import Record
from levelfield.harness.results.proved import NOT_PROVED
from levelfield.reports.findings.entries import Entry, Workload
from levelfield.reports.findings.evidence import Evidence, is_disturbed, outcome_counts
from levelfield.reports.findings.text import count, listing
from levelfield.reports.findings.words import names_absent_packages
from levelfield.reports.page.blocks import ENTRY, Column, Glance, Line, Section, Table, number, text

ORDER, SHORT, TITLE = 110, "Failures", "Failures and skips"
QUESTION = "Why is a cell empty?"
MOST_LINES = 400
MOST_LOGS = 60
LOG_END = 4000  # characters
RULE_WORDS = {"foreign": "other processes' CPU time", "steal": "stolen CPU time", "throttled": "throttling"}


@dataclass(frozen=True)
class Trouble:
    """Launches of one cell that ended the same way."""

    entry: Entry
    workload: Workload
    status: str
    reason: str
    launches: int
    of: int
    log: str
    command: str

    @property
    def where(self) -> str:
        return f"{self.workload.kind} · {self.workload.full}"

    @property
    def absent(self) -> bool:
        """Whether its framework is not installed: told in one sentence for all cells."""
        return self.status == "skipped" and names_absent_packages(self.reason)


def find(evidence: Evidence) -> tuple[Trouble, ...]:
    groups: dict[tuple[Workload, Entry, str, str], list[Record]] = defaultdict(list)
    totals: dict[tuple[Workload, Entry], int] = defaultdict(int)
    for record in evidence.latest:
        place = (Workload.of(record, evidence.run), Entry.of(record.cell))
        totals[place] += 1
        if record.status == "ok" and record.unproved:
            groups[(*place, NOT_PROVED, record.unproved)].append(record)
        elif is_disturbed(record):
            groups[(*place, "disturbed", str(record.contaminated))].append(record)
        elif record.status != "ok":
            groups[(*place, record.status, record.reason or "no reason was recorded")].append(record)
    found = []
    for (workload, entry, status, reason), own in groups.items():
        log = next((r.log for r in reversed(own) if r.log), "")
        command = repeat_command(evidence, workload, entry)
        found.append(
            Trouble(entry, workload, status, reason, len(own), totals[workload, entry], log[-LOG_END:], command)
        )
    rank = {NOT_PROVED: 0, "failed": 1, "skipped": 2, "unsupported": 3, "disturbed": 4}
    return tuple(sorted(found, key=lambda t: (rank[t.status], t.entry, t.workload.kind, t.workload.order, t.reason)))


def repeat_command(evidence: Evidence, workload: Workload, entry: Entry) -> str:
    words = ["-a", entry.adapter, "--mode", entry.mode, "-t", workload.task]
    own = " ".join(shlex.quote(w) for w in words)
    # of combined runs the first whose suite has the cell: the others select nothing and end with an error
    return " || ".join(f"{line} {own}" for line in evidence.run.command.splitlines() or [""])


def not_installed(found: Iterable[Trouble]) -> str:
    """The adapters whose frameworks are absent, in one sentence; empty where there are none."""
    names = sorted({t.entry.adapter for t in found if t.absent})
    return f"Not installed, and so left out: {', '.join(names)} (levelfield list adapters)." if names else ""


def section(evidence: Evidence) -> Section:
    found = find(evidence)
    listed = tuple(t for t in found if not t.absent)
    left = f"The first {MOST_LINES} of {len(listed)} are listed; the records hold all."
    return Section(
        sentences=tuple(filter(None, (sentence(evidence, found), not_installed(found)))),
        blocks=(table(listed),) if listed else (),
        notes=(left,) if len(listed) > MOST_LINES else (),
        extra={
            "logs": [t for t in found if t.log][:MOST_LOGS],
            "left": max(0, sum(bool(t.log) for t in found) - MOST_LOGS),
        },
        glance=glance(found) if found else None,
    )


def glance(found: Sequence[Trouble]) -> Glance:
    """How many cells, and the first reason, where it is short."""
    counted = Counter(t.status for t in found)
    told = f"Without a number: {listing([f'{n} {status}' for status, n in counted.items()])}."
    first = f" First: {found[0].entry.label}, {found[0].reason}."
    return Glance(told + first if len(first.split()) <= 20 and len(first) < 120 else told)


def sentence(evidence: Evidence, found: tuple[Trouble, ...]) -> str:
    total = len(evidence.latest)
    if not total:
        return "No launch was recorded."
    if not found:
        launches = f"Every one of the {count(total, 'launch')}" if total > 1 else "The one launch"
        return f"{launches} is ok: no cell is empty."
    counts = outcome_counts(evidence)
    told = []
    for status in (NOT_PROVED, "failed", "skipped", "unsupported", "disturbed"):
        own = [t for t in found if t.status == status]
        if own:
            parts = {"not installed" if t.absent else t.reason for t in own}
            reasons = listing(sorted(parts), most=2)
            told.append(f"{counts[status]} {status}{', set aside' if status == 'disturbed' else ''} ({reasons})")
    return f"Of {count(total, 'launch')}, {'; '.join(told)}."


def table(found: tuple[Trouble, ...]) -> Table:
    return Table(
        "failures-table",
        "Launches that gave no number, by cell and reason",
        (
            ENTRY,
            Column("Outcome", numeric=False),
            Column("Reason", numeric=False),
            Column("Launches", "of all"),
            Column("Where", numeric=False),
        ),
        tuple(
            Line.of(
                t.entry,
                t.workload,
                t.status,
                text(t.status, tone="failed" if t.status == NOT_PROVED else t.status),
                text(t.reason),
                number(f"{t.launches} of {t.of}", t.launches),
                text(t.where),
            )
            for t in found[:MOST_LINES]
        ),
    )
