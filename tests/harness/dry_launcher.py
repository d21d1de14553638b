"""Launches that are not made: their records are there at once. For tests of all that surrounds a launch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

from levelfield.harness.plan.launches import CertificateSubject, Launch
from levelfield.harness.records import peak
from levelfield.harness.records.cell import Cell
from levelfield.harness.records.certificate import Certificate
from levelfield.harness.records.record import Record
from levelfield.harness.system.machine import Machine, cores, describe


@dataclass
class DryHost:
    """Answers every launch with a record like `like`, by default a skipped one."""

    machine: Machine = field(default_factory=describe)
    cores: list[int] = field(default_factory=cores)
    like: Record | None = None

    def offers(self, cell: Cell) -> bool:
        return cell.cores <= len(self.cores)

    def key(self, wanted: Cell | CertificateSubject) -> str:
        return wanted.adapter

    def block(self, launches: Sequence[Launch]) -> list[Record]:
        return [self.launch(launch) for launch in launches]

    def launch(self, launch: Launch, core: int | None = None) -> Record:
        about: dict[str, Any] = {
            "cell": launch.cell,
            "seed": launch.seed,
            "block": launch.block,
            "machine": self.machine,
        }
        if self.like is not None:
            return self.like.model_copy(update=about)
        started = datetime.now(UTC).isoformat(timespec="milliseconds")
        return Record(status="skipped", reason="a dry run", started=started, **about)

    def certify(
        self, subject: CertificateSubject, quick: bool, needs: frozenset[str] | None, core: int | None = None
    ) -> Certificate:
        raise NotImplementedError("a dry host proves nothing")

    def peak(self, adapter: str, subject: peak.PeakSubject) -> peak.Candidate:
        return peak.Candidate(framework=adapter, version=None, reason="a dry run")

    def end_all_but(self, cells: Iterable[Cell]) -> None:
        pass


class DryLauncher:
    """Hosts that make nothing."""

    def __init__(self, hosts: Sequence[DryHost] = ()) -> None:
        self.hosts = list(hosts) or [DryHost()]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass
