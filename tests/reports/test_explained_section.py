"""The section on causes: a waterfall for each pair that was explained, and how to get one where none was."""

from __future__ import annotations

import re

import report_factory as factory

from levelfield.reports import markdown
from levelfield.reports.findings.evidence import gather
from levelfield.reports.findings.text import NARROW
from levelfield.reports.page import figure
from levelfield.reports.page import html as page
from levelfield.reports.sections import explained, tax


def evidence(records=None, found=factory.EXPLAINED):
    return gather(factory.make_run(), records or factory.speed_records(), explained=found)


def test_each_pair_has_a_waterfall_a_table_and_a_sentence_with_its_two_largest_causes():
    section = explained.section(evidence())
    assert [block.kind for block in section.blocks] == ["picture", "table", "picture", "table", "table"]
    assert section.finding.replace(NARROW, " ") == (
        "keras-tf takes 1.620 ± 0.032 ms more a step than tf-tape graph: +1.200 ± 0.021 ms (74 %) are its loader, "
        "+0.420 ± 0.009 ms (26 %) are its step."
    )
    assert section.sentences[1].endswith("and all of it is its step.")
    assert "Not timed: torch-lightning: with its defaults: some reason." in section.notes


def test_the_bars_of_a_waterfall_are_named_and_each_has_its_number():
    with figure.style():
        drawing = explained.draw(factory.EXPLAINED[0], "some")
    shown = re.findall(r"<text[^>]*>([^<]+)</text>", drawing)
    assert {"arithmetic of a step", "tf-tape graph: its step", "keras-tf: its loader"} <= set(shown)
    numbers = [text.strip() for text in shown if "±" in text]
    assert numbers[0] == "0.030 ± 0.001 ms"
    assert numbers[3] == "+1.200 ± 0.021 ms"
    assert len(numbers) == 5


def test_the_table_adds_up():
    table = explained.section(evidence()).tables[0]
    steps, more = ([line.values[column].sort for line in table.lines] for column in (1, 2))
    assert steps[0] + sum(more[1:]) == steps[-1]


def test_what_was_not_counted_is_a_dash_and_a_note_says_why():
    table = explained.section(evidence()).tables[-1]
    heads = [column.label for column in table.columns]
    keras = dict(zip(heads, table.lines[0].values, strict=True))
    assert keras["Copies"].sort is None
    told = "Copies of keras-tf were not counted: host and device are the same memory."
    assert told in explained.section(evidence()).notes
    assert keras["Allocated"].sort == 2156.4
    assert keras["Compilations"].text == "1, 0"
    assert {line.values[0].text for line in table.lines} == {
        "keras-tf",
        "tf-tape graph",
        "torch-lightning eager",
        "torch-nn eager",
    }


def test_without_it_the_page_says_in_one_line_how_to_get_it():
    told = "No pair was explained: levelfield run default --explain"
    assert explained.section(evidence(found=())).missing == told
    assert told in page.build(factory.make_run(), factory.speed_records())
    alone = [factory.speed_record(factory.make_cell(), block, 1e-4) for block in range(3)]
    assert "no pair" in explained.section(evidence(alone, ())).missing


def test_the_page_and_the_comment_tell_it_and_the_page_holds_its_data():
    about = {"explained": factory.EXPLAINED}
    text = page.build(factory.make_run(), factory.speed_records(), **about)
    assert 'id="explained-1"' in text
    assert '"explained":[{"cell":' in text
    assert "are its loader" in markdown.build(factory.make_run(), factory.speed_records(), **about)


def test_the_pairs_to_explain_are_those_of_the_tax_once_each_on_their_first_workload():
    found = tax.cells(evidence())
    told = {(high.adapter, high.mode, low.adapter, low.mode) for high, low in found}
    assert len(found) == len(told)
    shown = {
        (one.high.entry.adapter, one.high.entry.mode, one.low.entry.adapter, one.low.entry.mode)
        for comparison in evidence().speed
        for one in tax.find(comparison)
    }
    assert told == shown
    assert ("keras-tensorflow", "default", "tensorflow-tape", "graph") in told
    assert all(high.track == "matched" for high, _ in found)
    assert all((high.task, high.model, high.recipe) == (low.task, low.model, low.recipe) for high, low in found)
