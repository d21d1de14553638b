"""What makes the gap, on the page of a suite that names no study: the lesson's five points, and widths."""

from __future__ import annotations

import re

import pytest
import report_factory as factory

from levelfield.adapters.registry import find
from levelfield.harness.plan import launches, suite
from levelfield.harness.records.record import Record
from levelfield.reports import terminal
from levelfield.reports.findings.evidence import Evidence, gather
from levelfield.reports.findings.learning import untrained
from levelfield.reports.findings.series import fits
from levelfield.reports.page import figure, html
from levelfield.reports.sections import studies
from levelfield.tasks import registry
from levelfield.tasks.mlp import Model

CAUSES = factory.cause_records()


def gathered(records: list[Record], **changes: object) -> Evidence:
    return gather(factory.make_run(tasks={"five-points": factory.FIVE_POINTS}, **changes), records)


def test_each_cause_has_a_headline_and_a_small_picture_and_its_numbers_are_folded():
    section = studies.section(gathered(CAUSES))
    lesson, widths = re.split(r"(?<=\.) (?=On digits)", section.sentences[0])
    assert lesson.startswith(
        "On five points, along parameters from 2 (single-layer) to 7 (hidden-2), the training loss"
    )
    assert re.search(r"falls from 5\.\d\d to 0\.00", lesson)
    assert "the validation loss rises from 5." in lesson
    assert "along width from 2 to 512, the gap in loss rises from 0.00" in widths
    assert "% of the labels flipped" in widths
    assert [p.caption.partition(":")[0].partition(",")[0] for p in section.pair] == [
        "What was fitted to five points", "The gap in loss against width",
    ]  # fmt: skip
    assert section.head is None
    assert [t.name for t in section.tables] == ["study-table-1", "study-table-2"]
    with figure.style():
        fitted, means = (picture.draw() for picture in section.pair)
    assert ">validation<" in fitted
    assert ">512<" in means


def test_the_page_does_not_call_it_missing_and_the_terminal_tells_it_too():
    run = factory.make_run(tasks={"five-points": factory.FIVE_POINTS})
    page = html.build(run, CAUSES)
    assert '<section id="studies"' in page
    assert '<a href="#studies">' in page
    assert '<li id="studies">' not in page
    assert "Study: five-points and capacity" in terminal.text(run, CAUSES)
    assert '<li id="studies">' in html.build(run, factory.speed_records(factory.ENTRIES[:1]))


def test_the_first_screen_says_which_way_each_goes_beside_a_small_picture():
    glance = studies.section(gathered(CAUSES)).glance
    assert glance is not None
    assert glance.text.startswith(
        "Along parameters: validation loss rises; training loss falls. Along width: gap in loss"
    )
    assert "no resolved change" not in glance.text
    assert glance.picture.count("<circle") == len(factory.WIDTHS)
    assert ">width 512<" in glance.picture


def of_widths(*widths: int) -> list[Record]:
    return [r for r in CAUSES if r.cell.task == "digits" and r.cell.model.hidden[0] in widths]


def test_one_cause_is_shown_as_its_own_suite_shows_it():
    section = studies.section(gathered(of_widths(2, 16, 64, 512)))
    assert section.pair == ()
    assert section.sentences[0].startswith("Along width, from 2 to 512: the gap in loss rises")
    assert section.head is not None


@pytest.mark.parametrize("widths", [(), (2,), (2, 512)])
def test_fewer_than_three_widths_are_no_study(widths):
    assert fits(gathered(of_widths(*widths))) == {}


@pytest.mark.parametrize("other", [{"activation": "tanh"}, {"dropout": 0.5}, {"l2": 0.01}, {"hidden": (16, 16)}])
def test_a_network_that_differs_in_more_than_width_takes_no_part(other):
    def changed(record: Record) -> Record:
        model = record.cell.model.__class__(**{**vars(record.cell.model), **other})
        return record.model_copy(update={"cell": record.cell.model_copy(update={"model": model})})

    records = [changed(r) if r.cell.model.hidden == (16,) else r for r in of_widths(2, 16, 64, 512)]
    kept = {r.cell.model.hidden for r in fits(gathered(records))["capacity"]}
    assert kept == {(2,), (64,), (512,)}


def test_the_default_suite_trains_both_and_its_widths_differ_in_nothing_else():
    chosen, _ = suite.read("default")
    names = {task for part in (*chosen.speed, *chosen.learning) for task in part.task}
    there = launches.Surroundings(find().adapters, {task: registry.load(task) for task in names}, cores=1)
    only = launches.Selection(adapter=("numpy-manual",), task=tuple(names), track=("matched",))
    cells = {launch.cell.id: launch.cell for launch in launches.plan(chosen, there, only)}.values()
    lesson = [c for c in cells if c.task == "five-points"]
    assert sorted(c.model.hidden for c in lesson) == [(), (2,)]
    widths = [c for c in cells if c.kind == "learning" and c.variant.label_noise]
    assert sorted(c.model.hidden for c in widths) == [(2,), (16,), (64,), (512,)]
    assert {(c.model.activation, c.model.l2, c.recipe) for c in widths} == {(Model().activation, 0.0, widths[0].recipe)}


# Why only some adapters are trained


def learnt(entries: int) -> list[Record]:
    return [factory.learning_record(factory.make_cell(e, kind="learning"), 0) for e in factory.ENTRIES[:entries]]


def test_the_certificates_say_why_only_some_adapters_are_trained():
    run, timed = factory.make_run(), factory.speed_records(factory.ENTRIES[:5], blocks=3)
    told = untrained(gather(run, timed + learnt(1), certificates=factory.CERTIFICATES))
    assert told.startswith(
        "Of 3 timed adapters, 1 is trained here: by their certificates, matched adapters start alike"
    )
    assert f'<p class="note">{told}</p>' in html.build(run, timed + learnt(1), certificates=factory.CERTIFICATES)


def test_nothing_is_said_where_all_are_trained_or_nothing_is_certified():
    run, timed = factory.make_run(), factory.speed_records(factory.ENTRIES[:5], blocks=3)
    assert untrained(gather(run, timed + learnt(5), certificates=factory.CERTIFICATES)) == ""
    assert untrained(gather(run, timed + learnt(1))) == ""
    assert untrained(gather(run, timed + learnt(1), certificates=())) == ""
    assert untrained(gather(run, timed, certificates=factory.CERTIFICATES)) == ""
