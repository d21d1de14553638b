"""Plain English: short sentences, a first line that says who a page is for, a README that is read to its end."""

from __future__ import annotations

import re

import pages
import pytest
from pages import AVERAGE, LONGEST, ROOT, sentences, words

WRITTEN = pages.written()


def read(page) -> str:
    return page.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.name)
def test_sentences_are_short(page) -> None:
    found = sentences(read(page))
    assert found
    assert [sentence for sentence in found if words(sentence) > LONGEST] == []
    assert sum(map(words, found)) / len(found) <= AVERAGE


def test_readme_has_at_most_700_words() -> None:
    assert len(read(ROOT / "README.md").split()) <= 700


@pytest.mark.parametrize(
    "page", [*pages.DOCS.glob("*.md"), *pages.DOCS.glob("results/*.md")], ids=lambda page: page.name
)
def test_the_first_line_of_a_page_says_who_it_is_for(page) -> None:
    assert re.match(r"# .+\n\n(<!--.*-->\n\n)?For ", read(page)), page


def test_there_are_at_most_thirteen_pages_besides_the_generated_ones() -> None:
    assert 8 <= len([page for page in WRITTEN if page.parent == pages.DOCS]) <= 13


# The linter itself


def test_a_long_sentence_is_found_in_a_paragraph_a_list_and_brackets() -> None:
    long = " ".join(["Word"] * 36) + "."
    for text in (f"Short. {long} Short.\n", f"* One.\n* {long}\n", f"One ([link](x.md)) two. {long.upper()}\n"):
        assert max(map(words, sentences(text))) == 36, text


def test_code_tables_headings_and_what_is_generated_are_no_prose() -> None:
    text = (
        "# A heading of words\n\n"
        "```\nlevelfield run smoke. And more. In code.\n```\n\n"
        "    indented code. More of it.\n\n"
        "| a cell. | Another one. |\n\n"
        "<!-- found -->\nGenerated. By a command.\n<!-- end of found -->\n\n"
        "<!-- faults: begin -->\nBy a test.\n<!-- faults: end -->\n\n"
        "![A picture. Of words.](x.svg)\n"
    )
    assert sentences(text) == []


def test_code_within_a_sentence_is_one_word_and_ends_none() -> None:
    assert [words(s) for s in sentences("Call `levelfield run a. B` now. Then `x` again, 1.5 times.\n")] == [3, 5]


def test_a_sentence_goes_on_in_the_next_line() -> None:
    assert sentences("one two\nthree four.\nFive.\n") == ["one two three four.", "Five."]
