"""A reader who has never seen levelfield finds each how-to in README, one click away, with the command that does it."""

from __future__ import annotations

import re

import pages
import pytest
from pages import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
HOW_TO = {  # the link's words in README → where it leads, and the commands that its section shows
    "run a comparison": ("docs/run.md", "levelfield run default"),
    "read a report": ("docs/run.md#read-the-report", None),
    "use your own table": ("docs/data.md", "levelfield table flowers.csv"),
    "add an adapter": ("docs/adding-an-adapter.md", "levelfield new-adapter equinox"),
    "gate a CI": ("docs/gate.md", "levelfield compare"),
    "compare versions": ("docs/compare.md#compare-versions", "levelfield versions torch"),
    "explain a difference": ("docs/compare.md#explain-a-difference", "levelfield explain"),
    "use a cluster": ("docs/clusters.md", "levelfield run thorough --launcher ray"),
    "use a GPU": ("docs/devices.md#on-a-gpu", "levelfield run default --device gpu:0"),
    "use a TPU": ("docs/devices.md#on-a-tpu", "levelfield run default --device tpu:0"),
    "follow each framework's guide": ("docs/fast-modes.md", "levelfield run guides"),
    "compile for an absent chip": ("docs/devices.md#for-a-chip-that-is-not-here", "levelfield preview tpu:v5e"),
}
LOOK_UP = {  # what an outsider looked for in vain → the heading of the reference, and words behind it
    "every key of a suite": ("a-suite", "`environments`", "`budget`", "`replicas`", "`min-delta`", "`memory-limit`"),
    "every command": ("commands", "### levelfield compare", "`--fail-on"),
    "exit codes": ("exit-codes", "| 5 |"),
    "variables": ("variables", "`LEVELFIELD_DATA`"),
    "records": ("records", "`utilisation`"),
    "Python": ("python", "levelfield.try_out"),
}


def section(target: str) -> str:
    """The page, from the heading that is linked to on, and up to the next one of its level."""
    name, _, anchor = target.partition("#")
    text = (ROOT / name).read_text(encoding="utf-8")
    if not anchor:
        return text
    parts = re.split(r"^(?=#+ )", text, flags=re.MULTILINE)
    (begin,) = (i for i, part in enumerate(parts) if pages.anchors(part) == {anchor})
    level = parts[begin].index(" ")
    ends = (i for i in range(begin + 1, len(parts)) if parts[i].index(" ") <= level)
    return "".join(parts[begin : next(ends, len(parts))])


@pytest.mark.parametrize("words", HOW_TO)
def test_a_how_to_is_one_click_from_readme(words: str) -> None:
    target, command = HOW_TO[words]
    assert f"[{words}]({target})" in README
    found = section(target)
    assert command is None or command in found


@pytest.mark.parametrize("what", LOOK_UP)
def test_what_is_looked_up_is_two_clicks_from_readme(what: str) -> None:
    heading, *expected = LOOK_UP[what]
    assert "(docs/reference.md)" in README
    head = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8").partition("\n## ")[0]
    assert f"](#{heading})" in head
    found = section(f"docs/reference.md#{heading}")
    assert [words for words in expected if words not in found] == []
