"""Verdicts in words. Every sentence about who is faster is made here, so that none says more than its verdict."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from levelfield.harness.judge.statistics import Interval, Verdict
from levelfield.harness.records.record import Cache
from levelfield.harness.results.proved import NOT_PROVED
from levelfield.reports.findings.evidence import Comparison, Evidence, Place
from levelfield.reports.findings.text import TIMES, count, factor_digits, factors, listing

SIGNS = {"faster": "▲", "slower": "▼", "tied": "≈", "inconclusive": "?", "not judged": "–", "baseline": "•"}
WORDS = ("faster", "slower", "tied", "inconclusive", "not judged")

# Which cache of compiled code on the disk a launch met; a framework that keeps none is told nothing of
WITH_CACHE: Mapping[Cache | None, str] = {
    "empty": " from an empty compile cache",
    "filled": " with a filled compile cache",
    None: "",
}

TRACKS = {"matched": "like for like", "idiomatic": "by default"}


def why_nothing(evidence: Evidence, otherwise: str = "") -> str:
    """Why there is no clean time; `otherwise`, what is said where there is one."""
    if any(c.measured for c in evidence.speed):
        return otherwise
    places = [p for c in evidence.speed for p in c.places]
    if not places:
        return "It has no speed launch: levelfield run default"
    told = listing(sorted({f"{p.outcome}: {p.reason}" for p in places}), most=3)
    return f"None of its {count(sum(p.launches for p in places), 'speed launch')} gave a clean time ({told})."


def speed_phrase(verdict: Verdict, than: str = "") -> str:
    """``1.31 × faster than X (1.25–1.38)``: the ratio the way round in which it reads, its interval beside it."""
    ratio = verdict.ratio
    if verdict.word not in ("faster", "slower", "tied", "inconclusive") or ratio is None:
        return f"not judged ({verdict.reason.removesuffix(', not judged')})"
    if verdict.word in ("tied", "inconclusive"):
        other = f" with {than}" if than and verdict.word == "tied" else f" against {than}" if than else ""
        return f"{verdict.word}{other} (ratio {factors(ratio.low, ratio.high)})"
    small = "" if verdict.material else "; perhaps less than the margin"
    other = f" than {than}" if than else ""
    size, low, high = as_read(ratio, verdict.word)
    return f"{factor_digits(size)} {TIMES} {verdict.word}{other} ({factors(low, high)}{small})"


def as_read(ratio: Interval, word: str) -> tuple[float, float, float]:
    """Estimate, low and high: of what is faster, how many times."""
    if word == "faster":
        return 1 / ratio.estimate, 1 / ratio.high, 1 / ratio.low
    return ratio.estimate, ratio.low, ratio.high


def against_baseline(place: Place, comparison: Comparison) -> str:
    if place.entry == comparison.baseline:
        return "the baseline itself"
    return speed_phrase(place.verdict, "the baseline") if place.verdict else "not judged against the baseline"


def lead_sentence(comparison: Comparison) -> str:
    """Who is fastest on a workload, and whether that is sure.

    A tier of one means that the next entry is shown to take longer; nothing is claimed of wider ones further down.
    """
    workload = comparison.workload
    caution = f" {workload.over.capitalize()}: not a scaling measurement." if workload.share_cores else ""
    return _lead(comparison) + caution


def _lead(comparison: Comparison) -> str:
    where = comparison.workload.where
    if not comparison.measured:
        reasons = sorted({p.reason for p in comparison.places if p.reason})
        return f"{where} no launch gave a clean step time{': ' + listing(reasons, most=2) if reasons else ''}."
    if not comparison.tiers:
        return f"{where} nothing is judged: {comparison.why_unjudged}."
    first, *others = comparison.tiers.values()
    lead = first[0]
    launches = count(lead.interval.n, "launch") if lead.interval else "no launch"
    about = f"{against_baseline(lead, comparison)}, {launches}"
    if len(first) == 1:
        follows = f"; the next, {others[0][0].entry.label}, is shown to take longer" if others else ""
        return f"{where}, {lead.entry.label} leads alone: {about}{follows}.{_aside(comparison)}"
    if not others:
        smallest = f"The smallest estimate is that of {lead.entry.label}: {about}."
        return f"{where} no entry is shown to differ from another ({len(first)} judged). {smallest}{_aside(comparison)}"
    names = listing([p.entry.label for p in first])
    return (
        f"{where}, {len(first)} share the lead and are not shown to differ: {names}. "
        f"The smallest estimate is that of {lead.entry.label}: {about}.{_aside(comparison)}"
    )


def _aside(comparison: Comparison) -> str:
    """Who has a number and no part in this."""
    uncertified = sum(p.certified is False for p in comparison.measured)
    few = sum(p.tier is None and p.certified is not False for p in comparison.measured)
    told = [f"{n} {why}" for n, why in ((uncertified, "not certified"), (few, "with too few pairs")) if n]
    return f" Measured, but without a part in this: {' and '.join(told)}." if told else ""


def outcomes(counts: Mapping[str, int]) -> str:
    """``91 ok, 3 failed, 2 skipped and 4 disturbed, set aside``; nothing for no launch."""
    known = {w: w for w in ("ok", "failed", "skipped", "unsupported", "not certified")}
    known |= {NOT_PROVED: NOT_PROVED, "disturbed": "disturbed, set aside"}
    return listing([f"{counts[word]} {told}" for word, told in known.items() if counts.get(word)], most=len(known))


def word_counts(found: Sequence[str]) -> str:
    """``3 faster, 8 slower, 1 tied``, in a fixed order."""
    return ", ".join(f"{found.count(w)} {w}" for w in WORDS if w in found)


def names_absent_packages(reason: str | None) -> bool:
    """Whether a launch was skipped because a framework is not installed: said once of all cells of its adapter."""
    return re.fullmatch(r"needs .+: pip install .+", reason or "") is not None
