"""The command that repeats the run, and the data to take away."""

from __future__ import annotations

from reports.findings import Evidence
from reports.section import Section
from reports.text import count

ORDER, SHORT, TITLE = 150, "Reproduce", "Reproduce"


def section(evidence: Evidence) -> Section:
    commands = len(evidence.run.command.splitlines())
    told = "One command repeats" if commands == 1 else f"{commands} commands repeat"
    return Section(sentences=(f"{told} all of this run, {count(len(evidence.latest), 'launch')}.",))
