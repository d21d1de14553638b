from __future__ import annotations

import math
import random

import pytest
import report_factory as factory
from hypothesis import given, settings
from hypothesis import strategies as st

from levelfield.reports.findings import words
from levelfield.reports.findings.certificates import Certificate, Check
from levelfield.reports.findings.entries import Entry
from levelfield.reports.findings.evidence import gather, last_of_each_launch, outcome_counts, step_seconds
from levelfield.reports.sections import prediction, startup, summary, tax
from levelfield.tasks.errors import UserError

NUMPY, TORCH = factory.ENTRIES[0], factory.ENTRIES[1]


def by_label(comparison):
    return {p.entry.label: p for p in comparison.places}


def entry(adapter, step, mode="eager", framework="numpy", api="low", backend=None, extra=0.0):
    return (adapter, framework, backend, api, mode, step, extra)


def test_a_step_is_the_median_steady_epoch_over_its_steps():
    record = factory.speed_record(factory.make_cell(), 0, 2e-4)
    assert step_seconds(record) == pytest.approx(2e-4)


@pytest.mark.parametrize(
    "change",
    [
        {"status": "failed"},
        {"epoch_seconds": []},
        {"steps_per_epoch": None},
        {"epoch_seconds": [0.0, 0.0, 0.0]},
        {"epoch_seconds": [math.nan]},
    ],
)
def test_a_launch_that_measured_no_step_has_none(change):
    assert step_seconds(factory.speed_record(factory.make_cell(), 0, 2e-4, **change)) is None


def test_the_last_record_of_a_launch_counts():
    cell = factory.make_cell()
    first, again = factory.failed_record(cell, 0), factory.speed_record(cell, 0, 1e-4)
    other = factory.speed_record(cell, 1, 1e-4)
    assert last_of_each_launch([first, other, again]) == (again, other)


@given(st.randoms())
@settings(max_examples=20, deadline=None)
def test_the_order_of_records_of_different_launches_does_not_matter(rng):
    records = factory.speed_records(factory.ENTRIES[:4], blocks=6)
    shuffled = list(records)
    rng.shuffle(shuffled)
    assert gather(factory.make_run(), shuffled).speed == gather(factory.make_run(), records).speed


def test_verdicts_follow_paired_blocks():
    entries = [entry("numpy-manual", 1e-4), entry("quick", 5e-5), entry("slow", 2e-4), entry("same", 1.001e-4)]
    comparison = gather(factory.make_run(), factory.speed_records(entries, blocks=12, noise=0.004)).speed[0]
    assert {name: p.word for name, p in by_label(comparison).items()} == {
        "quick eager": "faster",
        "numpy-manual eager": "not judged",
        "same eager": "tied",
        "slow eager": "slower",
    }
    assert comparison.baseline == Entry("numpy-manual", "eager")


def test_few_blocks_are_not_judged_and_the_sentence_says_so():
    comparison = gather(factory.make_run(), factory.speed_records(factory.ENTRIES[:3], blocks=2)).speed[0]
    assert {p.word for p in comparison.places} == {"not judged"}
    assert "nothing is judged" in words.lead_sentence(comparison)


def test_without_a_launch_of_the_baseline_nothing_is_judged():
    comparison = gather(factory.make_run(), factory.speed_records(factory.ENTRIES[1:4])).speed[0]
    assert not comparison.judged
    assert "the baseline has no launch" in words.lead_sentence(comparison)


def test_cells_are_compared_only_with_the_same_resources_and_track():
    records = factory.speed_records(factory.ENTRIES[:2])
    records += factory.speed_records(factory.ENTRIES[:2], threads=2) + factory.speed_records(
        factory.ENTRIES[:2], track="idiomatic"
    )
    workloads = [c.workload for c in gather(factory.make_run(), records).speed]
    assert [(w.track, w.threads) for w in workloads] == [("matched", 1), ("matched", 2), ("idiomatic", 1)]


def test_cells_of_different_precision_never_stand_in_one_comparison_and_its_name_says_which():
    records = factory.speed_records(factory.ENTRIES[:2])
    records += factory.speed_records(factory.ENTRIES[:2], precision="bfloat16")
    first, second = (c.workload for c in gather(factory.make_run(), records).speed)
    assert (first.precision, second.precision) == ("float32", "bfloat16")
    assert "bfloat16" in second.resources
    assert "bfloat16" in second.full
    assert "float32" not in first.full


def test_a_certificate_serves_no_other_precision_and_no_other_device():
    records = factory.speed_records(factory.ENTRIES[:1], precision="bfloat16")
    adapter, mode = records[0].cell.adapter, records[0].cell.mode

    def certified(**where):
        proof = Certificate(adapter, mode, (Check("logits", 0.1, 1.0),), **where)
        return gather(factory.make_run(), records, certificates=[proof]).speed[0].places[0].certified

    assert certified(precision="bfloat16") is True
    assert certified() is False
    assert certified(precision="bfloat16", device="gpu:0") is False


def test_a_partly_failed_cell_keeps_its_number_and_says_what_was_lost():
    records = factory.speed_records(factory.ENTRIES[:2])
    records.append(factory.failed_record(factory.make_cell(TORCH), 0, reason="time limit"))
    place = by_label(gather(factory.make_run(), records).speed[0])["torch-autograd eager"]
    assert (place.outcome, place.counts["failed"], place.reason, len(place.steps)) == ("ok", 1, "time limit", 7)


@pytest.mark.parametrize("status", ["failed", "skipped", "unsupported"])
def test_an_empty_cell_carries_its_reason(status):
    records = factory.speed_records(factory.ENTRIES[:1])
    records.append(factory.failed_record(factory.make_cell(TORCH), 0, status, "because"))
    place = by_label(gather(factory.make_run(), records).speed[0])["torch-autograd eager"]
    assert (place.outcome, place.reason, place.interval) == (status, "because", None)


def test_uncertified_entries_are_shown_and_take_no_part():
    held = [Certificate(e[0], e[4], (Check("logits", 1e-8, 1e-6),)) for e in factory.ENTRIES[:2]]
    broken = Certificate("torch-autograd", "compile", (Check("logits", math.nan, 1e-6),))
    records = factory.speed_records(factory.ENTRIES[:4])
    evidence = gather(factory.make_run(), records, certificates=[*held, broken])
    places = by_label(evidence.speed[0])
    assert [places[n].certified for n in ("torch-autograd eager", "torch-autograd compile", "torch-nn eager")] == [
        True,
        False,
        False,
    ]
    assert places["torch-autograd compile"].interval
    assert places["torch-autograd compile"].verdict is None
    assert outcome_counts(evidence)["not certified"] == 16
    assert "2 not certified" in words.lead_sentence(evidence.speed[0])


def test_a_certificate_without_checks_or_with_a_reason_is_not_held():
    assert not Certificate("a", "eager", ()).held
    assert not Certificate("a", "eager", (Check("loss", 0, 1),), reason="no float64").held
    assert Certificate("a", "eager", (Check("loss", 0, 0),)).held


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("numpy-manual", "numpy-manual eager"),
        ("tensorflow-tape", "tf-tape graph"),
        ("jax-grad", "jax-grad jit"),
        ("torch-autograd", "torch-autograd eager"),
        ("jax-grad:scan", "jax-grad scan"),
    ],
)
def test_the_baseline_is_an_adapter_in_its_first_mode_or_in_the_one_named(name, label):
    assert gather(factory.make_run(), factory.full_records(2, 1), baseline=name).baseline_label == label


def test_an_unknown_baseline_is_an_error_with_a_hint():
    with pytest.raises(UserError, match="torch-autgrad") as error:
        gather(factory.make_run(), factory.speed_records(), baseline="torch-autgrad")
    assert "torch-autograd" in error.value.hint


def test_every_high_api_meets_the_lower_one_that_executes_as_it_does():
    comparison = gather(factory.make_run(), factory.speed_records()).speed[0]
    assert {(t.high.entry.label, t.low.entry.label) for t in tax.find(comparison)} == {
        ("torch-lightning eager", "torch-nn eager"),
        ("torch-nn eager", "torch-autograd eager"),
        ("torch-nn compile", "torch-autograd compile"),
        ("keras-tf", "tf-tape graph"),
        ("keras-loop graph", "tf-tape graph"),
        ("keras-jax", "jax-grad jit"),
        ("flax-nnx jit", "jax-grad jit"),
        ("keras-torch", "torch-nn eager"),
    }


def test_the_tax_of_lightning_is_told_as_a_ratio_and_in_time():
    told = [t.sentence for t in tax.find(gather(factory.make_run(), factory.speed_records(blocks=12)).speed[0])]
    sentence = next(s for s in told if s.startswith("torch-lightning"))
    assert "the time of torch-nn eager" in sentence
    assert "a step" in sentence


def test_compiling_pays_after_its_extra_cost_over_what_a_step_saves():
    entries = [entry("a", 2e-4, "eager", "torch", extra=0.01), entry("a", 1e-4, "compile", "torch", extra=5.01)]
    evidence = gather(factory.make_run(baseline="a"), factory.speed_records(entries, blocks=12, noise=0.002))
    _, (payback,) = startup.find(evidence, evidence.speed[0])
    assert payback.verdict.word == "faster"
    assert payback.steps[None].low <= 50_000 <= payback.steps[None].high
    assert payback.steps[None].estimate == pytest.approx(50_000, rel=0.15)


@pytest.mark.parametrize(("step", "word"), [(3e-4, "never pays"), (2e-4, "is not shown to pay")])
def test_a_compiled_mode_without_a_faster_step_is_given_no_break_even(step, word):
    entries = [entry("a", 2e-4, "eager", "torch"), entry("a", step, "compile", "torch", extra=5.0)]
    evidence = gather(factory.make_run(baseline="a"), factory.speed_records(entries, blocks=12, noise=0.004))
    _, (payback,) = startup.find(evidence, evidence.speed[0])
    assert payback.steps == {}
    assert word in payback.sentence


def test_predictions_are_read_by_batch_size_and_bad_keys_are_left_out():
    cell = factory.make_cell()
    odd = {"1": [1e-3, 2e-3, 3e-3], "many": [1.0], "0": [1.0], "8": [math.nan, -1.0]}
    evidence = gather(factory.make_run(), [factory.speed_record(cell, b, 1e-4, predict_seconds=odd) for b in range(6)])
    (latency,) = prediction.find(evidence, evidence.speed[0])
    assert {size: t.estimate for size, t in latency.by_batch.items()} == {1: 2e-3}


def test_geometric_means_are_taken_over_what_every_entry_completed():
    entries = [entry("numpy-manual", 1e-4), entry("twice", 2e-4), entry("thrice", 3e-4)]
    records = [r for t in "abc" for r in factory.speed_records(entries, blocks=8, noise=0.001, task=t)]
    records += factory.speed_records(entries[:2], blocks=8, noise=0.001, task="d")
    (matrix,) = summary.find(gather(factory.make_run(), records))
    assert matrix.complete == ("a · multi", "b · multi", "c · multi")
    assert matrix.means[Entry("twice", "eager")].estimate == pytest.approx(2, rel=0.01)
    assert matrix.means[Entry("thrice", "eager")].n == 3


# Sentences are true to the verdicts


@given(
    st.lists(st.floats(0.7, 1.4), min_size=1, max_size=4), st.floats(0.001, 0.3), st.integers(1, 12), st.integers(0, 99)
)
@settings(max_examples=60, deadline=None)
def test_no_sentence_says_more_than_its_verdict(ratios, noise, blocks, seed):
    entries = [entry("base", 1e-4)] + [
        entry(f"other{i}", 1e-4 * r, "graph", api="high", extra=0.1) for i, r in enumerate(ratios)
    ]
    records = factory.speed_records(entries, blocks=blocks, noise=noise, seed=seed)
    evidence = gather(factory.make_run(baseline="base"), records)
    comparison = evidence.speed[0]
    found = {p.verdict.word for p in comparison.places if p.verdict}
    lead = words.lead_sentence(comparison)
    assert "faster" not in lead or "faster" in found
    if comparison.tiers:
        first = comparison.tiers[1][0]
        assert ("faster" in lead) == (first.word == "faster")
        assert ("leads alone" in lead) == (len(comparison.tiers[1]) == 1)
    else:
        assert "nothing is judged" in lead
    for one in tax.find(comparison):
        assert ("the time of" in one.sentence) == (one.verdict.word == "slower")
        assert ("faster" in one.sentence) == (one.verdict.word == "faster")


def test_a_tie_is_called_a_tie_even_when_it_leads():
    rng = random.Random(1)
    entries = [entry("numpy-manual", 1e-4), entry("twin", 0.99e-4)]
    records = factory.speed_records(entries, blocks=20, noise=0.001, seed=rng.randrange(9))
    lead = words.lead_sentence(gather(factory.make_run(), records).speed[0])
    assert "twin" in lead
    assert "tied with the baseline" in lead
    assert "faster" not in lead


def test_where_all_share_one_tier_nobody_leads():
    entries = [entry("numpy-manual", 1e-4), entry("a", 1.01e-4), entry("b", 0.99e-4)]
    comparison = gather(factory.make_run(), factory.speed_records(entries, blocks=6, noise=0.3)).speed[0]
    assert "no entry is shown to differ from another (3 judged)" in words.lead_sentence(comparison)


def test_too_few_pairs_give_no_ratio():
    records = [r for r in factory.speed_records(factory.ENTRIES[:3]) if r.cell.mode != "compile" or r.block < 2]
    comparison = gather(factory.make_run(), records).speed[0]
    place = by_label(comparison)["torch-autograd compile"]
    assert (place.word, place.ratio, place.tier) == ("not judged", None, None)
    assert "1 with too few pairs" in words.lead_sentence(comparison)


def test_a_wide_interval_is_given_by_its_ends_and_a_narrow_one_by_its_half():
    steady = [factory.speed_record(factory.make_cell(), b, 1e-4 * (1 + 0.001 * b)) for b in range(7)]
    wild = [factory.speed_record(factory.make_cell(TORCH), b, 1e-4 * 3**b) for b in range(7)]
    comparison = gather(factory.make_run(), steady + wild).speed[0]
    shown = {p.entry.adapter: summary.cell(p, comparison).text for p in comparison.places}
    assert "±" in shown["numpy-manual"]
    assert "±" not in shown["torch-autograd"]
    assert "–" in shown["torch-autograd"]
