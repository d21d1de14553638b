"""Published figures beside those of a run: what is the same, what is told of a difference, and where it is shown."""

from __future__ import annotations

from dataclasses import replace

import pytest
import report_factory as factory

from levelfield.harness.plan import suite
from levelfield.reports import markdown, terminal
from levelfield.reports.findings import published
from levelfield.reports.findings.evidence import gather
from levelfield.reports.findings.learning import studies
from levelfield.reports.page import html
from levelfield.reports.sections import published as section

SUITES = ("published", "published-mnist", "published-seeds")
(LOSS,) = (f for f in published.figures() if (f.recipe, f.measure) == ("sgd-400", "loss"))
ADAM = next(f for f in published.figures() if f.recipe == "adam-400" and f.measure == "loss")


def replayed(figure=LOSS, value=None, entry=factory.ENTRIES[0], **changes):
    """A launch of a figure's training with this loss at the end."""
    chosen, _ = suite.read("published")
    about = {
        "kind": "learning",
        "task": figure.task,
        "model": chosen.model(figure.model),
        "recipe": chosen.recipe(figure.recipe),
        "precision": "float64",
        "replays": "scikit-learn",
    }
    cell = factory.make_cell(entry, **about | changes)
    value = float(figure.printed) if value is None else value
    return factory.learning_record(cell, 0, epochs=2, running_losses=[1.0, value])


def rows(records, figures=(LOSS,)):
    return published.compare(gather(factory.make_run(suite="published"), records), figures)


@pytest.mark.parametrize("figure", published.figures(), ids=lambda f: f"{f.recipe} {f.measure} {f.epoch}")
def test_every_figure_is_of_a_training_that_a_suite_plans(figure):
    planned = [
        (part.replays, task, model, recipe, chosen.seed)
        for chosen in (suite.read(name)[0] for name in SUITES)
        for part in chosen.learning
        for task in part.task
        for model in part.model
        for recipe in part.recipe
    ]
    asked = (figure.source.replays, figure.task, figure.model, figure.recipe, figure.seed)
    assert asked in planned
    assert figure.source.replays or 0 <= float(figure.printed) <= 1
    assert figure.source.url.startswith("https://")


def test_the_same_to_the_last_printed_digit_is_the_same():
    (row,) = rows([replayed(value=float(LOSS.printed) + 4e-7)])
    assert (row.same, row.here, row.cause) == (True, LOSS.printed, "")


def test_a_difference_in_the_last_digit_is_told_and_none_is_invented_as_its_cause():
    (row,) = rows([replayed(value=float(LOSS.printed) + 1e-6)])
    assert (row.same, row.here) == (False, "0.096951")
    assert row.cause == "no cause is known"


def test_a_changed_figure_is_a_difference():
    other = replace(LOSS, printed="0.096949")
    (row,) = rows([replayed()], [other])
    assert not row.same
    told = section.differences([row])[0]
    assert "0.096949 was published" in told
    assert f"has {LOSS.printed}" in told


def test_a_known_cause_is_told_and_a_lower_precision_is_one():
    assert "epsilon before the bias correction" in rows([replayed(ADAM, 0.044929)], [ADAM])[0].cause
    (row,) = rows([replayed(value=0.09696, precision="float32")])
    assert row.cause == "computed in float32"


def test_what_keras_alone_is_known_for_is_no_cause_of_others():
    figure = replace(LOSS, printed="0.096949", keras="its constants")
    keras = next(entry for entry in factory.ENTRIES if entry[0].startswith("keras-"))
    assert [rows([replayed(entry=one)], [figure])[0].cause for one in (keras, factory.ENTRIES[0])] == [
        "its constants",
        "no cause is known",
    ]


def test_a_lower_precision_that_has_the_same_digits_shares_their_line_and_says_so():
    (row,) = rows([replayed(), replayed(entry=factory.ENTRIES[3], precision="float32")])
    assert [m.label.endswith("(float32)") for m in row.members].count(True) == 1


def test_entries_that_agree_share_a_line_and_others_have_their_own():
    records = [replayed(entry=entry) for entry in factory.ENTRIES[:3]]
    records.append(replayed(value=0.5, entry=factory.ENTRIES[3]))
    agreeing, other = rows(records)
    assert len(agreeing.members) == 3
    assert [m.entry.adapter for m in other.members] == [factory.ENTRIES[3][0]]


@pytest.mark.parametrize("changes", [{"replays": None}, {"task": "iris"}, {"model": factory.MLP}])
def test_another_training_is_not_compared(changes):
    assert rows([replayed(**changes)]) == ()


def test_a_launch_that_failed_or_has_another_seed_is_not_compared():
    assert rows([replayed().model_copy(update={"status": "failed"})]) == ()
    assert rows([replayed().model_copy(update={"seed": 1})]) == ()


def test_an_entry_without_a_certificate_says_so():
    evidence = gather(factory.make_run(suite="published"), [replayed()], certificates=[])
    (row,) = published.compare(evidence, [LOSS])
    assert row.members[0].label.endswith("(not certified)")


def test_the_page_and_the_terminal_show_the_panel_with_source_and_date():
    records = [replayed(entry=entry) for entry in factory.ENTRIES[:3]] + [replayed(ADAM, 0.044929)]
    run = factory.make_run(suite="published", baseline="numpy-manual")
    page, text, comment = html.build(run, records), terminal.text(run, records), markdown.build(run, records)
    for shown in (page, text):
        assert LOSS.source.url in shown
        assert "2026-11-29" in shown
    for shown in (page, text, comment):
        assert LOSS.printed in shown
        assert "epsilon before the bias correction" in shown
        assert "in every entry that computed them: 1 to 3 a figure" in shown
    assert 'id="published"' in page


def test_a_replayed_training_is_no_study_of_generalisation():
    evidence = gather(factory.make_run(suite="published"), [replayed()])
    assert evidence.learning
    assert studies(evidence) == ()


def test_a_run_that_replays_nothing_names_the_command_that_does():
    found = section.section(gather(factory.make_run(), []))
    assert "levelfield run published" in (found.missing or "")
    assert terminal.replayed(factory.make_run(), [], None) == []


(QUICKSTART,) = (figure for figure in published.figures() if figure.source.replays is None)


def seeds(scores, figure=QUICKSTART):
    """Launches of several seeds with these accuracies on the test samples."""
    chosen, _ = suite.read("published-seeds")
    about = {"model": chosen.model(figure.model), "recipe": chosen.recipe(figure.recipe), "track": "idiomatic"}
    cell = factory.make_cell(factory.ENTRIES[0], kind="learning", task=figure.task, **about)
    for seed, score in enumerate(scores):
        record = factory.learning_record(cell, seed, epochs=2)
        test = record.final.test.model_copy(update={"accuracy": score})
        yield record.model_copy(update={"final": record.final.model_copy(update={"test": test})})


def test_a_figure_of_an_unknown_seed_lies_inside_the_interval_of_one_seed_or_not():
    (row,) = rows(list(seeds([0.977, 0.979, 0.978])), [QUICKSTART])
    assert (row.same, row.here) == (True, "0.9730 to 0.9830")  # 0.978 and 4.303 deviations of 0.001 times √(4/3)
    (far,) = rows(list(seeds([0.967, 0.969, 0.968])), [QUICKSTART])
    assert (far.same, far.cause) == (False, "no cause is known")
    told = section.sentence([row, far])
    assert told == "1 published figure of one seed lies inside the interval of one seed in 1 of 2 comparisons."
    shown = section.table([row, far]).lines
    assert [line.values[4].text for line in shown] == ["inside", "outside"]


def test_two_seeds_give_no_interval():
    assert rows(list(seeds([0.977, 0.979])), [QUICKSTART]) == ()
