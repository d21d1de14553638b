"""Write docs/phrase-book.md: ``python tests/kit/phrase_book.py``.

For every adapter of the checkout: the script that a user of the framework would write, and the adapter's `fit`.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

from levelfield.adapters.registry import AdapterInfo, find

PAGE = Path(__file__).parents[2] / "docs" / "phrase-book.md"
HEAD = """# A phrase book

<!-- written by tests/kit/phrase_book.py from adapters/*/plain_*.py and the adapters beside them -->

The same network in each API: 64–128–10 with ReLU, trained with momentum on batches of 32, from given weights and in
a given order. First the whole script, as a user of the framework writes it, with no import of levelfield. Then the
method `fit` of the adapter, which does this for every network and recipe that
[levelfield specifies](adding-an-adapter.md); the rest of the adapter is in the file that is named.

Each script is a function `train(x, y, weights, epochs)`: features (n, 64) float32, classes (n,) int64, the initial
kernels and biases in turn, and an iterator that gives the order of the samples of each epoch. It returns the weights.
Where a script waits for the device at the end of an epoch, that is for the clock, which is read when it asks for the
next order. `python tests/acceptance/plain/run.py torch-nn` trains one on digits and prints the time of each epoch. A
test holds the loss after training against the float64 reference's, of every script in every mode.
"""


def page() -> str:
    return "\n".join([HEAD, *sections()])


def sections() -> Iterator[str]:
    """One for each script, in the order of the files; adapters that are alike but for their backend share one."""
    scripts: dict[Path, list[AdapterInfo]] = defaultdict(list)
    for info in find().adapters.values():
        if info.builtin and info.plain is not None:
            scripts[info.plain].append(info)
    for script, adapters in scripts.items():
        source = adapters[0].source
        folder = source.parent.name
        yield "\n".join(
            [
                f"## {', '.join(info.name for info in adapters)}\n",
                f"[adapters/{folder}/{script.name}](../adapters/{folder}/{script.name})\n",
                f"```python\n{script.read_text(encoding='utf-8')}```\n",
                f"`fit` of [adapters/{folder}/{source.name}](../adapters/{folder}/{source.name})\n",
                f"```python\n{fit(source, adapters[0].qualname)}\n```\n",
            ]
        )


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
