"""Write docs/phrase-book.md: ``python tests/kit/phrase_book.py``.

For every adapter of the checkout: the script that a user of the framework would write, and the adapter's `fit`, beside
those of another API.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

from levelfield.adapters.registry import AdapterInfo, find

PAGE = Path(__file__).parents[2] / "docs" / "phrase-book.md"
PAIRS = (
    ("numpy-manual", "sklearn-mlp"),
    ("torch-autograd", "torch-nn"),
    ("torch-nn", "torch-lightning"),
    ("jax-grad", "flax-nnx"),
    ("tensorflow-tape", "keras-loop"),
    ("keras-tensorflow", "keras-custom-layer"),
)
HEAD = """# A phrase book

<!-- written by tests/kit/phrase_book.py from adapters/*/plain_*.py and the adapters beside them -->

For anyone who knows one API and wants to read another: the same network in each, side by side. It is 64–128–10 with
ReLU, trained with momentum on batches of 32, from given weights and in a given order.

Each row does the same on both sides. The scripts are what a user of the framework writes, without levelfield. The last
row is the method `fit` of the [adapter](adding-an-adapter.md), which does this for every network and recipe. The report
of a run shows any two scripts side by side, with their times and with differences marked.

Each script is a function `train(x, y, weights, epochs)`, which returns the weights. `x` has shape (n, 64) and is
float32, `y` holds n classes as int64. `weights` are the initial kernels and biases in turn, and `epochs` gives the
order of the samples of each epoch. Some scripts wait for the device at the end of an epoch, so that it can be timed.

`python tests/acceptance/plain/run.py torch-nn` trains one on digits and prints the time of each epoch. A test compares
the loss of every script, in every mode, with the float64 reference's.
"""
NOTHING = "*(within `train`)*"


def page() -> str:
    return "\n".join([HEAD, *(section(*pair) for pair in PAIRS)])


def section(*pair: str) -> str:
    """The scripts of two adapters and what trains in them, one row a part."""
    known = find().adapters
    sides = [known[name] for name in pair]
    rows = [("What it imports", "The network, a step", "Training", "`fit` of the adapter"), *map(phrases, sides)]
    table = ["<table>", f"<tr>{''.join(f'<th>{named(side)}</th>' for side in sides)}</tr>"]
    for title, *cells in zip(*rows, strict=True):
        table += [f'<tr><th colspan="2">\n\n{title}\n\n</th></tr>', '<tr valign="top">']
        table += [f"<td>\n\n{cell}\n\n</td>" for cell in cells]
        table.append("</tr>")
    return "\n".join([f"## {' and '.join(pair)}\n", f"{files(sides)}\n", *table, "</table>\n"])


def named(info: AdapterInfo) -> str:
    """The adapters of the script, which may differ in their backend alone."""
    alike = [other.name for other in find().adapters.values() if other.builtin and other.plain == info.plain]
    return f"{', '.join(alike)} ({info.api})"


def files(sides: list[AdapterInfo]) -> str:
    """Links to the scripts, then to the adapters."""
    paths = [file for which in ("plain", "source") for side in sides if (file := getattr(side, which))]
    names = [f"adapters/{file.parent.name}/{file.name}" for file in paths]
    return " · ".join(f"[{name}](../{name})" for name in names)


def phrases(info: AdapterInfo) -> Iterator[str]:
    assert info.plain is not None
    text = info.plain.read_text(encoding="utf-8")
    lines = text.splitlines()
    starts = {
        node.name: first_line(node) for node in ast.parse(text).body if isinstance(node, ast.ClassDef | ast.FunctionDef)
    }
    first, train = min(starts.values()), starts["train"]
    for part in (lines[:first], lines[first:train], lines[train:]):
        yield code("\n".join(part))
    yield code(fit(info.source, info.qualname))


def first_line(node: ast.ClassDef | ast.FunctionDef) -> int:
    """Its index among the lines, with its decorators."""
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)]) - 1


def code(text: str) -> str:
    return f"```python\n{text.strip()}\n```" if text.strip() else NOTHING


def fit(source: Path, qualname: str) -> str:
    """The text of the method, of the class or of the first base that has it in a file of the same folder."""
    text = source.read_text(encoding="utf-8")
    tree = ast.parse(text)
    (found,) = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == qualname)
    for node in found.body:
        if isinstance(node, ast.FunctionDef) and node.name == "fit":
            lines = text.splitlines()[node.lineno - 1 : node.end_lineno]
            return dedent("\n".join(lines))
    base = ast.unparse(found.bases[0])
    defined = {node.name: source for node in tree.body if isinstance(node, ast.ClassDef)}
    imported = {
        alias.name: source.with_name(f"{node.module.rpartition('.')[2]}.py")
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    return fit((imported | defined)[base], base)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
