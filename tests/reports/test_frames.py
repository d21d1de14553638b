"""What the report concludes is there for notebooks too, with the same numbers and intervals."""

from __future__ import annotations

import pandas
import pytest
import report_factory as factory

from levelfield.harness.records import store
from levelfield.reports import frames
from levelfield.reports.findings import whole_job
from levelfield.reports.findings.evidence import gather
from levelfield.reports.sections import accuracy, startup, tax


@pytest.fixture(scope="module")
def records():
    return factory.full_records()


@pytest.fixture(scope="module")
def evidence(records):
    return gather(factory.make_run(), records)


@pytest.fixture(scope="module")
def found(evidence):
    return frames.Findings(*(pandas.DataFrame(rows) for rows in frames.tables(evidence)))


def test_they_are_loaded_from_a_run_where_what_is_not_certified_is_not_compared(records, found, tmp_path):
    kept = store.Store.create(tmp_path / "run", factory.make_run())
    for record in records:
        kept.append(record)
    kept.close()
    loaded = frames.load(tmp_path / "run")
    assert loaded.to_accuracy.equals(found.to_accuracy)
    assert loaded.whole_job.equals(found.whole_job)
    assert len(found.tax) > len(loaded.tax) == 0


def test_the_tax_is_a_ratio_and_seconds_with_their_intervals(found, evidence):
    taxes = [t for c in evidence.speed for t in tax.find(c) if t.verdict.ratio and t.extra]
    assert taxes
    judged = found.tax.dropna(subset="ratio")
    assert judged.ratio.tolist() == [t.verdict.ratio.estimate for t in taxes]
    assert judged.extra_seconds_high.tolist() == [t.extra.high for t in taxes]
    assert (judged.ratio_low <= judged.ratio).all()
    assert (judged.ratio <= judged.ratio_high).all()


def test_the_step_after_which_compiling_has_paid(found, evidence):
    paid = [p for c in evidence.speed for p in startup.find(evidence, c)[1]]
    assert paid
    assert found.break_even.verdict.tolist() == [p.verdict.word for p in paid for _ in p.compiled.costs]
    with_steps = found.break_even.dropna(subset="steps")
    assert with_steps.steps.tolist() == [steps.estimate for p in paid for steps in p.steps.values()]
    assert (with_steps.steps_low <= with_steps.steps_high).all()


def test_the_whole_job_of_one_ten_and_a_thousand_epochs(found):
    jobs = found.whole_job
    assert set(jobs.epochs) == set(whole_job.EPOCHS) == {1, 10, 1000}
    assert (jobs.seconds_low <= jobs.seconds).all()
    assert (jobs.seconds <= jobs.seconds_high).all()
    longest = jobs.sort_values("epochs").groupby(["task", "model", "adapter", "mode"]).seconds
    assert (longest.last() > longest.first()).all()


def test_epochs_and_seconds_to_the_target_accuracy(found, evidence):
    reaches = [r for race in accuracy.find(evidence) for r in race.reaches]
    timed = [r for r in reaches if r.seconds is not None]
    assert timed
    assert found.to_accuracy.dropna(subset="seconds").seconds.tolist() == [r.middle * r.epoch_seconds for r in timed]
    assert found.to_accuracy.seeds.tolist() == [len(r.epochs) + r.missed for r in reaches]
