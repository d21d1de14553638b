"""The command that repeats the run, and the data to take away."""

from __future__ import annotations

from levelfield.reports.findings.evidence import Evidence
from levelfield.reports.findings.text import count
from levelfield.reports.page.blocks import Section

ORDER, SHORT, TITLE = 150, "Repeat", "Reproduce"


def section(evidence: Evidence) -> Section:
    commands = len(evidence.run.command.splitlines())
    told = "One command repeats" if commands == 1 else f"{commands} commands repeat"
    made = count(len(evidence.latest), "launch")
    if evidence.run.planned is not None and evidence.run.ended != "complete":
        made = f"of which {made} were made of {'at most ' if evidence.run.at_most else ''}{evidence.run.planned:,}"
    return Section(sentences=(f"{told} all of this run, {made}.",))
