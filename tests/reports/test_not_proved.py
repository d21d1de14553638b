"""What the page makes of cells whose timed work was not proved, and of steps that no device can make."""

from __future__ import annotations

import report_factory as factory

from levelfield.harness.records.record import step_seconds
from levelfield.harness.results.compare_runs import compare
from levelfield.harness.results.proved import judged
from levelfield.reports import markdown, terminal
from levelfield.reports.findings.evidence import NOT_PROVED, disturbances, gather, outcome_counts
from levelfield.reports.page import html
from levelfield.reports.sections import failures

NUMPY, TORCH, COMPILED = factory.ENTRIES[:3]
REASON = "learning has stopped: the weights are the same after epoch 60 as they were before"


def caught(records, adapter, blocks):
    return [
        r.model_copy(update={"unproved": REASON}) if r.cell.adapter == adapter and r.block in blocks else r
        for r in records
    ]


def places(records, **how):
    found = gather(factory.make_run(), records, **how)
    return found, {p.entry.label: p for p in found.speed[0].places}


def test_one_launch_that_was_not_proved_takes_its_cell_out_of_everything():
    records = caught(factory.speed_records([NUMPY, TORCH, COMPILED]), "torch-autograd", {3})
    found, by_label = places([r for r in records if r.cell.mode == "eager"])
    place = by_label["torch-autograd eager"]
    assert place.outcome == NOT_PROVED
    assert (place.reason, place.steps, place.verdict, place.tier) == (REASON, {}, None, None)
    assert found.speed_records(place.workload, place.entry) == []
    assert outcome_counts(found)[NOT_PROVED] == place.launches
    assert any(REASON in told for told in disturbances(found))
    assert [t.status for t in failures.find(found)] == [NOT_PROVED]


def test_a_baseline_that_was_not_proved_judges_nobody():
    found, _ = places(caught(factory.speed_records([NUMPY, TORCH]), "numpy-manual", {0}))
    assert found.speed[0].judged == ()
    assert NOT_PROVED in found.speed[0].why_unjudged


def test_page_text_and_markdown_say_so_with_the_reason():
    records = caught(factory.speed_records([NUMPY, TORCH]), "torch-autograd", {0})
    run = factory.make_run()
    for text in (html.build(run, records), terminal.text(run, records), markdown.build(run, records)):
        assert NOT_PROVED in text
        assert "learning has stopped" in text


def test_a_comparison_of_two_runs_leaves_them_out():
    run, records = factory.make_run(), factory.speed_records([NUMPY, TORCH])
    found = compare((run, records), (run, caught(records, "torch-autograd", {0})), 0.03, force=False)
    assert [change.cell.adapter for change in found.changes] == ["numpy-manual"]
    assert [cell.adapter for cell in found.only_base] == ["torch-autograd"]


def test_the_section_on_certificates_tells_how_many_launches_were_followed_and_what_that_cost():
    from levelfield.reports.sections import certificates

    records = factory.speed_records([NUMPY])
    assert certificates.timed(places(records)[0]) == ()
    proved = [
        r.model_copy(
            update={
                "proof": {
                    "weights": "off by 1e-7 of their way at most, after epochs 2" if r.block else "not checked: …"
                },
                "phases": r.phases | {"proof": 0.02 * r.wall_seconds},
            }
        )
        for r in records
    ]
    [told] = certificates.timed(places(proved)[0])
    assert f"Of {len(records)} timed launches, the weights of {len(records) - 1} were held" in told
    assert told.endswith("which took 2.0 % of their time.")


# Steps that no device can make


def test_a_step_beyond_the_measured_peak_is_impossible_and_takes_no_part():
    fast = (*TORCH[:5], TORCH[5] / 1000, *TORCH[6:])
    records = factory.speed_records([NUMPY, fast])
    _, by_label = places(records, peaks=factory.PEAKS)
    place = by_label["torch-autograd eager"]
    assert place.outcome == NOT_PROVED
    assert place.reason.startswith("impossible: a step would need ")
    assert by_label["numpy-manual eager"].outcome == "ok"
    assert places(records)[1]["torch-autograd eager"].outcome == "ok"  # without a peak, nothing is said


def test_a_peak_has_an_error_of_its_own_and_a_disturbed_one_voids_nothing():
    run = factory.make_run()
    [record] = [r for r in factory.speed_records([NUMPY]) if r.block == 0]
    flops = factory.PEAKS[0].flops.value
    work = factory.tasks_mlp.MLP((64, 64, 10)).flops(32)

    def marked(share, peaks=factory.PEAKS):
        step = work / (share * flops)
        one = record.model_copy(update={"epoch_seconds": [step * record.steps_per_epoch] * 3})
        assert step_seconds(one) == step_seconds(one)
        return judged([one], run.tasks, peaks)[0].unproved

    assert marked(1.05) is None
    assert "150 % of the measured peak" in marked(1.5)
    candidates = [c.model_copy(update={"contaminated": "foreign 85%"}) for c in factory.PEAKS[0].candidates]
    disturbed = factory.PEAKS[0].model_copy(update={"candidates": tuple(candidates)})
    assert marked(1.5, [disturbed]) is None
