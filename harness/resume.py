"""Going on with a run: what has changed since it began would mix two different measurements in one comparison."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from adapters.registry import AdapterInfo
from harness.certify.certificate import fingerprint
from harness.environments import Environment
from harness.plan import Launch
from harness.record import Machine
from harness.store import Contents


def changes(
    before: Contents,
    launches: Iterable[Launch],
    *,
    suite_text: str,
    tasks: Mapping[str, Mapping[str, Any]],
    machine: Machine,
    adapters: Mapping[str, AdapterInfo],
    environments: Mapping[str, Environment],
) -> list[str]:
    """One line for everything that is not as it was when the run began; only what `launches` use is looked at."""
    found = []
    if suite_text != before.run.suite_text:
        found.append(f"the suite {before.run.suite} has other contents")
    for name, facts in tasks.items():
        if before.run.tasks.get(name, facts) != facts:
            found.append(f"the data of task {name} are others")
    then = before.run.machine
    for what in ("cpu", "cores", "memory_bytes", "system"):
        if getattr(machine, what) != getattr(then, what):
            found.append(f"the machine's {what} is {getattr(machine, what)}, it was {getattr(then, what)}")
    used = {(launch.cell.adapter, launch.cell.environment) for launch in launches}
    versions = {(r.cell.adapter, r.cell.environment): r.versions for r in before.records if r.versions}
    proofs = {certificate.adapter: certificate.fingerprint for certificate in before.certificates}
    for adapter, environment in sorted(used):
        now = adapters[adapter].versions(environments[environment].installed)
        was = versions.get((adapter, environment), now)
        found += [
            f"{name} is {now.get(name, 'absent')} for {adapter}, it was {was.get(name, 'absent')}"
            for name in sorted(now.keys() | was.keys())
            if now.get(name) != was.get(name)
        ]
    for adapter in sorted({adapter for adapter, _ in used} & proofs.keys()):
        if proofs[adapter] != fingerprint(adapters[adapter].source):
            found.append(f"the source of {adapter}, the specification or the certifier has changed")
    return list(dict.fromkeys(found))
