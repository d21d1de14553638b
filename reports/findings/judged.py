"""What a run could answer, in its last lines: how many timed launches count, which cells are judged, and why others
are not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from levelfield.harness.judge import statistics
from levelfield.harness.records.record import Record, Run
from levelfield.reports.findings.certificates import Certificate
from levelfield.reports.findings.evidence import Comparison, Evidence, Place, gather
from levelfield.reports.findings.text import count, listing


@dataclass(frozen=True)
class Judged:
    """Of the timed launches how many were made, and gave a clean time; of the cells beside baselines how many are
    judged, and the reason why others are not → how many."""

    made: int
    clean: int
    disturbed: int
    failed: int
    cells: int
    judged: int
    reasons: Counter[str]
    baseline: str


def find(run: Run, records: Sequence[Record], certificates: Sequence[Certificate]) -> Judged:
    return of(gather(run, records, certificates=certificates))


def of(evidence: Evidence) -> Judged:
    places = [(c, p) for c in evidence.speed for p in c.places if p.outcome not in ("unsupported", "skipped")]
    counts = Counter[str]()
    for _, place in places:
        counts.update(place.counts)
    others = [(c, p) for c, p in places if p.entry != c.baseline or c.base is None]
    reasons = Counter(why for c, p in others if (why := why_not(p, c)) is not None)
    return Judged(
        made=counts["ok"] + counts["failed"],
        clean=sum(len(place.steps) for _, place in places),
        disturbed=sum(place.disturbed for _, place in places),
        failed=counts["failed"],
        cells=len(others),
        judged=len(others) - reasons.total(),
        reasons=reasons,
        baseline=evidence.baseline_label,
    )


def why_not(place: Place, comparison: Comparison) -> str | None:
    """Why a cell has no verdict; None where it has one."""
    if place.verdict is not None and place.verdict.word != "not judged":
        return None
    if place.outcome in ("failed", "disturbed"):
        return "all its launches failed" if place.outcome == "failed" else str(place.reason)
    if place.certified is False:
        return "not certified"
    if place.verdict is None:
        return comparison.why_unjudged or "no clean time"
    least = statistics.LEAST_BLOCKS
    common = place.verdict.ratio.n if place.verdict.ratio else 0
    return f"{count(common, 'clean block')} in common with the baseline, a verdict needs {least}"


def lines(found: Judged) -> list[str]:
    """For the end of a run; nothing where nothing was timed."""
    if not found.made:
        return []
    lost = [f"{n} {word}" for n, word in ((found.disturbed, "disturbed"), (found.failed, "failed")) if n]
    counting = f"{found.clean} of {count(found.made, 'timed launch')} {'counts' if found.made == 1 else 'count'}"
    told = [counting + (f": {listing(lost)}" if lost else "")]
    if not found.cells:
        return [*told, "nothing is judged: there is no other cell to compare the baseline with"]
    whole = f"{found.judged} of {count(found.cells, 'timed cell')} {'is' if found.cells == 1 else 'are'} judged"
    told.append(f"{whole} against {found.baseline}" if found.judged else f"nothing is judged: {whole}")
    told += [f"  not judged: {count(n, 'cell')}: {why}" for why, n in sorted(found.reasons.items())]
    return told
