"""What a reader must know of each adapter, with its source beside the others'."""

from __future__ import annotations

import io
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reports.findings import Entry, Evidence
from reports.section import Column, Line, Section, Table, Value, absent, number, text
from reports.text import listing, slug

ORDER, SHORT, TITLE = 120, "Adapters", "The adapters: caveats and source"


@dataclass(frozen=True)
class Source:
    id: str
    adapter: str
    text: str
    lines: int


def section(evidence: Evidence) -> Section:
    entries = {e.adapter: e for e in (Entry.of(r.cell) for r in evidence.latest)}
    names = sorted(entries.keys() | evidence.adapters.keys())
    if not names:
        return Section(missing="It names no adapter.")
    sources = [
        Source(f"source-{i}-{slug(n)}", n, evidence.sources[n], code_lines(evidence.sources[n]))
        for i, n in enumerate(sorted(evidence.sources), start=1)
    ]
    measured: dict[str, set[str]] = {n: set() for n in names}
    for record in evidence.latest:
        measured[record.cell.adapter].add(record.cell.mode)
    table = Table(
        "adapters-table",
        "Adapters of this run",
        (
            Column("Adapter", "framework · API", numeric=False),
            Column("Modes here", numeric=False),
            Column("Lines of code", "without blank lines and comments"),
            Column("Notes", numeric=False),
            Column("Does not support", numeric=False),
        ),
        tuple(_line(evidence, n, entries.get(n), measured[n], sources) for n in names),
    )
    return Section(sentences=(sentence(names, sources, evidence),), blocks=(table,), extra=sources)


def sentence(names: list[str], sources: list[Source], evidence: Evidence) -> str:
    told = f"{len(names)} adapters" if len(names) != 1 else "One adapter"
    own = sorted((s for s in sources if s.adapter in names), key=lambda s: (s.lines, s.adapter))
    if len(own) > 1:
        told += f", from {own[0].lines} lines of code ({own[0].adapter}) to {own[-1].lines} ({own[-1].adapter})"
    limited = [n for n in names if n in evidence.adapters and evidence.adapters[n].limits]
    return told + (f"; {listing(limited)} declare settings that they do not support." if limited else ".")


def _line(evidence: Evidence, name: str, entry: Entry | None, modes: set[str], sources: list[Source]) -> Line:
    about = evidence.adapters.get(name)
    source = next((s for s in sources if s.adapter == name), None)
    unknown = absent("not passed to this page")
    framework = (f"{entry.framework} on {entry.backend}" if entry.backend else entry.framework) if entry else ""
    values: tuple[Value, ...] = (
        text(name, detail=f"{framework} · {entry.api}" if entry else "not in this run"),
        text(", ".join(sorted(modes)) or "none"),
        number(str(source.lines), source.lines) if source else unknown,
        (text(" ".join(about.notes)) if about.notes else text("none")) if about else unknown,
        (text("; ".join(map(limit, about.limits))) if about.limits else text("nothing declared")) if about else unknown,
    )
    return Line(values, {"framework": entry.family, "api": entry.api} if entry else {})


def limit(item: Mapping[str, Any]) -> str:
    """``optimizer adam or adamw: the reason``."""
    facts = ", ".join(
        f"{key} {' or '.join(map(str, value)) if isinstance(value, tuple | list) else value}"
        for key, value in item.items()
        if key != "because"
    )
    return f"{facts}: {item.get('because', 'no reason was given')}"


def code_lines(source: str) -> int:
    """Lines that hold code: not blank, not only a comment or a docstring. Text that is no Python: non-blank lines."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    except (tokenize.TokenError, SyntaxError, ValueError):
        return sum(bool(line.strip()) for line in source.splitlines())
    layout = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    lines: set[int] = set()
    fresh = True  # at the start of a statement, where a lone string is a docstring
    for position, token in enumerate(tokens):
        if token.type in layout:
            fresh = fresh or token.type in (tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
            continue
        alone = position + 1 < len(tokens) and tokens[position + 1].type == tokenize.NEWLINE
        if not (token.type == tokenize.STRING and fresh and alone):
            lines.update(range(token.start[0], token.end[0] + 1))
        fresh = False
    return len(lines)
