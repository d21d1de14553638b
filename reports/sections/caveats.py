"""What a reader must know of each adapter, with its source beside the others'."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import combinations
from typing import Any, NamedTuple

from levelfield.adapters.sources import lines
from levelfield.reports.findings.entries import Entry
from levelfield.reports.findings.evidence import Evidence
from levelfield.reports.findings.text import duration, listing
from levelfield.reports.page.blocks import Column, Line, Section, Table, absent, number, text

ORDER, SHORT, TITLE = 120, "Adapters", "The adapters: caveats and source"


@dataclass(frozen=True)
class Source:
    """A text and the adapters that it is of: their source with the helpers that it imports, or a user's script."""

    id: str
    adapters: tuple[str, ...]
    text: str
    lines: int

    @property
    def label(self) -> str:
        return ", ".join(self.adapters)


class Texts(NamedTuple):
    """What is shown of the adapters' code: scripts as users write them, and the adapters' own sources."""

    scripts: list[Source]
    sources: list[Source]
    own: dict[str, list[list[int]]]  # of two scripts by their ids: the lines of either that the other has not
    times: dict[str, str]  # of an adapter, by its name


def section(evidence: Evidence) -> Section:
    entries = {e.adapter: e for e in (Entry.of(r.cell) for r in evidence.latest)}
    names = sorted(entries) or sorted(evidence.adapters)
    if not names:
        return Section(missing="It names no adapter.")
    sources = find_sources("source", evidence.sources)
    scripts = find_sources("script", evidence.scripts)
    return Section(
        sentences=(sentence(names, sources, evidence),),
        blocks=(table(evidence, names, entries, sources),),
        extra=Texts(scripts, sources, differences(scripts), step_times(evidence)),
    )


def find_sources(kind: str, texts: Mapping[str, str]) -> list[Source]:
    owners: dict[str, list[str]] = defaultdict(list)
    for name in sorted(texts):
        owners[texts[name]].append(name)
    return [Source(f"{kind}-{i}", tuple(own), t, lines(t)) for i, (t, own) in enumerate(owners.items(), start=1)]


def differences(scripts: list[Source]) -> dict[str, list[list[int]]]:
    """``script-1 script-2`` → the lines, from 0, of the first that the second has not, and the other way round."""
    found = {}
    for one, other in combinations(scripts, 2):
        left, right = one.text.splitlines(), other.text.splitlines()
        changed = [o for o in SequenceMatcher(None, left, right, autojunk=False).get_opcodes() if o[0] != "equal"]
        found[f"{one.id} {other.id}"] = [
            [line for _, begin, end, _, _ in changed for line in range(begin, end)],
            [line for _, _, _, begin, end in changed for line in range(begin, end)],
        ]
    return found


def step_times(evidence: Evidence) -> dict[str, str]:
    """The median steady step of each adapter's fastest mode, on the like-for-like workload with most of them."""
    timed = [c for c in evidence.speed if c.workload.track == "matched" and c.measured]
    if not timed:
        return {}
    main = max(timed, key=lambda c: len(c.measured))
    places = sorted((p for p in main.places if p.interval), key=lambda p: -p.interval.estimate if p.interval else 0)
    where = f"a step on {main.workload.label}"
    return {p.entry.adapter: f"{duration(p.interval.estimate)} {where} ({p.entry.mode})" for p in places if p.interval}


def sentence(names: list[str], sources: list[Source], evidence: Evidence) -> str:
    told = f"{len(names)} adapters" if len(names) != 1 else "One adapter"
    own = sorted((s for s in sources if set(s.adapters) & set(names)), key=lambda s: (s.lines, s.label))
    if len(own) > 1:
        fewest, most = own[0], own[-1]
        told += f", from {fewest.lines} lines of code, with helpers ({fewest.label}), to {most.lines} ({most.label})"
    limited = [n for n in names if n in evidence.adapters and evidence.adapters[n].limits]
    declare = "declares" if len(limited) == 1 else "declare"
    return told + (f"; {listing(limited)} {declare} settings without support." if limited else ".")


def table(evidence: Evidence, names: list[str], entries: Mapping[str, Entry], sources: list[Source]) -> Table:
    """Columns of which nothing is known are left out."""
    modes: dict[str, set[str]] = defaultdict(set)
    for record in evidence.latest:
        modes[record.cell.adapter].add(record.cell.mode)
    columns = [Column("Adapter", "framework · API", numeric=False), Column("Modes here", numeric=False)]
    if sources:
        columns.append(Column("Lines of code", "with helpers; no comments"))
    if evidence.adapters:
        columns += [Column("Notes", numeric=False), Column("Does not support", numeric=False)]
    rows = []
    for name in names:
        entry = entries.get(name)
        values = [
            text(name, detail=entry.about if entry else "not in this run"),
            text(", ".join(sorted(modes[name])) or "none"),
        ]
        if sources:
            source = next((s for s in sources if name in s.adapters), None)
            shared = f"shared by {len(source.adapters)}" if source and len(source.adapters) > 1 else ""
            values.append(number(str(source.lines), source.lines, detail=shared) if source else absent("no source"))
        if evidence.adapters:
            about = evidence.adapters.get(name)
            values.append(text(" ".join(about.notes) or "none") if about else absent("unknown adapter"))
            limits = "; ".join(map(limit, about.limits)) if about else ""
            values.append(text(limits or "nothing declared") if about else absent("unknown adapter"))
        rows.append(Line(tuple(values), {"framework": entry.family, "api": entry.api} if entry else {}))
    return Table("adapters-table", "Adapters of this run", tuple(columns), tuple(rows))


def limit(item: Mapping[str, Any]) -> str:
    """``optimizer adam or adamw: the reason``."""
    facts = ", ".join(_fact(key, value) for key, value in item.items() if key != "because")
    return f"{facts}: {item.get('because', 'no reason was given')}"


def _fact(key: str, value: Any) -> str:
    if isinstance(value, bool):
        return key if value else f"no {key}"
    return f"{key} {' or '.join(map(str, value)) if isinstance(value, tuple | list) else value}"
