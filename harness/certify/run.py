"""Certify one adapter in one mode, within the process that has imported its framework."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime
from pathlib import Path

from adapters.adapter import Adapter
from harness.certify.certificate import UNSUPPORTED, Certificate, Check, fingerprint, versions
from harness.certify.observe import Subject
from harness.certify.plan import Item, plan


def certify(
    adapter: type[Adapter], mode: str, *, device: str = "cpu", threads: int = 1, quick: bool = False, seed: int = 0
) -> Certificate:
    """Examine `adapter` in `mode` case by case; what it declares unsupported is noted, what it raises is a failure."""
    subject = Subject(adapter, mode, device, threads)
    source = Path(inspect.getfile(adapter))
    checks: list[Check] = []
    for item in plan(quick=quick, dear=subject.dear, precise=subject.precise, seed=seed):
        checks += examine(subject, item)
    return Certificate(
        adapter=adapter.name,
        mode=mode,
        device=device,
        threads=threads,
        quick=quick,
        seed=seed,
        checks=tuple(checks),
        versions=versions(adapter),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        fingerprint=fingerprint(source),
    )


def examine(subject: Subject, item: Item) -> list[Check]:
    """The checks of one case. An exception is a failed one: no fault of an adapter may end the others' proof."""
    name = item.case.named(item.precision)
    why = subject.unsupported(item.case, item.precision)
    if why:
        return [Check(name=item.examine.__name__, case=name, passed=None, reason=UNSUPPORTED + why)]
    try:
        return item.examine(subject, item.case, item.precision)
    except Exception as error:
        line = " ".join(str(error).split())[:300]
        return [Check(name="runs", case=name, passed=False, reason=f"{type(error).__name__}: {line}")]
