"""What the page finds beyond single launches, as tidy pandas frames for notebooks.

from levelfield.reports import frames

found = frames.load(results.folder)
found.tax[["adapter", "against", "ratio", "ratio_low", "ratio_high"]]
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from levelfield.adapters import registry
from levelfield.harness.judge.statistics import Interval
from levelfield.harness.records import store
from levelfield.reports.findings import whole_job
from levelfield.reports.findings.certificates import summary
from levelfield.reports.findings.entries import Entry, Workload
from levelfield.reports.findings.evidence import Evidence, gather
from levelfield.reports.sections import accuracy, startup, tax

if TYPE_CHECKING:
    import pandas

Row = dict[str, Any]


class Findings(NamedTuple):
    """Intervals are three columns: NAME, NAME_low and NAME_high, None where the finding has none.

    * ``tax``: a higher API against a lower one, `ratio` of their steps and `extra_seconds` a step;
    * ``break_even``: after how many `steps` a compiled mode has paid for its first step, against eager;
    * ``whole_job``: `seconds` from the import to the last of so many `epochs`;
    * ``to_accuracy``: `epochs` (median of the seeds that reached it) and `seconds` to the `target`, an accuracy.

    `cache` in two of them: "empty" or "filled", of a framework that keeps compiled code on the disk; otherwise None.
    """

    tax: pandas.DataFrame
    break_even: pandas.DataFrame
    whole_job: pandas.DataFrame
    to_accuracy: pandas.DataFrame


def load(folder: str | Path, baseline: str | None = None) -> Findings:
    """What the report of a run concludes, as frames. Raises UserError when there is no run in this folder."""
    import pandas

    stored = store.read(Path(folder))
    evidence = gather(
        stored.run,
        stored.records,
        baseline=baseline,
        certificates=[summary(certificate) for certificate in stored.certificates],
        adapters=registry.find().adapters,
    )
    return Findings(*(pandas.DataFrame(rows) for rows in tables(evidence)))


def tables(evidence: Evidence) -> tuple[list[Row], list[Row], list[Row], list[Row]]:
    """The rows of the four frames."""
    taxes = [
        _place(t.workload, t.high.entry)
        | {"against": t.low.entry.adapter, "against_mode": t.low.entry.mode, "verdict": t.verdict.word}
        | _interval("ratio", t.verdict.ratio)
        | _interval("extra_seconds", t.extra)
        for comparison in evidence.speed
        for t in tax.find(comparison)
    ]
    paybacks: list[Row] = []
    jobs: list[Row] = []
    for comparison in evidence.speed:
        starts, found = startup.find(evidence, comparison)
        paybacks += [
            _place(p.workload, p.compiled.place.entry)
            | {"against_mode": p.eager.place.entry.mode, "verdict": p.verdict.word, "cache": cache}
            | _interval("steps", p.steps.get(cache))
            for p in found
            for cache in p.compiled.costs
        ]
        jobs += [
            _place(job.place.workload, job.place.entry)
            | {"epochs": epochs, "cache": job.cache}
            | _interval("seconds", total)
            for job in whole_job.find(evidence, comparison.workload, starts)
            for epochs, total in job.totals.items()
        ]
    reached = [
        _place(race.study.workload, reach.learner.entry)
        | {"target": race.target, "seeds": len(reach.epochs) + reach.missed, "reached": len(reach.epochs)}
        | {"epochs": reach.middle, "seconds": reach.seconds}
        for race in accuracy.find(evidence)
        for reach in race.reaches
    ]
    return taxes, paybacks, jobs, reached


def _place(workload: Workload, entry: Entry) -> Row:
    where = {"task": workload.task, "model": workload.model.name, "recipe": workload.recipe.name}
    names = ("track", "device", "threads", "precision", "cold", "replicas", "replication")
    of_entry = ("adapter", "mode", "feed", "environment")
    how = {name: getattr(workload, name) for name in names} | {name: getattr(entry, name) for name in of_entry}
    return where | how


def _interval(name: str, interval: Interval | None) -> Row:
    values = (None, None, None) if interval is None else (interval.estimate, interval.low, interval.high)
    return dict(zip((name, f"{name}_low", f"{name}_high"), values, strict=True))
