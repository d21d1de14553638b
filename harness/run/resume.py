"""Going on with a run: what has changed since it began would mix two different measurements in one comparison."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from levelfield.harness.certify.fingerprint import fingerprint
from levelfield.harness.plan.launches import Launch
from levelfield.harness.records.record import Record
from levelfield.harness.records.store import Contents
from levelfield.harness.run import data
from levelfield.harness.run.prepare import Prepared
from levelfield.harness.system.differing import differing
from levelfield.harness.system.machine import MachineType
from levelfield.harness.system.variables import Passed


def changes(before: Contents, prepared: Prepared, kept: Mapping[str, str] | None) -> list[str]:
    """One line for everything that is not as it was when the run began; only what its launches use is looked at.

    `kept`: the variables that a launch would get here because the machine may need them; None where others make them.
    """
    adapters, environments = prepared.adapters, prepared.surroundings.environments
    found = []
    if prepared.text != before.run.suite_text:
        found.append(f"the suite {before.run.suite} has other contents")
    for name, task in prepared.surroundings.tasks.items():
        facts = data.facts(task)
        if before.run.tasks.get(name, facts) != facts:
            found.append(f"the data of task {name} are others")
    for what, now, then in zip(MachineType._fields, prepared.machine.type, before.run.machine.type, strict=True):
        if now != then:
            found.append(f"the machine's {what} is {now}, it was {then}")
    used = {(launch.cell.adapter, launch.cell.environment) for launch in prepared.planned}
    versions = {(r.cell.adapter, r.cell.environment): r.versions for r in before.records if r.versions}
    found += _variables(before, {environment: environments[environment].passed for _, environment in used}, kept)
    proofs = {certificate.adapter: certificate.fingerprint for certificate in before.certificates}
    for adapter, environment in sorted(used):
        now = adapters[adapter].versions(environments[environment].installed)
        was = versions.get((adapter, environment), now)
        found += [f"{name} is {new} for {adapter}, it was {old}" for name, old, new in differing(was, now, "absent")]
    for adapter in sorted({adapter for adapter, _ in used} & proofs.keys()):
        if proofs[adapter] != fingerprint(adapters[adapter].source, adapters[adapter].distribution):
            found.append(f"the source of {adapter}, the specification or the certifier has changed")
    return list(dict.fromkeys(found))


def _variables(before: Contents, passed: Mapping[str, Passed], kept: Mapping[str, str] | None) -> list[str]:
    """What the last launch of each of the suite's environments got, and another one would not get now."""
    last = {record.cell.environment: record for record in before.records if record.status in ("ok", "failed")}
    found = []
    for environment in sorted(passed.keys() & last.keys()):
        record = last[environment]
        was = record.in_force if kept is not None else dict(record.cell.variables)
        now = {**(kept or {}), **dict(passed[environment])}
        found += [f"the variable {name} is {new}, it was {old}" for name, old, new in differing(was, now, "not set")]
    return found


def left(launches: Sequence[Launch], before: Iterable[Record], cold: bool = False) -> list[Launch]:
    """The learning launches that have no record yet, and all of each block that is not complete: its launches are
    compared with each other, and are alive together.

    `cold`: how they will be made; a record of one made in the other way is that of another launch.
    """
    done = {r.launch_id for r in before if r.status != "skipped" and r.cold == cold}
    again = {one.block for one in launches if one.cell.kind == "speed" and one.id not in done and not one.skip}
    return [one for one in launches if (one.block in again if one.cell.kind == "speed" else one.id not in done)]
