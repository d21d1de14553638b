"""Certify one adapter in one mode, within the process that has imported its framework."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from levelfield.harness.certify.cases import Case
from levelfield.harness.certify.catalogue import Item, plan
from levelfield.harness.certify.fingerprint import fingerprint
from levelfield.harness.certify.observe import Subject
from levelfield.harness.measure.adapter_checks import programs
from levelfield.harness.records.certificate import UNSUPPORTED, Certificate, Check, versions
from levelfield.harness.system.processes import raised_in, trace


def certify(
    subject: Subject,
    *,
    quick: bool = False,
    needs: Collection[str] | None = None,
    seed: int = 0,
    distribution: str | None = None,
) -> Certificate:
    """Examine an adapter in a mode, case by case, in this process.

    The full form proves everything; the quick one too, with fewer cases, or only `needs` (see `certificate.needs`).
    What the adapter declares unsupported is noted; an exception is a failed check. The threads must be the same for all
    certifications in one process, since some frameworks take that setting only once. `distribution` is that of a
    plug-in. Ranks each certify what they compute, all together (see `merged`).
    """
    adapter, mode = subject.adapter, subject.mode
    source = Path(inspect.getfile(adapter))
    checks: list[Check] = []
    proven: set[str] = set()
    if lacking := sorted(adapter.__abstractmethods__):
        reason = f"the class does not define {', '.join(lacking)}"
        checks.append(Check(name="contract", case=adapter.__name__, passed=False, reason=reason))
    else:
        before = programs(subject.runtime, mode)
        for item in plan(subject, quick=quick, needs=needs):
            found, supported = conclude(subject, item, seed)
            checks += found
            proven |= item.proves if supported else set()
        compiled = before is None or programs(subject.runtime, mode) != before
        if not compiled and any(check.passed for check in checks):
            reason = f"nothing was compiled, so that what was checked was not the mode {mode!r}"
            checks.append(Check(name="compiled", case="all", passed=False, reason=reason))
    return Certificate(
        adapter=adapter.name,
        mode=mode,
        device=subject.device,
        precision=subject.precision,
        threads=subject.threads,
        replicas=subject.replicas,
        replication=subject.replication,
        quick=quick,
        seed=seed,
        proves=tuple(sorted(proven)),
        checks=tuple(dict.fromkeys(checks)),
        versions=versions(adapter),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        fingerprint=fingerprint(source, distribution),
    )


def merged(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One certificate from those of all ranks: that of the first, and what failed in the others."""
    first, *others = map(Certificate.model_validate, found)
    failed = [
        check.model_copy(update={"case": f"{check.case}, rank {rank}"})
        for rank, other in enumerate(others, start=1)
        for check in other.checks
        if check.passed is False
    ]
    return first.model_copy(update={"checks": (*first.checks, *failed)}).model_dump(mode="json")


def conclude(subject: Subject, item: Item, seed: int) -> tuple[list[Check], bool]:
    """The checks of one item, and whether any of it is supported.

    What the framework does not compute in float64, it may compute in float32: its proof is then made there.
    """
    case = item.draw(seed)
    notes: list[Check] = []
    for precision in dict.fromkeys((item.precision, subject.precision)):
        tried = replace(item, precision=precision)
        why = subject.unsupported(case, precision)
        if why is None:
            return [*notes, *examine(subject, tried, case)], True
        notes.append(unsupported(tried, case, why))
    return notes, False


def unsupported(item: Item, case: Case, why: str) -> Check:
    name = item.examine.__name__.replace("_", " ")
    return Check(name=name, case=case.named(item.precision), passed=None, reason=UNSUPPORTED + why)


def examine(subject: Subject, item: Item, case: Case) -> list[Check]:
    """The checks of one case. An exception is a failed one: no fault of an adapter may end the proof of the rest.

    Except in a rank: the others would wait for it.
    """
    name = case.named(item.precision)
    before = subject.runtime.compilations() if subject.dear else None
    try:
        checks = item.examine(subject, case, item.precision)
    except Exception as error:
        if subject.ranks is not None:
            raise
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        if (place := raised_in(error, inspect.getfile(subject.adapter))) is not None:
            reason += f" ({place})"
        return [Check(name="runs", case=name, passed=False, reason=reason, traceback=trace(error))]
    if before is not None:
        compiled = subject.runtime.compilations() != before
        why = None if compiled else "nothing was compiled, so that what was checked is not this mode"
        checks = [*checks, Check(name="compiled", case=name, passed=compiled, reason=why)]
    return checks
