"""Whether a run may be published, by rules fixed beforehand, and what it lacks.

Machine, number of blocks, certificates and the commit of levelfield (of an installed package: the digest of its files)
decide; no verdict does. A run that lacks something is shown all the same, and its page says what is missing.
"""

from __future__ import annotations

from collections.abc import Iterator

from levelfield.harness.records.record import Run
from levelfield.reports.findings import judged
from levelfield.reports.findings.evidence import Evidence
from levelfield.reports.findings.text import count, listing

LEAST_BLOCKS = 5  # what the default suite plans


def lacks(evidence: Evidence) -> tuple[str, ...]:
    """What keeps the run from being published, one phrase each; empty when nothing does."""
    return tuple(_lacks(evidence))


def _lacks(evidence: Evidence) -> Iterator[str]:
    with_verdict = [place for c in evidence.speed if c.judged for place in (*c.judged, c.base) if place]
    timed = [place for c in evidence.speed for place in c.measured]
    if not with_verdict:
        yield "verdicts: nothing that was timed could be judged"
    if evidence.run.warnings:
        yield f"a machine and a course without warnings: {count(len(evidence.run.warnings), 'warning')} below"
    few = [f"{p.entry.label} ({len(p.steps)})" for p in with_verdict if len(p.steps) < LEAST_BLOCKS]
    if few:
        yield f"{LEAST_BLOCKS} blocks of every cell: fewer have {listing(few, most=3)}"
    if evidence.certificates is None:
        yield "certificates: none were examined"
    elif unproved := [place.entry.label for place in timed if place.certified is not True]:
        yield f"certificates of all that was timed: none has {listing(unproved, most=3)}"
    code = evidence.run.machine.commit or evidence.run.machine.package
    if code is None:
        yield "a commit of levelfield, or the list of the files that its wheel installed"
    elif code.endswith("+changes"):
        yield "levelfield without changes: its checkout or its installed files had some"


def made_by(run: Run) -> str:
    """For the foot of a picture that is a file of its own: run, machine and date."""
    return f"{run.name} · {run.machine.cpu}, {count(run.machine.cores, 'core')} · {run.started[:10]} · levelfield"


def trust(evidence: Evidence) -> str:
    """In a phrase each: how much is judged, counts and is proved."""
    found = judged.of(evidence)
    told = []
    if found.cells:
        told.append(f"{found.judged} of {count(found.cells, 'cell')} judged")
    if found.made:
        told.append(f"{found.clean} of {count(found.made, 'timed launch')} count")
    if evidence.certificates is None:
        told.append("certificates not examined")
    return " · ".join(told)


def stamp(evidence: Evidence) -> str:
    """One sentence for the head of the page."""
    missing = lacks(evidence)
    return f"Not publishable; it lacks {'; '.join(missing)}." if missing else "Publishable: nothing is missing."
