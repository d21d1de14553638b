"""The certificate: what was checked, how far it was off, and what would make it void.

It is a file of its own beside the records. It holds for one adapter in one mode on one device (or so many replicas)
in one precision, for exactly the sources and the versions that it names.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from pydantic import BaseModel, ConfigDict

from levelfield.adapters.adapter import Adapter, Precision, Replication
from levelfield.adapters.registry import version
from levelfield.harness.system.paths import PACKAGE

ROOT = PACKAGE.resolve()
# What the specification and its reference consist of; an edit to any of them asks for new certificates
SPECIFICATION = ("tasks/mlp.py", "tasks/recipe.py", "tasks/score.py", "adapters/adapter.py", "adapters/numpy/manual.py")
# Who forks and limits the processes in which certificates are made; their own imports are those of other jobs too
PROCESSES = ("harness/launch/worker.py", "harness/measure/rank_group.py", "harness/system/processes.py")
ROOMS = ("adapters", "harness", "tasks")  # in which imports are followed
UNSUPPORTED = "unsupported: "


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=True, ser_json_inf_nan="constants")


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
    replicas: int = 1
    replication: Replication | None = None
    machine: str | None = None  # the type of the one it was made on, see `harness.records.record.MachineType`
    variables: dict[str, str] = {}  # in force while it was made, see `harness.records.record.Record.in_force`

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


def needs(
    optimizer: str,
    activation: str,
    hidden: int,
    dropout: float,
    l2: float,
    kind: str,
    track: str = "matched",
    uneven: bool = False,
) -> set[str]:
    """The words for what a cell asks of its adapter; `Certificate.proves` must hold them all."""
    words = {optimizer: True, activation: hidden > 0, "dropout": hidden > 0 and dropout > 0}
    words |= {"L2": l2 > 0, "regression": kind == "regression", "idiomatic": track == "idiomatic", "uneven": uneven}
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
    for name in sorted(certificate.versions.keys() | versions.keys()):
        was, now = certificate.versions.get(name, "absent"), versions.get(name, "absent")
        if was != now:
            return f"{name} is {now}, the certificate was made with {was}"
    for name in sorted(certificate.variables.keys() | variables.keys()):
        was, now = certificate.variables.get(name, "not set"), variables.get(name, "not set")
        if was != now:
            return f"the variable {name} is {now}, the certificate was made with {was}"
    if not certificate.passed:
        return "failed: " + ", ".join(certificate.failed or ["nothing could be checked"])
    missing = sorted(set(needs) - set(certificate.proves))
    if missing:
        return f"it does not cover {', '.join(missing)}"
    return None


def fingerprint(adapter_source: Path) -> str:
    """SHA-256 of the adapter's file, the specification, the certifier, and all that any of them imports from our rooms.

    So whatever computes while an adapter is certified is covered, without a list that could be forgotten. Imports are
    followed in the syntax tree; nothing is executed. All runtimes count, since an adapter's runtime is chosen by name
    when it runs.
    """
    certifier = [*(ROOT / "harness/certify").glob("*.py"), *(ROOT / "adapters").glob("*/runtime.py")]
    listed = [*certifier, *(ROOT / name for name in (*SPECIFICATION, *PROCESSES))]
    sources = {path.resolve() for path in [adapter_source, *listed]}
    processes = {(ROOT / name).resolve() for name in PROCESSES}
    waiting = list(sources - processes)
    while waiting:
        found = set(_imported(waiting.pop())) - sources
        sources |= found
        waiting += found
    digest = hashlib.sha256()
    for path in sorted(sources):
        name = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name
        digest.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\0".encode())
    return digest.hexdigest()[:32]


def versions(adapter: type[Adapter]) -> dict[str, str]:
    """Distribution → version of what the adapter declares that it needs, as `AdapterInfo.versions` gives them."""
    names = dict.fromkeys([adapter.framework, adapter.backend or adapter.framework, *adapter.packages])
    return {name: v for name in names if (v := version(name)) is not None}


def _modules(path: Path) -> Iterable[str]:
    """Dotted names of what a file imports from, `from a import b` as both ``a`` and ``a.b``.

    Of the harness what its modules import when they are loaded: the rest are other commands.
    """
    return _modules_in(path.read_text(encoding="utf-8"), path.is_relative_to(ROOT / "harness"))


@lru_cache(maxsize=512)  # of one text: every adapter of a run imports the same files
def _modules_in(text: str, loaded: bool) -> tuple[str, ...]:
    names: list[str] = []
    tree = ast.parse(text)
    for node in tree.body if loaded else ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            stem = node.module or ""
            if node.level:
                stem = "." * node.level + stem
            names += [stem, *(f"{stem}.{alias.name}" for alias in node.names)]
    return tuple(names)


def _imported(path: Path) -> Iterable[Path]:
    """Files that `path` imports from `ROOMS` or, in a package of its own, by relative imports."""
    for module in _modules(path):
        dots = len(module) - len(module.lstrip("."))
        if dots:
            base = path.parents[dots - 1]
        elif module.startswith("levelfield."):
            base, module = ROOT, module.removeprefix("levelfield.")
        else:
            continue
        target = base.joinpath(*module.lstrip(".").split("."))
        yield from (p.resolve() for p in (target.with_suffix(".py"), target / "__init__.py") if p.is_file())
