"""The findings as Markdown, for a pull request: sentences and the tables behind them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from levelfield.harness.records.record import Record, Run
from levelfield.harness.run.outcome import unfinished
from levelfield.reports.findings import publishable, words
from levelfield.reports.findings.evidence import Evidence, gather, outcome_counts, warnings
from levelfield.reports.findings.text import count, visible
from levelfield.reports.page import html
from levelfield.reports.page.blocks import Section, Table

SECTIONS = (
    "summary",
    "speed",
    "tax",
    "explained",
    "startup",
    "scaling",
    "ranks",
    "utilisation",
    "gap",
    "defaults",
    "studies",
    "published",
    "certificates",
    "failures",
)

# Whose tables a pull request has no room for: a comment holds some 65,000 characters
SENTENCES_ONLY = frozenset({"certificates"})


def build(run: Run, records: Sequence[Record], **known: Any) -> str:
    """Markdown text: the summary open, the other sections folded; `known` is what `gather` takes besides.

    Raises UserError for an unknown baseline.
    """
    evidence = gather(run, records, **known)
    counts = outcome_counts(evidence)
    told = words.outcomes(counts)
    machine = run.machine
    unmade = [left] if (left := unfinished(run, evidence.latest)) is not None else []
    head = [
        f"## {escape(run.name)}",
        "",
        f"{told or 'no launch yet'}; baseline {escape(evidence.baseline_label)}; "
        f"{escape(machine.cpu)}, {count(machine.cores, 'core')}. {escape(publishable.stamp(evidence))}",
        "",
        *(f"> {escape(warning)}\n" for warning in [*unmade, *warnings(evidence)]),
    ]
    parts = [part for name in SECTIONS for part in _section(name, evidence)]
    return "\n".join([*head, *parts, "Repeat it:", "", *_code(run.command)]) + "\n"


def _section(name: str, evidence: Evidence) -> list[str]:
    module = next(m for m in html.modules() if m.__name__.endswith(f".{name}"))
    section: Section = module.section(evidence)
    if section.missing:
        return [f"### {module.TITLE}", "", f"Not measured in this run. {escape(section.missing)}", ""]
    body = [*(f"- {escape(s)}" for s in section.sentences), ""]
    kept = () if name in SENTENCES_ONLY else section.tables
    tables = [line for t in kept for line in [f"**{escape(t.caption)}**", "", *table(t), ""]]
    if tables and name != "summary":
        tables = ["<details><summary>Table</summary>", "", *tables, "</details>", ""]
    return [f"### {module.TITLE}", "", *body, *tables]


def table(t: Table) -> list[str]:
    head = [escape(f"{c.label}, {c.detail}" if c.detail else c.label) for c in t.columns]
    rule = ["---" if not c.numeric or i == 0 else "--:" for i, c in enumerate(t.columns)]
    rows = [[escape(f"{v.text} ({v.detail})" if v.detail else v.text) for v in line.values] for line in t.lines]
    return [f"| {' | '.join(cells)} |" for cells in (head, rule, *rows)]


def escape(text: str) -> str:
    """One line that Markdown and the HTML inside it show as it stands."""
    line = visible(text).replace("\n", " ").replace("\t", " ")
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]|~$])", r"\\\1", line).replace("@", "&#64;")


def _code(text: str) -> list[str]:
    """A fenced block whose fence is longer than any run of backticks inside."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return [fence, visible(text), fence]
