"""What the page needs to know of a certificate: how far an adapter's numbers lie from the reference's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from levelfield.harness.records import certificate as harness


@dataclass(frozen=True)
class Check:
    """One quantity compared with the float64 reference: largest absolute deviation and what is allowed."""

    quantity: str
    deviation: float
    tolerance: float

    @property
    def passed(self) -> bool:
        return self.deviation <= self.tolerance  # a deviation that is not a number fails


@dataclass(frozen=True)
class Certificate:
    """The proof, or its failure, for one adapter in one mode on one device in one precision."""

    adapter: str
    mode: str
    checks: tuple[Check, ...]
    device: str = "cpu"
    reason: str | None = None  # why it could not be examined
    versions: Mapping[str, str] = field(default_factory=dict)
    precision: str = "float32"
    machine: str | None = None  # the type of the one it was made on
    replicas: int = 1
    replication: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)  # in force while it was made
    environment: str = "default"

    @property
    def where(self) -> str:
        """The device; with it precision and replicas, where they are not the usual ones."""
        return ", ".join([self.device, *self.unusual])

    @property
    def unusual(self) -> list[str]:
        told = [self.precision] * (self.precision != "float32")
        return told + [f"{self.replicas} {self.replication}"] * (self.replicas > 1)

    @property
    def subject(self) -> tuple[str, str, int, str | None]:
        """Where and how the adapter computed."""
        return (self.device, self.precision, self.replicas, self.replication)

    @property
    def held(self) -> bool:
        return self.reason is None and bool(self.checks) and all(check.passed for check in self.checks)


def summary(full: harness.Certificate) -> Certificate:
    """A certificate as the certifier wrote it, one line a quantity: the check that came nearest to its tolerance."""
    checks = tuple(
        Check(name, check.deviation, check.tolerance)
        for name, check in full.worst.items()
        if check.deviation is not None and check.tolerance is not None
    )
    failed = [check for check in full.checks if check.passed is False]
    reason = None
    if failed:
        first = failed[0]
        reason = f"{first.name} in {first.case}" + (f": {first.reason}" if first.reason else "")
    where = (full.device, reason, full.versions, full.precision, full.machine, full.replicas, full.replication)
    return Certificate(full.adapter, full.mode, checks, *where, full.variables, full.environment)
