"""The command that repeats the run, and the data to take away."""

from __future__ import annotations

from reports.findings import Evidence
from reports.section import Section
from reports.text import count

ORDER, SHORT, TITLE = 150, "Reproduce", "Reproduce"


def section(evidence: Evidence) -> Section:
    return Section(sentences=(f"One command repeats all of this run, {count(len(evidence.latest), 'launch')}.",))
