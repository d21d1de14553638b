"""What a whole job costs, from the import of the framework to the last of so many epochs.

For each launch: import + build + placing the data + first epoch (tracing and compiling included) + (epochs − 1) times
its median steady epoch. Of forked launches the import is that of the parent process, which they share. What began with
an empty cache of compiled code is a job of its own, beside what began with a filled one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from statistics import median

from levelfield.harness.judge.statistics import Interval
from levelfield.harness.records.record import Cache, Record, steady_epoch, step_seconds
from levelfield.reports.findings import intervals, words
from levelfield.reports.findings.break_even import CACHES, Start
from levelfield.reports.findings.entries import Workload
from levelfield.reports.findings.evidence import Evidence, Place
from levelfield.reports.findings.text import count, duration, span
from levelfield.reports.page.blocks import ENTRY, Column, Line, Table, Value, absent, facets, number, text

EPOCHS = (1, 10, 1000)
PARTS = ("import", "build", "place", "first_epoch")


@dataclass(frozen=True)
class Job:
    """`parts`: median seconds of each phase; `totals`: epochs → seconds of the whole, median over launches."""

    place: Place
    parts: Mapping[str, float]
    totals: Mapping[int, Interval]
    cache: Cache | None = None  # of compiled code on the disk, that its launches met

    @property
    def label(self) -> str:
        return self.place.entry.label + words.WITH_CACHE[self.cache]


def find(evidence: Evidence, workload: Workload, starts: Sequence[Start]) -> tuple[Job, ...]:
    """For each entry and cache whose launches recorded every phase. Of forked launches none, where cold ones exist."""
    if not workload.cold and any(_twin(workload, c.workload) for c in evidence.speed if c.measured):
        return ()
    jobs = []
    for start in starts:
        known = [r for r in evidence.speed_records(workload, start.place.entry) if complete(r)]
        for cache in CACHES:
            if own := [r for r in known if r.cache == cache]:
                parts = {name: median(r.phases[name] for r in own) for name in PARTS}
                totals = {n: intervals.median_of([seconds(r, n) for r in own]) for n in EPOCHS}
                jobs.append(Job(start.place, parts, totals, cache))
    return tuple(sorted(jobs, key=lambda j: (j.totals[EPOCHS[0]].estimate, j.label)))


def _twin(forked: Workload, other: Workload) -> bool:
    return other.cold and replace(other, cold=False) == forked


def complete(record: Record) -> bool:
    return step_seconds(record) is not None and all(isfinite(record.phases.get(p, float("nan"))) for p in PARTS)


def seconds(record: Record, epochs: int) -> float:
    """Of a job of `epochs` epochs, import included."""
    return sum(record.phases[p] for p in PARTS) + (epochs - 1) * steady_epoch(record)


def sentence(jobs: Sequence[Job]) -> str:
    """Ranges and the smallest estimates: whole jobs are described, not judged."""
    workload = jobs[0].place.workload
    told = []
    for n in EPOCHS:
        own = sorted(jobs, key=lambda j: (j.totals[n].estimate, j.label))
        low, high = own[0], own[-1]
        what = f"{duration(low.totals[n].estimate)} ({low.label})"
        if len(own) > 1:
            what += f" to {duration(high.totals[n].estimate)} ({high.label})"
        told.append(f"{what} for {count(n, 'epoch')}")
    import_ = "a cold import" if workload.cold else "the import, which forked launches share,"
    first, *later = told
    rest = "".join(f" It took {one}." for one in later)
    return f"{workload.where} a whole job with {import_} took {first}.{rest} This is described, not judged."


def table(jobs: Sequence[Job], name: str) -> Table:
    workload = jobs[0].place.workload
    lines = []
    for job in jobs:
        own = job.parts
        build = own["build"] + own["place"]
        values = [
            number(duration(own["import"]), own["import"]),
            number(duration(build), build),
            number(duration(own["first_epoch"]), own["first_epoch"]),
            *(_total(job.totals[n]) for n in EPOCHS),
        ]
        lines.append(Line((text(job.label), *values), facets(job.place.entry, workload.task, job.place.outcome)))
    return Table(
        name,
        f"The whole job: {workload.full}",
        (
            ENTRY,
            Column("Import", "of a cold process" if workload.cold else "of the warm parent, shared"),
            Column("Build", "model and data in place"),
            Column("First epoch", "compiling included"),
            *(Column(count(n, "epoch"), "in all, with its interval" if n == 1 else "in all") for n in EPOCHS),
        ),
        tuple(lines),
    )


def _total(total: Interval) -> Value:
    if not isfinite(total.estimate):
        return absent("not finite")
    few = total.n < intervals.LEAST
    detail = count(total.n, "launch") if few else span(total.low, total.high)
    return number(duration(total.estimate), total.estimate, detail=detail)


def notes(found: Sequence[Sequence[Job]]) -> tuple[str, ...]:
    """In plain words, whose import was counted."""
    workloads = [jobs[0].place.workload for jobs in found if jobs]
    if any(not w.cold for w in workloads):
        return (
            "Whole jobs of forked launches: the import was measured once, in the warm parent that the launches of a "
            "framework are forked from. Other adapters of that parent were imported along with it. So it is shared, "
            "and the intervals do not cover how much it varies. A run with --cold measures it for each launch.",
        )
    return ()
