"""Links lead somewhere, and every page is one click from README."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pages import DOCS, ROOT, anchors, links

PAGES = [*(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")), *DOCS.rglob("*.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_pictures_lead_to_files_and_headings(page: Path) -> None:
    broken = []
    for link in links(page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, heading = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (heading and heading not in anchors(target.read_text(encoding="utf-8"))):
            broken.append(link)
    assert broken == []


def test_every_page_is_one_click_from_readme() -> None:
    linked = {(ROOT / link.partition("#")[0]).resolve() for link in links((ROOT / "README.md").read_text("utf-8"))}
    pages_there = {*DOCS.glob("*.md"), *DOCS.glob("*.ipynb"), *DOCS.glob("results/*.md"), *DOCS.glob("*.html")}
    assert {page.relative_to(ROOT) for page in pages_there - linked} == set()


def test_a_heading_is_named_as_github_names_it() -> None:
    text = (
        "## `[[speed]]` and `[[learning]]`\n## When it *could not* answer\n## The bars\n## The bars\n```\n# code\n```\n"
    )
    assert anchors(text) == {"speed-and-learning", "when-it-could-not-answer", "the-bars", "the-bars-1"}


def test_pictures_are_small() -> None:
    drawn = [*DOCS.glob("lesson/*.svg"), *DOCS.glob("lesson/*.png")]
    assert drawn
    assert sum(path.stat().st_size for path in drawn) <= 200_000
