from __future__ import annotations

import math
from dataclasses import replace

import pytest
import report_factory as factory
from hypothesis import given
from hypothesis import strategies as st

from levelfield.harness.records.record import EpochScores, Score
from levelfield.reports.findings.evidence import gather
from levelfield.reports.findings.learning import Learner, mean_curve, mean_of, studies, thin
from levelfield.reports.sections import accuracy, curves, gap

BIG = {"digits": {"samples": {"train": 3000, "validation": 800, "test": 800}}}


def learners(count, *, seeds, shifts=None, **changes):
    records = []
    for i, entry in enumerate(factory.ENTRIES[:count]):
        cell = factory.make_cell(entry, kind="learning", **changes)
        records += [factory.learning_record(cell, s, shift=(shifts or {}).get(i, 0.0)) for s in range(seeds)]
    return records


def study(records, **run):
    (found,) = studies(gather(factory.make_run(**run), records))
    return found


def scores(epoch, train, validation):
    return EpochScores(
        epoch=epoch, train=Score(loss=train, accuracy=0.9), validation=Score(loss=validation, accuracy=0.8),
        test=Score(loss=validation, accuracy=0.7),
    )  # fmt: skip


def test_the_gap_is_validation_less_training_of_the_best_snapshot():
    curve = [scores(0, 2.0, 2.1), scores(1, 1.0, 1.3), scores(2, 0.5, 1.3), scores(3, 0.1, 1.9)]
    record = factory.learning_record(factory.make_cell(kind="learning"), 0, epochs=0).model_copy(
        update={"epochs": curve, "final": curve[-1]}
    )
    (learner,) = study([record]).learners
    (found,) = gap.find(study([record])).gaps
    assert learner.best(0).epoch == 1  # the earliest of equals
    assert found.best_loss.estimate == pytest.approx(0.3)
    assert found.end_loss.estimate == pytest.approx(1.8)
    assert found.best_accuracy.estimate == pytest.approx(0.1)


def test_one_seed_has_no_interval_and_the_sentence_says_so():
    found = gap.find(study(learners(2, seeds=1)))
    assert math.isinf(found.gaps[0].best_loss.high)
    assert "1 seed: no interval" in found.sentence


def test_differences_are_not_judged_from_few_seeds_or_a_small_test_split():
    few = gap.find(study(learners(2, seeds=5), tasks=BIG))
    small = gap.find(study(learners(2, seeds=20)))
    assert "needs 20 seeds (here 5)" in few.sentence
    assert "test split of 700 samples (here 270)" in small.sentence
    assert {word for g in few.gaps + small.gaps for word in g.words.values()} == {"not judged"}


def test_the_idiomatic_track_needs_sixty_seeds():
    assert "60 seeds" in gap.find(study(learners(1, seeds=20, track="idiomatic"), tasks=BIG)).sentence


def test_equal_entries_are_equivalent_and_a_worse_one_is_found():
    found = gap.find(study(learners(3, seeds=20, shifts={2: 0.02}), tasks=BIG))
    assert [g.words for g in found.gaps] == [
        {},
        {"test accuracy": "different", "gap": "different"},
        {"test accuracy": "equivalent", "gap": "equivalent"},
    ]
    assert found.gaps[0].learner.entry.label == "numpy-manual eager"
    assert "torch-autograd compile (test accuracy −2.00 points" in found.sentence
    assert "is shown to generalise worse than numpy-manual eager. Of 2 judged" in found.sentence
    assert "test accuracy is equivalent for 1, different for 1" in found.sentence


def test_a_larger_gap_with_a_higher_accuracy_is_different_and_not_worse():
    records = learners(2, seeds=20)
    for i, record in enumerate(records):
        if record.cell.adapter != "numpy-manual":
            better = [
                s.model_copy(update={"test": s.test.model_copy(update={"accuracy": s.test.accuracy + 0.02}),
                                     "train": s.train.model_copy(update={"accuracy": s.train.accuracy + 0.02})})
                for s in record.epochs
            ]  # fmt: skip
            records[i] = record.model_copy(update={"epochs": better, "final": better[-1]})
    sentence = gap.find(study(records, tasks=BIG)).sentence
    assert "no entry is shown to generalise worse" in sentence
    assert "Different, and not worse: torch-autograd eager (test accuracy +2.00 points" in sentence


def test_an_uncertified_entry_or_baseline_is_not_judged():
    records = learners(2, seeds=20)
    held = factory.CERTIFICATES[:1]
    (alone,) = studies(gather(factory.make_run(tasks=BIG), records, certificates=held))
    assert gap.find(alone).gaps[1].words == {}
    (none,) = studies(gather(factory.make_run(tasks=BIG), records, certificates=factory.CERTIFICATES[1:]))
    assert "a certificate of the baseline" in gap.find(none).sentence


def test_verdicts_are_drawn_where_there_are_pairs_and_the_judged_workload_comes_first():
    few, many = learners(2, seeds=2, task="iris"), learners(2, seeds=20)
    run = factory.make_run(tasks=factory.make_run().tasks | BIG)
    found = gap.section(gather(run, few + many))
    names = [b.name for b in found.blocks if b.kind == "picture"]
    assert names == ["parity-1", "gap-1", "gap-2"]  # of what is not judged no verdict is drawn
    assert "no entry is shown to generalise worse" in found.sentences[0]
    assert "levelfield run parity" in found.sentences[1]


def test_a_diverged_seed_is_named_and_leaves_the_means_finite():
    cell = factory.make_cell(kind="learning")
    bad = [scores(0, 2.0, 2.1), scores(1, math.nan, math.nan)]
    never = [scores(0, math.inf, math.inf), scores(1, math.nan, math.nan)]
    records = [factory.learning_record(cell, 0)] + [
        factory.learning_record(cell, s).model_copy(update={"epochs": c, "final": c[-1]})
        for s, c in ((1, bad), (2, never))
    ]
    found = study(records)
    assert "diverged" in curves.sentence(found)
    assert mean_of(found.learners[0].ends(), lambda s: s.train.loss).n == 1
    assert 2 not in found.learners[0].bests()


def test_regression_has_losses_and_no_accuracy():
    curve = [
        EpochScores(epoch=e, **{k: Score(loss=1 / (e + 1)) for k in ("train", "validation", "test")}) for e in range(3)
    ]
    record = factory.learning_record(factory.make_cell(kind="learning"), 0).model_copy(
        update={"epochs": curve, "final": curve[-1]}
    )
    found = study([record])
    assert not found.classification
    assert gap.find(found).gaps[0].best_accuracy is None
    assert not accuracy.find(gather(factory.make_run(), [record]))


def test_epochs_to_accuracy_count_the_seeds_that_never_arrive():
    records = learners(2, seeds=4, shifts={1: 0.05})
    (race,) = accuracy.find(gather(factory.make_run(), records))
    reached = {r.learner.entry.adapter: (len(r.epochs), r.missed) for r in race.reaches}
    assert reached == {"numpy-manual": (4, 0), "torch-autograd": (0, 4)}
    assert "Never by torch-autograd eager" in race.sentence


def test_training_time_is_estimated_only_from_speed_launches_of_the_same_recipe():
    records = learners(1, seeds=2)
    without = accuracy.find(gather(factory.make_run(), records))[0].reaches[0]
    same = factory.speed_records(factory.ENTRIES[:1], noise=0)
    other = factory.speed_records(factory.ENTRIES[:1], recipe=replace(factory.RECIPE, batch_size=64))
    assert without.epoch_seconds is None
    assert accuracy.find(gather(factory.make_run(), records + other))[0].reaches[0].epoch_seconds is None
    found = accuracy.find(gather(factory.make_run(), records + same))[0].reaches[0].epoch_seconds
    assert found == pytest.approx(39 * 95e-6, rel=0.2)


@given(st.lists(st.integers(), min_size=1, max_size=900, unique=True), st.integers(2, 200))
def test_thinned_curves_keep_their_ends_and_their_limit(items, most):
    items = sorted(items)
    kept = thin(items, most)
    assert len(kept) == min(most, len(items))
    assert (kept[0], kept[-1]) == (items[0], items[-1])
    assert kept == sorted(set(kept))


def test_mean_curves_average_over_the_seeds_that_were_evaluated():
    cell = factory.make_cell(kind="learning")
    short, long = factory.learning_record(cell, 0, epochs=3), factory.learning_record(cell, 1, epochs=6)
    (learner,) = study([short, long]).learners
    epochs, means = mean_curve(learner, lambda s: s.train.loss)
    assert epochs == list(range(7))
    assert means[1] == pytest.approx((short.epochs[1].train.loss + long.epochs[1].train.loss) / 2)
    assert means[6] == long.epochs[6].train.loss


def test_overfitting_sets_in_at_the_best_validation_loss_and_what_is_lost_after_it_is_its_excess():
    def scores(epoch: int, loss: float) -> EpochScores:
        one = Score(loss=loss)
        return EpochScores(epoch=epoch, train=one, validation=one, test=one)

    def learner(*losses: float) -> Learner:
        curve = tuple(scores(i, loss) for i, loss in enumerate(losses))
        return Learner(None, None, {0: curve}, {}, None, None)

    turned, still_falling = learner(3.0, 1.0, 1.5, 2.0), learner(3.0, 2.0, 1.0)
    assert (turned.onset(0), turned.excess(0)) == (1, 1.0)
    assert (still_falling.onset(0), still_falling.excess(0)) == (None, 0.0)
