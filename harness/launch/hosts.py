"""What makes launches: a launcher has hosts, and a host turns planned launches and subjects into records and
certificates. `harness.run.schedule` decides which host makes what, and when."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from levelfield.harness.plan.launches import CertificateSubject, Launch
    from levelfield.harness.records import peak
    from levelfield.harness.records.cell import Cell
    from levelfield.harness.records.certificate import Certificate
    from levelfield.harness.records.record import Record
    from levelfield.harness.system.machine import Machine


class HostLost(Exception):
    """The host ended, or cannot be reached any more. What it had under way made no record."""


class Stage(NamedTuple):
    """How far a block is: so many of its launches on that workload are done with that, or of the rounds of turns, which
    may be more."""

    where: str
    what: Literal["started", "round", "watched", "ended"]
    done: int
    of: int

    def __str__(self) -> str:
        if self.what != "round":
            return f"{self.where}: {self.done} of {self.of} launches {self.what}"
        return f"{self.where}: round {self.done}" + (f" of at least {self.of}" if self.done <= self.of else "")

    @property
    def half(self) -> bool:
        """Whether another half is done."""
        return 2 * self.done // self.of > 2 * (self.done - 1) // self.of


def silent(stage: Stage) -> None:
    """For who wants to be told nothing."""


class Host(Protocol):
    """One machine. `cores` are those of it that launches may use; methods are called from several threads.

    `tell` is called while a block is made, never beside something that is timed; a host that is elsewhere leaves it.
    """

    machine: Machine
    cores: list[int]
    tell: Callable[[Stage], None]

    def offers(self, cell: Cell) -> bool:
        """Whether this host has the device and the cores of a cell."""

    def key(self, wanted: Cell | CertificateSubject) -> Hashable:
        """Launches and certificates with the same key cannot be made at the same time on one host."""

    def launch(self, launch: Launch, core: int | None = None) -> Record:
        """Make one launch, and return its record; a learning one pinned to `core` if one is given. Raises HostLost
        only."""

    def block(self, launches: Sequence[Launch]) -> list[Record]:
        """Make speed launches that are alive together and take turns; their records in the same order. Raises HostLost
        only."""

    def certify(
        self, subject: CertificateSubject, quick: bool, needs: frozenset[str] | None, core: int | None = None
    ) -> Certificate: ...

    def peak(self, adapter: str, subject: peak.PeakSubject) -> peak.Candidate:
        """What the framework behind `adapter` gets out of the device."""

    def end_all_but(self, cells: Iterable[Cell]) -> None:
        """End the warm parents that none of these cells' launches will use."""
