"""What is not installed is said once, not in a line for each of its cells."""

from __future__ import annotations

import pytest
from report_factory import ENTRIES, failed_record, make_cell, make_run, speed_record

from levelfield.adapters.registry import find
from levelfield.reports import terminal
from levelfield.reports.findings.evidence import gather
from levelfield.reports.findings.words import names_absent_packages
from levelfield.reports.sections import failures

NEEDS = "needs jax: pip install 'levelfield[jax]'"
ABSENT, HERE, BROKEN = make_cell(ENTRIES[5]), make_cell(ENTRIES[0]), make_cell(ENTRIES[1])


@pytest.fixture
def evidence():
    records = [speed_record(HERE, block, 1e-4) for block in range(5)]
    records += [failed_record(ABSENT, block, "skipped", NEEDS, None) for block in range(5)]
    records += [failed_record(BROKEN, block, "skipped", "too large", None) for block in range(5)]
    return gather(make_run(warnings=[]), records)


def test_the_terminal_names_its_adapter_in_one_line(evidence):
    lines = terminal.lines(evidence)
    assert [line for line in lines if ABSENT.adapter in line] == [
        f"Not installed, and so left out: {ABSENT.adapter} (levelfield list adapters)."
    ]
    assert not any("pip install" in line for line in lines)
    assert any("too large" in line for line in lines)


def test_the_page_counts_it_and_lists_the_other_reasons(evidence):
    section = failures.section(evidence)
    assert "10 skipped (not installed and too large)" in section.sentences[0]
    assert section.sentences[1] == f"Not installed, and so left out: {ABSENT.adapter} (levelfield list adapters)."
    (table,) = section.tables
    assert [line.values[2].text for line in table.lines] == ["too large"]


def test_where_nothing_else_is_missing_there_is_no_table():
    found = failures.section(gather(make_run(), [failed_record(ABSENT, 0, "skipped", NEEDS, None)]))
    assert found.tables == ()
    assert len(found.sentences) == 2


def test_the_words_are_those_of_an_adapter_that_misses_its_framework():
    for info in find().adapters.values():
        assert names_absent_packages(info.missing(lambda name: None)), info.name
    assert not names_absent_packages("needs more memory than there is")
    assert not names_absent_packages(None)
