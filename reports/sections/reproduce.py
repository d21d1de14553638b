"""The command that repeats the run, and the data to take away."""

from __future__ import annotations

from levelfield.reports.findings.evidence import Evidence
from levelfield.reports.findings.text import count
from levelfield.reports.page.blocks import Section

ORDER, SHORT, TITLE = 150, "Reproduce", "Reproduce"


def section(evidence: Evidence) -> Section:
    commands = len(evidence.run.command.splitlines())
    told = "One command repeats" if commands == 1 else f"{commands} commands repeat"
    return Section(sentences=(f"{told} all of this run, {count(len(evidence.latest), 'launch')}.",))
