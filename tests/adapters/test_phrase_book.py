"""Adapters read side by side: the same names in the same order, and no longer than is said, helpers counted."""

from __future__ import annotations

import ast
import statistics

import pytest

from levelfield.adapters import sources
from levelfield.adapters.literals import NAMES, assignments
from levelfield.adapters.registry import find

BUILTIN = [info for info in find().adapters.values() if info.builtin]
PAGES = [page for info in BUILTIN for page in (info, info.of(2), info.of(1, info.every_mode[-1]))]
FILES = sorted({path for page in PAGES for path in sources.files(page)})
# What an adapter may define, in this order: the contract, how data reach it, then the arithmetic from inside to outside
METHODS = (
    "__init__",
    "set_weights",
    "get_weights",
    "fit",
    "predict",
    "synchronize",
    "placement",
    "fit_placed",
    "shuffled",
    "build",
    "forward",
    "logits",
    "product",
    "drawn",
    "slope",
    "criterion",
    "loss",
    "gradients",
    "gradients_and_logits",
    "update",
    "step",
    "shared_step",
    "merged_step",
    "scan",
)


def methods(node: ast.ClassDef) -> list[str]:
    return [inner.name for inner in node.body if isinstance(inner, ast.FunctionDef)]


def literals(node: ast.ClassDef) -> list[str]:
    return [name for name, _ in assignments(node.body) if name in NAMES]


ADAPTERS = {page.qualname for page in PAGES}
CLASSES = {
    f"{path.parent.name}/{path.name}: {node.name}": node
    for path in FILES
    for node in ast.parse(path.read_text(encoding="utf-8")).body
    if isinstance(node, ast.ClassDef) and (node.name in ADAPTERS or "fit" in methods(node))
}


def in_order(found: list[str], order: tuple[str, ...]) -> bool:
    return found == [name for name in order if name in found]


def test_every_adapter_is_looked_at():
    assert {label.rpartition(": ")[2] for label in CLASSES} >= ADAPTERS


@pytest.mark.parametrize("label", CLASSES)
def test_literals_and_methods_have_the_same_names_and_order_in_every_adapter(label):
    node = CLASSES[label]
    assert in_order(literals(node), NAMES)
    assert in_order(methods(node), METHODS)


def test_another_order_would_be_found():
    node = ast.parse("class A:\n    api = 'low'\n    name = 'a'\n    def fit(self): ...\n    def __init__(self): ...")
    assert not in_order(literals(node.body[0]), NAMES)
    assert not in_order(methods(node.body[0]), METHODS)
    assert not in_order(["fit", "train_step"], METHODS)


def test_the_median_adapter_has_at_most_110_lines_of_code_helpers_counted():
    sizes = {info.name: sources.lines(sources.text(info)) for info in BUILTIN}
    assert len(sizes) == 13
    assert statistics.median(sizes.values()) <= 110, sorted(sizes.items(), key=lambda item: item[1])


def test_the_helpers_of_an_adapter_are_what_it_imports_and_what_that_imports():
    (info,) = (info for info in BUILTIN if info.name == "keras-custom-layer")
    found = [f"{path.parent.name}/{path.name}" for path in sources.files(info)]
    assert found[:2] == ["keras/custom_layer.py", "keras/fit.py"]
    assert {"keras/model.py", "keras/data.py"} <= set(found)
    assert not any(name.startswith(("adapters/", "tasks/", "jax/")) for name in found)


def test_lines_of_code_are_counted_without_comments_docstrings_and_words():
    text = '"""A module\n\nof three lines."""\n\n# why\nx = 1  # because\ny = (\n    x,\n)\n'
    assert sources.lines(text) == 4
    text = 'SAID = "words"\nclass A:\n    "What it is."\n    name = "a"\n    notes = (\n        SAID,\n    )\n'
    assert sources.lines(text) == 2
    assert sources.lines(text + '"""A helper behind it."""\ny = 1\n') == 3
    assert sources.lines("no python (\n\nat all\n") == 2
