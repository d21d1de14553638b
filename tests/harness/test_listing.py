"""``levelfield list``: one line for each thing that there is, also for what had to be left out."""

from __future__ import annotations

import json

import pytest

from levelfield.adapters import registry
from levelfield.harness.cli import listing
from levelfield.harness.plan import suite
from levelfield.tasks import registry as tasks


@pytest.fixture
def with_a_problem(monkeypatch):
    found = registry.find()
    found.problems.append("adapter 'mine': mine.py cannot be read")
    monkeypatch.setattr(registry, "find", lambda: found)


def test_each_has_a_line_and_the_columns_stand_below_each_other(capsys):
    listing.show("tasks", as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == tasks.names()
    start = max(map(len, tasks.names())) + 2
    assert [line[start:] for line in lines] == list(tasks.describe().values())


def test_what_was_left_out_is_a_line_and_a_row_with_its_reason(with_a_problem, capsys):
    listing.show("adapters", as_json=False)
    last = capsys.readouterr().out.splitlines()[-1]
    assert " ".join(last.split()) == "(left out) adapter 'mine': mine.py cannot be read"
    listing.show("adapters", as_json=True)
    rows = json.loads(capsys.readouterr().out)
    assert rows[-1]["state"] == "adapter 'mine': mine.py cannot be read"
    assert len({frozenset(row) for row in rows}) == 1  # for programs: every row has the same keys


def test_everything_is_listed_under_its_heading(capsys):
    listing.show(None, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line and not line.startswith("  ")] == ["adapters", "tasks", "suites"]


def test_suites_are_listed_by_the_names_and_summaries_that_they_have(capsys):
    listing.show("suites", as_json=True)
    parsed = [suite.read(name)[0] for name in suite.names()]
    listed = [(row["name"], row["about"]) for row in json.loads(capsys.readouterr().out)]
    assert sorted(listed) == sorted((one.name, one.summary) for one in parsed)
