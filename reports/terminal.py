"""The run as plain text for the terminal: the same verdicts as the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from levelfield.harness.records.record import Record, Run
from levelfield.harness.run.outcome import unfinished
from levelfield.harness.system.console import columns
from levelfield.reports.findings import publishable, words
from levelfield.reports.findings.certificates import Certificate
from levelfield.reports.findings.evidence import Comparison, Evidence, Place, gather, outcome_counts, warnings
from levelfield.reports.findings.intervals import LEAST
from levelfield.reports.findings.learning import Study, accuracy_on_test, loss_gap, loss_on_test, mean_of, studies
from levelfield.reports.findings.series import fits
from levelfield.reports.findings.text import duration, factor, factors, fixed, listing, significant, span, visible
from levelfield.reports.sections import failures, gap, published
from levelfield.reports.sections import studies as what_makes_the_gap


def text(run: Run, records: Sequence[Record], **known: Any) -> str:
    """A table with verdict words for every workload, then learning, then what is missing and why.

    `known` is what `gather` takes besides.
    """
    return "\n".join(lines(gather(run, records, **known))) + "\n"


def lines(evidence: Evidence) -> list[str]:
    counts = outcome_counts(evidence)
    told = words.outcomes(counts)
    result = [
        visible(f"{evidence.run.name}: {told or 'no launch yet'}"),
        visible(f"baseline {evidence.baseline_label}" + ("" if evidence.baseline else " (no launch in this run)")),
    ]
    if (state := unfinished(evidence.run, evidence.latest)) is not None:
        result.insert(0, visible(state))
    result += [visible(f"warning: {warning}") for warning in warnings(evidence)]
    result.append(visible(publishable.stamp(evidence)))
    if named := fits(evidence):
        result += ["", f"Study: {listing(list(named))}", *map(visible, what_makes_the_gap.section(evidence).sentences)]
    for comparison in evidence.speed:
        result += ["", visible(f"Speed: {comparison.workload.full}"), *table(_speed_rows(comparison))]
        result.append(visible(words.lead_sentence(comparison)))
    for study in studies(evidence):
        result += ["", visible(f"Learning: {study.workload.full}"), *table(_learning_rows(study))]
        if study.measured:
            result.append(visible(gap.find(study).sentence))
    result += _published(evidence)
    found = failures.find(evidence)
    missing = [t for t in found if not t.absent]
    if absent := failures.not_installed(found):
        result += ["", absent]
    if missing:
        result += ["", "Without a number"]
        result += table([["", "", ""]] + [[_cell(t), f"{t.status} {t.launches}/{t.of}", t.reason] for t in missing])[1:]
    return result


def replayed(run: Run, records: Sequence[Record], certificates: Sequence[Certificate] | None) -> list[str]:
    """The published figures that a run replays, beside its own; nothing for other runs."""
    if not any(record.cell.replays for record in records):
        return []
    return _published(gather(run, records, certificates=certificates))


def _published(evidence: Evidence) -> list[str]:
    found = published.section(evidence)
    rows = [[value.text for value in line.values] for t in found.tables for line in t.lines]
    if not rows:
        return []
    head = [column.label for column in found.tables[0].columns]
    told = [visible(line) for line in (*found.sentences, *found.notes)]
    return ["", published.TITLE, *table([head, *rows]), *told]


def _cell(trouble: failures.Trouble) -> str:
    over = trouble.workload.over
    return f"{trouble.entry.label}, {over}" if over else trouble.entry.label


def _speed_rows(comparison: Comparison) -> list[list[str]]:
    rows = [["adapter", "step", "interval", "ratio", "interval", "verdict"]]
    for p in comparison.places:
        if words.names_absent_packages(p.reason):
            continue
        if p.interval is None:
            rows.append([p.entry.label, "-", "-", "-", "-", f"{p.outcome}: {p.reason}"])
            continue
        ratio = p.ratio
        rows.append(
            [
                p.entry.label,
                duration(p.interval.estimate),
                span(p.interval.low, p.interval.high) if p.interval.n >= LEAST else "-",
                factor(ratio.estimate) if ratio else "-",
                factors(ratio.low, ratio.high) if ratio else "-",
                _word(p, comparison),
            ]
        )
    return rows


def _word(place: Place, comparison: Comparison) -> str:
    if place.certified is False:
        return "not certified"
    if place.entry == comparison.baseline:
        return "baseline"
    tier = f" (tier {place.tier})" if place.tier else ""
    return place.word + tier


def _learning_rows(study: Study) -> list[list[str]]:
    test = "test accuracy" if study.classification else "test loss"
    rows = [["adapter", "seeds", "best epoch", "gap in loss", test]]
    for x in study.learners:
        if words.names_absent_packages(x.reason):
            continue
        if not x.bests():
            rows.append([x.entry.label, "-", "-", "-", x.reason or "no finite loss"])
            continue
        bests = x.bests()
        epochs = sorted(s.epoch for s in bests.values())
        own_gap = mean_of(bests, loss_gap)
        score = mean_of(bests, accuracy_on_test if study.classification else loss_on_test)
        digits = fixed if study.classification else significant
        shown = [fixed(own_gap.estimate, 4) if own_gap else "-", digits(score.estimate, 4) if score else "-"]
        rows.append([x.entry.label, str(len(x.curves)), str(epochs[len(epochs) // 2]), *shown])
    return rows


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns as a terminal shows them."""
    return columns([[visible(cell).replace("\n", " ") for cell in row] for row in rows])
