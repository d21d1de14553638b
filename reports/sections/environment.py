"""Machine, versions and data: what the numbers were taken on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby

from levelfield.reports.findings import task_facts
from levelfield.reports.findings.entries import Entry
from levelfield.reports.findings.evidence import Evidence
from levelfield.reports.findings.text import NARROW, count, fixed, listing
from levelfield.reports.page.blocks import Column, Line, Section, Table, Value, absent, text

ORDER, SHORT, TITLE = 130, "Machine", "Environment and versions"


def section(evidence: Evidence) -> Section:
    machine = evidence.run.machine
    facts = [
        ("Host", machine.host or "not named"),
        ("System", machine.system),
        ("CPU", machine.cpu),
        ("Cores", str(machine.cores)),
        ("Memory", f"{fixed(machine.memory_bytes / 2**30, 1)}{NARROW}GiB"),
        ("Python", machine.python),
        ("levelfield", " ".join(filter(None, [machine.levelfield, machine.commit or machine.package])) or "unknown"),
        ("Devices", listing(sorted({c.workload.resources for c in evidence.speed} or {"none"}), most=8)),
        ("Seed of the plan", str(evidence.run.plan_seed)),
        ("Seeds of the launches", _seeds(sorted({r.seed for r in evidence.latest}))),
    ]
    hosts = [r.machine for r in evidence.latest if r.machine != machine]
    for type_, own in groupby(sorted(hosts, key=lambda m: m.type), key=lambda m: m.type):
        names = dict.fromkeys(m.host or "not named" for m in own)
        facts.append((f"Launches on {listing(sorted(names), most=8)}", str(type_)))
    facts += task_facts.facts(evidence.run)
    return Section(
        sentences=(sentence(evidence),),
        blocks=tuple(t for make in (versions, variables, in_force, placement, tasks) if (t := make(evidence)).lines),
        extra=facts,
    )


def _seeds(seeds: list[int]) -> str:
    if not seeds:
        return "none"
    whole = seeds == list(range(seeds[0], seeds[-1] + 1)) and len(seeds) > 2
    return f"{seeds[0]}–{seeds[-1]}" if whole else listing([str(s) for s in seeds], most=12)


def sentence(evidence: Evidence) -> str:
    machine = evidence.run.machine
    told = f"Measured on {machine.cpu} with {count(machine.cores, 'core')}, {machine.system}, Python {machine.python}"
    mixed = [name for name, found in _versions(evidence).items() if len(found) > 1]
    types = {r.machine.type for r in evidence.latest if r.machine.type != machine.type}
    if types:
        others = count(len(types), "other type")
        told += f"; launches were made on {others} of machine too, each of which has its own tables"
    if given := {name for record in evidence.latest for name, _ in record.cell.variables}:
        told += f"; {listing(sorted(given), most=8)} {'was' if len(given) == 1 else 'were'} passed on to launches"
    if mixed:
        told += f"; more than one version of {listing(mixed)} occurs"
    return told + "."


def _versions(evidence: Evidence) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for record in evidence.latest:
        for name, version in record.versions.items():
            found[name].add(version)
    return dict(sorted(found.items()))


def versions(evidence: Evidence) -> Table:
    rows = []
    for name, found in _versions(evidence).items():
        users = {record.cell.adapter for record in evidence.latest if name in record.versions}
        rows.append((name, ", ".join(sorted(found)), listing(sorted(users), most=20)))
    return _table("versions", "Versions of the distributions", ("Distribution", "Version", "Used by"), rows)


def variables(evidence: Evidence) -> Table:
    """What launches got of the environment beyond what never changes a number."""
    found: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for record in evidence.latest:
        for name, value in record.cell.variables:
            found[name, value, "passed on by the user"].add(record.cell.environment)
        for name, value in record.kept.items():
            found[name, value, "kept, since a machine may need it"].add(record.cell.environment)
    rows = [(*key, listing(sorted(where), most=8)) for key, where in sorted(found.items())]
    caption = "Variables of the environment that launches were given"
    return _table("variables", caption, ("Variable", "Value", "Why", "Environment"), rows)


def in_force(evidence: Evidence) -> Table:
    """What each framework reported of its settings, by what was asked of it."""
    told: dict[tuple[str, str, str, int], set[str]] = defaultdict(set)
    for record in evidence.latest:
        cell = record.cell
        if record.runtime:
            settings = "; ".join(f"{name}: {value}" for name, value in sorted(record.runtime.items()))
            told[cell.backend or cell.framework, cell.device, cell.precision, cell.threads].add(settings)
    rows = [(*asked, " / ".join(sorted(found))) for asked, found in sorted(told.items())]
    caption = "Settings in force, as the frameworks report them"
    return _table("in-force", caption, ("Framework", "Device", "Precision", "Threads", "Reported"), rows)


def placement(evidence: Evidence) -> Table:
    """Of several replicas: how many samples of a batch each device computed, as the frameworks report it."""
    told = {
        (Entry.of(record.cell).label, record.cell.over, record.cell.recipe.batch_size): record.placement
        for record in evidence.latest
        if record.placement
    }
    rows = [
        (*where, ", ".join(f"{part} on {device}" for device, part in parts.items()))
        for where, parts in sorted(told.items())
    ]
    caption = "Where a batch was computed, as the frameworks report it"
    return _table("placement", caption, ("Adapter · mode", "Replicas", "Samples of a batch", "Reported"), rows)


def tasks(evidence: Evidence) -> Table:
    rows: list[tuple[Value | str | int, ...]] = []
    for name, about in sorted(evidence.run.tasks.items()):
        known = [_known(about.get(key)) for key in ("kind", "features", "outputs", "source", "licence")]
        samples = about.get("samples")
        parts = [str(samples.get(s, "?")) for s in ("train", "validation", "test")] if isinstance(samples, dict) else []
        shown = text(" / ".join(parts)) if parts else absent()
        rows.append((name, *known[:3], shown, *known[3:]))
    labels = ("Task", "Kind", "Features", "Outputs", "Samples", "Source", "Licence")
    table = _table("tasks", "Tasks: data and splits", labels, rows)
    samples_column = replace(table.columns[4], detail="train / validation / test")
    lines = tuple(replace(line, facets={"task": line.values[0].text}) for line in table.lines)
    return replace(table, columns=(*table.columns[:4], samples_column, *table.columns[5:]), lines=lines)


def _table(name: str, caption: str, labels: Sequence[str], rows: Iterable[Sequence[Value | str | int]]) -> Table:
    """Of words and whole numbers; a number is sorted as one."""
    counted = ("Threads", "Samples of a batch", "Features", "Outputs")
    columns = tuple(Column(label, numeric=label in counted) for label in labels)
    return Table(f"{name}-table", caption, columns, tuple(Line(tuple(map(_value, row))) for row in rows))


def _value(cell: Value | str | int) -> Value:
    return cell if isinstance(cell, Value) else _known(cell)


def _known(value: object) -> Value:
    if value is None:
        return absent("not recorded")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Value(str(value), float(value))
    return text(value)
