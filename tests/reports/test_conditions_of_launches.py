"""Disturbed, cold and other environments' launches: none of them may slip into another's interval."""

from __future__ import annotations

import html
from math import inf

import pytest
import report_factory as factory
from hypothesis import given, settings
from hypothesis import strategies as st

from levelfield.harness.records.cell import Cell
from levelfield.reports import markdown, terminal
from levelfield.reports.findings import whole_job
from levelfield.reports.findings.certificates import Certificate, Check
from levelfield.reports.findings.evidence import gather, outcome_counts
from levelfield.reports.page import html as page
from levelfield.reports.sections import failures, speed, startup, tax

NUMPY, TORCH, COMPILED = factory.ENTRIES[:3]
RULE = "it had 2 of at least 5 turns"


def disturbed(records, adapter, blocks=range(99)):
    """The launches of one adapter, with absurd times that a rule voids."""
    return [
        r.model_copy(update={"contaminated": RULE, "epoch_seconds": [1e3] * 9, "predict_seconds": {"1": [1e3] * 3}})
        if r.cell.adapter == adapter and r.block in blocks
        else r
        for r in records
    ]


def changed(records, **update):
    return [r.model_copy(update=update) for r in records]


def elsewhere(records, environment="torch-2.6", factor=1.0, versions=None):
    return [
        r.model_copy(
            update={
                "cell": Cell(**(r.cell.model_dump() | {"environment": environment})),
                "epoch_seconds": [e * factor for e in r.epoch_seconds],
                "versions": versions or r.versions,
            }
        )
        for r in records
    ]


def by_label(comparison):
    return {p.entry.label: p for p in comparison.places}


@given(st.sets(st.integers(0, 7), min_size=1, max_size=7))
@settings(max_examples=10, deadline=None)
def test_a_disturbed_launch_counts_as_one_that_was_never_timed(blocks):
    records = factory.speed_records([NUMPY, TORCH])
    found = by_label(gather(factory.make_run(), disturbed(records, "torch-autograd", blocks)).speed[0])
    without = [r for r in records if r.cell.adapter != "torch-autograd" or r.block not in blocks]
    wanted = by_label(gather(factory.make_run(), without).speed[0])
    for label, place in found.items():
        assert (place.steps, place.interval, place.verdict) == (
            wanted[label].steps, wanted[label].interval, wanted[label].verdict,
        )  # fmt: skip
    assert found["torch-autograd eager"].disturbed == len(blocks)
    assert found["torch-autograd eager"].outcome == "ok"


def test_no_number_of_a_disturbed_launch_is_on_the_page():
    records = disturbed(factory.speed_records([NUMPY, TORCH, COMPILED]), "torch-autograd", {1, 2})
    evidence = gather(factory.make_run(), records)
    for module in page.modules():
        section = module.section(evidence)
        shown = " ".join(
            [*section.sentences, *(v.text for t in section.tables for line in t.lines for v in line.values)]
        )
        assert "16 min" not in shown  # a thousand seconds


def test_a_cell_whose_launches_were_all_disturbed_says_so():
    records = disturbed(factory.speed_records([NUMPY, TORCH], blocks=6), "torch-autograd")
    evidence = gather(factory.make_run(), records)
    place = by_label(evidence.speed[0])["torch-autograd eager"]
    assert (place.outcome, place.reason, place.interval) == ("disturbed", "every launch was disturbed", None)
    assert outcome_counts(evidence)["disturbed"] == 6
    (trouble,) = failures.find(evidence)
    assert (trouble.status, trouble.reason, trouble.launches) == (
        "disturbed",
        RULE,
        6,
    )
    text = html.unescape(page.build(factory.make_run(), records))
    assert "<strong>6</strong> disturbed, set aside" in text
    assert "every launch was disturbed" in text
    assert "torch-autograd eager (6)" in text
    for form in (markdown.build(factory.make_run(), records), terminal.text(factory.make_run(), records)):
        assert "disturbed, set aside" in form


def test_a_cell_that_was_partly_disturbed_and_partly_failed_tells_both():
    records = disturbed(factory.speed_records([NUMPY, TORCH], blocks=2), "torch-autograd")
    records.append(factory.failed_record(factory.make_cell(TORCH), 7, reason="time limit"))
    place = by_label(gather(factory.make_run(), records).speed[0])["torch-autograd eager"]
    assert place.reason == "2 disturbed, the others: time limit"


def test_where_everything_was_disturbed_no_section_asks_for_another_suite():
    records = disturbed(factory.speed_records([NUMPY], blocks=6), "numpy-manual")
    evidence = gather(factory.make_run(), records)
    for module in (speed, startup, tax):
        missing = module.section(evidence).missing
        assert missing == "None of its 6 speed launches gave a clean time (disturbed: every launch was disturbed)."


# Environments


def test_another_environment_is_an_entry_of_its_own_against_the_baseline_in_the_default_one():
    records = factory.speed_records([NUMPY, TORCH], blocks=8, noise=0.002)
    evidence = gather(factory.make_run(), records + elsewhere(records, factor=2))
    places = by_label(evidence.speed[0])
    assert evidence.baseline_label == "numpy-manual eager"
    assert set(places) == {
        "numpy-manual eager", "numpy-manual eager torch-2.6",
        "torch-autograd eager", "torch-autograd eager torch-2.6",
    }  # fmt: skip
    assert places["numpy-manual eager torch-2.6"].ratio.estimate == pytest.approx(2, rel=1e-6)
    assert places["numpy-manual eager torch-2.6"].word == "slower"


def test_pairs_of_apis_and_of_modes_stay_within_an_environment():
    own = factory.speed_records(factory.ENTRIES[1:5], blocks=8)
    evidence = gather(factory.make_run(baseline="torch-nn"), own + elsewhere(own))
    assert {(t.high.entry.environment, t.low.entry.environment) for t in tax.find(evidence.speed[0])} == {
        ("default", "default"), ("torch-2.6", "torch-2.6"),
    }  # fmt: skip
    _, paybacks = startup.find(evidence, evidence.speed[0])
    assert len(paybacks) == 4
    assert all(p.compiled.place.entry.environment == p.eager.place.entry.environment for p in paybacks)


def test_a_certificate_holds_for_the_versions_it_was_made_with():
    records = factory.speed_records([NUMPY], blocks=2)
    records += elsewhere(records, versions={"numpy": "1.26.4"})
    proof = Certificate("numpy-manual", "eager", (Check("logits", 0, 1),), versions={"numpy": "1.2.3"})
    places = by_label(gather(factory.make_run(), records, certificates=[proof]).speed[0])
    assert [p.certified for _, p in sorted(places.items())] == [True, False]


# Cold launches


def cold(records):
    return changed(records, cold=True, phases={"import": 2.5, "build": 0.1, "place": 0.01, "first_epoch": 0.5})


def test_cold_and_warm_launches_are_two_comparisons():
    records = factory.speed_records([NUMPY, TORCH], blocks=8)
    evidence = gather(factory.make_run(), records + cold(records[:12]))
    assert [(c.workload.cold, [len(p.steps) for p in c.places]) for c in evidence.speed] == [
        (False, [8, 8]), (True, [6, 6]),
    ]  # fmt: skip
    assert evidence.speed[1].workload.full.endswith("cold launches")
    assert all(c.judged for c in evidence.speed)


def test_the_whole_job_is_import_build_first_epoch_and_the_steady_ones():
    record = factory.speed_record(factory.make_cell(), 0, 1e-3, epoch_seconds=[0.04, 0.03, 0.05])
    record = record.model_copy(update={"phases": {"import": 2.0, "build": 0.5, "place": 0.25, "first_epoch": 1.0}})
    assert [whole_job.seconds(record, n) for n in (1, 10, 1000)] == pytest.approx([3.75, 3.75 + 0.36, 3.75 + 39.96])


def jobs(records):
    evidence = gather(factory.make_run(), records)
    found = {}
    for comparison in evidence.speed:
        starts, _ = startup.find(evidence, comparison)
        found[comparison.workload.cold] = whole_job.find(evidence, comparison.workload, starts)
    return evidence, found


def test_of_a_warm_run_the_page_says_that_the_import_is_shared():
    evidence, found = jobs(factory.speed_records([NUMPY, TORCH], blocks=6))
    section = startup.section(evidence)
    table = next(t for t in section.tables if t.name.startswith("job"))
    assert [c.detail for c in table.columns if c.label == "Import"] == ["of the warm parent, shared"]
    assert any("shared" in note for note in section.notes)
    assert "which forked launches share" in whole_job.sentence(found[False])
    assert "1 epoch. It took" in whole_job.sentence(found[False])
    assert "described, not judged" in whole_job.sentence(found[False])


def test_cold_launches_tell_the_whole_job_where_there_are_any():
    records = factory.speed_records([NUMPY, TORCH], blocks=6)
    evidence, found = jobs(records + cold(records))
    assert found[False] == ()
    assert [j.parts["import"] for j in found[True]] == [2.5, 2.5]
    assert "a cold import" in whole_job.sentence(found[True])
    assert not [note for note in startup.section(evidence).notes if "shared" in note]


@pytest.mark.parametrize("phases", [{}, {"import": inf, "build": 1, "place": 1, "first_epoch": 1}, {"first_epoch": 1}])
def test_a_job_with_a_phase_that_was_not_measured_has_no_total(phases):
    records = changed(factory.speed_records([NUMPY], blocks=2), phases=phases)
    assert jobs(records)[1].get(False, ()) == ()


# Sentences for what could not be paired


def test_the_reason_why_no_payback_is_told_is_the_true_one():
    records = factory.speed_records([TORCH, COMPILED], blocks=6)
    run = factory.make_run(baseline="torch-autograd")
    evidence = gather(run, records, certificates=[])
    assert "were" not in startup.why_no_pair(startup.find(evidence, evidence.speed[0])[0])
    assert "not every mode of a pair is certified" in startup.section(evidence).finding
    alone = gather(run, factory.speed_records([TORCH], blocks=6))
    assert "no adapter was measured both eager and compiled (modes here: eager" in startup.section(alone).finding
