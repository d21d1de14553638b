"""The certificate: what was checked, how far it was off, and what would make it void.

It is a file of its own beside the records. It holds for one adapter in one mode on one device (or so many replicas)
in one precision, for exactly the sources and the versions that it names.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType

from pydantic import Field

from levelfield.adapters.adapter import Adapter
from levelfield.adapters.choices import Precision, Replication
from levelfield.adapters.registry import version
from levelfield.harness.system.differing import differing
from levelfield.harness.system.frozen import Frozen
from levelfield.tasks.mlp import Model

UNSUPPORTED = "unsupported: "


class Check(Frozen):
    """One quantity of one case. `passed` is None where the case does not apply; `reason` then says why."""

    name: str
    case: str
    deviation: float | None = None
    tolerance: float | None = None
    passed: bool | None
    reason: str | None = None
    traceback: str | None = None  # of an exception that the adapter raised


class Certificate(Frozen):
    """All checks of one adapter in one mode; JSON both ways (``model_dump_json``, ``model_validate_json``).

    `proves` are the words (see `needs`) of what was examined; what the adapter declares unsupported is not among them.
    """

    adapter: str
    mode: str
    device: str
    precision: Precision = "float32"
    threads: int
    quick: bool
    seed: int
    proves: tuple[str, ...]
    checks: tuple[Check, ...]
    versions: dict[str, str]
    date: str
    fingerprint: str
    environment: str = "default"
    replicas: int = 1
    replication: Replication | None = None
    machine: str | None = None  # the type of the one it was made on, see `harness.records.record.MachineType`
    variables: dict[str, str] = Field(
        default_factory=dict
    )  # in force while it was made, see `harness.records.record.Record.in_force`

    @property
    def label(self) -> str:
        """Adapter and mode; environment, device, precision and replicas where they are not the usual ones."""
        where = [self.environment] * (self.environment != "default")
        where += [self.device] * (self.device != "cpu")
        where += [self.precision] * (self.precision != "float32")
        where += [f"{self.replicas} {self.replication}"] * (self.replicas > 1)
        return f"{self.adapter} ({', '.join([self.mode, *where])})"

    @property
    def passed(self) -> bool:
        """No check failed, and there was one that could have."""
        return not self.failed and any(check.passed for check in self.checks)

    @property
    def failed(self) -> list[str]:
        """Names of the quantities that failed, each once, in the order of the checks."""
        return list(dict.fromkeys(check.name for check in self.checks if check.passed is False))

    @property
    def worst(self) -> dict[str, Check]:
        """For each quantity that was measured, the check that came nearest to its tolerance, or went beyond it."""
        worst: dict[str, Check] = {}
        for check in self.checks:
            if check.deviation is not None and (check.name not in worst or _strain(check) > _strain(worst[check.name])):
                worst[check.name] = check
        return worst


def _strain(check: Check) -> float:
    if check.passed is False:
        return float("inf")
    return (check.deviation or 0.0) / check.tolerance if check.tolerance else 0.0


def needs(model: Model, optimizer: str, kind: str, track: str = "matched", uneven: bool = False) -> set[str]:
    """The words for what a cell asks of its adapter; `Certificate.proves` must hold them all."""
    hidden = bool(model.hidden)
    words = {optimizer: True, model.activation: hidden, "dropout": hidden and model.dropout > 0, "L2": model.l2 > 0}
    words |= {"regression": kind == "regression", "idiomatic": track == "idiomatic", "uneven": uneven}
    return {word for word, needed in words.items() if needed}


def valid(
    certificate: Certificate,
    fingerprint: str,
    versions: dict[str, str],
    needs: Collection[str] = (),
    variables: Mapping[str, str] = MappingProxyType({}),
) -> str | None:
    """Why the certificate does not hold for sources with this `fingerprint`, these `versions` and `needs`, where these
    `variables` are in force; or None."""
    if certificate.fingerprint != fingerprint:
        return "the adapter, the specification or the certifier has changed since"
    for name, was, now in differing(certificate.versions, versions, "absent"):
        return f"{name} is {now}, the certificate was made with {was}"
    for name, was, now in differing(certificate.variables, variables, "not set"):
        return f"the variable {name} is {now}, the certificate was made with {was}"
    if not certificate.passed:
        return "failed: " + ", ".join(certificate.failed or ["nothing could be checked"])
    missing = sorted(set(needs) - set(certificate.proves))
    if missing:
        return f"it does not cover {', '.join(missing)}"
    return None


def versions(adapter: type[Adapter]) -> dict[str, str]:
    """Distribution → version of what the adapter declares that it needs, as `AdapterInfo.versions` gives them."""
    names = dict.fromkeys([adapter.framework, adapter.backend or adapter.framework, *adapter.packages])
    return {name: v for name in names if (v := version(name)) is not None}
