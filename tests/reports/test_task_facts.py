"""What is known of a task's data stands on the page and in the terminal, and guessing beside what was reached."""

from __future__ import annotations

import report_factory as factory

from levelfield.reports import terminal
from levelfield.reports.findings import task_facts
from levelfield.reports.findings.evidence import gather
from levelfield.reports.page import html

ABOUT = {
    "kind": "classification",
    "features": 3,
    "samples": {"train": 70, "validation": 15, "test": 15},
    "guess": {"train": 0.7, "validation": 0.72, "test": 0.999},
    "columns": ["length", "colour=red", "colour=blue"],
    "classes": {"marsh": 70, "dune": 30},
    "said": ["12 rows with gaps dropped (in 'length')"],
    "warnings": ["column 'No' counts the rows; to leave it out: exclude = [\"No\"]"],
}
RECORDS = [factory.learning_record(factory.make_cell(kind="learning"), seed) for seed in range(3)]


def test_the_page_and_the_terminal_tell_what_guessing_reaches_and_who_does_worse():
    run = factory.make_run(tasks={"digits": ABOUT, "iris": ABOUT})
    page, shown = html.build(run, RECORDS), terminal.text(run, RECORDS)
    for text in (page, shown):
        assert "lways naming the most frequent class reaches 99.9" in text
        assert "worse than that: " in text
        assert "counts the rows" in text
    for words in ("length, colour=red, colour=blue", "marsh 70", "12 rows with gaps dropped", "guessing: 99.9"):
        assert words in page


def test_a_run_that_does_not_tell_is_shown_without():
    run = factory.make_run()
    assert task_facts.facts(run) == []
    assert task_facts.warnings(run) == []
    assert "Always" not in "\n".join(terminal.lines(gather(run, RECORDS)))
