"""The phrase book: scripts of the frameworks' users beside the adapters, published as they are tested."""

from __future__ import annotations

import ast
import re

import phrase_book
import pytest

from levelfield.adapters.registry import find

SCRIPTS = sorted({info.plain for info in find().adapters.values() if info.builtin and info.plain})


def test_the_page_is_what_its_script_writes() -> None:
    assert phrase_book.PAGE.read_text(encoding="utf-8") == phrase_book.page(), "run tests/kit/phrase_book.py"


def test_every_adapter_of_the_checkout_is_in_it() -> None:
    heads = re.findall(r"<th>([\w, -]+?) \(\w+\)</th>", phrase_book.page())
    names = {name for head in heads for name in head.split(", ")}
    assert names == {name for name, info in find().adapters.items() if info.builtin}


@pytest.mark.parametrize("pair", phrase_book.PAIRS, ids="-".join)
def test_two_apis_stand_beside_each_other_and_neither_loses_a_line(pair) -> None:
    section = phrase_book.section(*pair)
    rows = re.findall(r'<tr valign="top">\n(.*?)</tr>', section, re.DOTALL)
    sides = zip(*(re.findall(r"<td>(.*?)</td>", row, re.DOTALL) for row in rows), strict=True)
    for name, cells in zip(pair, sides, strict=True):
        *shown, fit = (re.findall(r"```python\n(.*?)```", cell, re.DOTALL) for cell in cells)
        told = "".join(code for cell in shown for code in cell)
        assert find().adapters[name].plain.read_text(encoding="utf-8").split() == told.split()
        assert "def train(" in shown[-1][0]
        assert fit[0].startswith("def fit(")


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_imports_nothing_of_ours_and_fits_the_page(path) -> None:
    text = path.read_text(encoding="utf-8")
    modules = [a.name for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Import) for a in n.names]
    modules += [n.module for n in ast.walk(ast.parse(text)) if isinstance(n, ast.ImportFrom)]
    assert [module for module in modules if module.startswith("levelfield")] == []
    assert max(map(len, text.splitlines())) <= 100
