"""What a child does: the work of each kind of job, alone or as one of several ranks. Runs in the worker."""

from __future__ import annotations

import importlib
import os
import runpy
from functools import partial
from typing import Any

from levelfield.adapters.adapter import Adapter
from levelfield.adapters.runtime import load
from levelfield.harness.launch.jobs import AnyJob, CertifyJob, LaunchJob, PeakJob, ScriptJob
from levelfield.harness.measure.rank_group import Ranks, shares, together
from levelfield.harness.system import processes
from levelfield.harness.system.clocks import Guard


def do(job: AnyJob, guard: Guard, first: bool = True) -> dict[str, Any]:
    """The result of a job, as JSON can tell it. `guard` has watched the clocks since before anything foreign ran.

    `first`: of this process, whose memory is not yet limited.
    """
    work = partial(_alone, job, guard)
    if job.ranks == 1:
        if job.memory is not None and first:
            processes.limit_memory(job.memory)
        if job.core is not None:
            processes.hold_to(job.core)
        return work()
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
    threads = job.cell.threads if isinstance(job, LaunchJob) else 1
    found: list[dict[str, Any]] = together(work, shares(cores, job.ranks, threads), job.memory)
    if isinstance(job, CertifyJob):
        from levelfield.harness.certify.examine import merged

        return merged(found)
    return found[0]


def _alone(job: AnyJob, guard: Guard, ranks: Ranks | None = None) -> dict[str, Any]:
    """The work of one process, which may be one of several `ranks`."""
    if isinstance(job, ScriptJob):
        result: dict[str, Any] = runpy.run_path(str(job.file))["run"](job.arguments)
        return result
    adapter: type[Adapter] = getattr(importlib.import_module(job.module), job.qualname)
    match job:
        case CertifyJob():
            return _certify(job, adapter, ranks)
        case PeakJob():
            return _peak(job)
        case LaunchJob():
            return _launch(job, adapter, ranks, guard)


def _certify(job: CertifyJob, adapter: type[Adapter], ranks: Ranks | None) -> dict[str, Any]:
    from levelfield.harness.certify.examine import certify
    from levelfield.harness.certify.observe import Subject

    where = (job.device, job.threads, job.precision, job.replicas, job.replication)
    subject = Subject(adapter, job.mode, *where, ranks)
    certificate = certify(subject, quick=job.quick, needs=job.needs, distribution=job.distribution)
    return certificate.model_dump(mode="json")


def _peak(job: PeakJob) -> dict[str, Any]:
    from levelfield.harness.measure import disturbance, peak
    from levelfield.harness.records.peak import PeakSubject

    before = disturbance.snapshot()
    trials = peak.measure(load(job.runtime), PeakSubject(job.device, job.precision, job.threads))
    disturbed = disturbance.between(before, disturbance.snapshot(), os.cpu_count() or 1)
    return {
        "trials": [trial.model_dump(mode="json") for trial in trials],
        "contaminated": disturbance.verdict(disturbed),
    }


def _launch(job: LaunchJob, adapter: type[Adapter], ranks: Ranks | None, guard: Guard) -> dict[str, Any]:
    from levelfield.harness.measure import learning, protocol
    from levelfield.harness.measure.turns import Line
    from levelfield.harness.plan import launches
    from levelfield.tasks.task import Task
    from levelfield.tasks.variant import vary

    task = vary(Task.load(job.data), job.cell.variant, job.seed)
    setting = launches.setting(job.cell, task, job.seed)
    how = learning.Learning(job.cell.recipe.early_stopping, job.every, predictions=job.cell.variant.parts > 1)
    runtime = load(job.runtime)
    commands = None if job.line is None or (ranks is not None and ranks.rank) else Line(job.line)
    result = protocol.launch(
        job.what,
        adapter,
        runtime,
        setting,
        task,
        job.seconds,
        how,
        ranks,
        job.salt,
        job.wrap,
        commands,
        job.predict,
    )
    if (seen := result.pop("seen", None)) is not None:
        result["clock_changed"] = guard.changed()
        if job.seen is not None:
            seen.save(job.seen)  # type: ignore[attr-defined]
    return result
