"""What runs were turned into pages has the words of the program that writes it."""

from __future__ import annotations

import re
import sys

from pages import DOCS, ROOT

sys.path += [str(ROOT / "tests" / "studies"), str(ROOT / "tests" / "previews")]
import defaults_page
import fast_modes
import page
import previews
import published_page


def test_the_page_of_the_studies_begins_and_ends_as_its_program_writes_it() -> None:
    text = (DOCS / "results" / "studies.md").read_text(encoding="utf-8")
    assert text.startswith(page.OPENING)
    assert text.endswith(page.CLOSING)


def test_the_page_of_the_defaults_begins_as_its_program_writes_it() -> None:
    text = (DOCS / "results" / "defaults.md").read_text(encoding="utf-8")
    by_default, like = [line for line in text.splitlines() if line.startswith("levelfield run ")]
    made = re.search(r"from runs of (\d{4}-\d\d-\d\d, commit \w+)\.", text)
    assert made is not None
    assert text.startswith(defaults_page.OPENING.format(by_default=by_default, like=like, made=made[1]))


def test_every_study_tells_its_command_its_date_and_its_commit() -> None:
    text = (DOCS / "results" / "studies.md").read_text(encoding="utf-8")
    told = re.findall(r"^`levelfield run ([\w-]+)[^`]*`, \d{4}-\d\d-\d\d, commit \w+$", text, re.MULTILINE)
    assert told == re.findall(r"^## ([a-z-]+)$", text, re.MULTILINE)


def test_the_page_of_published_figures_begins_and_ends_as_its_program_writes_it() -> None:
    text = (DOCS / "published.md").read_text(encoding="utf-8")
    assert text.startswith(published_page.OPENING)
    assert text.endswith(published_page.CLOSING)
    assert published_page.PAGE == DOCS / "published.md"


def test_the_table_of_fast_modes_is_what_the_adapters_declare() -> None:
    assert fast_modes.PAGE.read_text(encoding="utf-8") == fast_modes.page(), "run tests/docs/fast_modes.py"


def test_the_page_of_previews_is_what_its_program_makes_of_the_previews_beside_it() -> None:
    assert previews.PAGE.read_text(encoding="utf-8") == previews.page(previews.kept())


def test_pictures_that_programs_draw_lie_beside_their_page() -> None:
    assert page.DOCS == DOCS / "results"
