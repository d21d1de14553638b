"""Run a notebook's cells in order and write their outputs into it: ``python tests/docs/notebook.py docs/lesson.ipynb``.

What a cell shows is the value of its last expression, as in Jupyter: its SVG, its HTML, or its text.
"""

from __future__ import annotations

import ast
import json
import os
import sys
from pathlib import Path
from typing import Any


def run(path: Path) -> dict[str, Any]:
    """The notebook with fresh outputs; cells run in its folder. What a cell raises is raised here."""
    notebook: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    names: dict[str, Any] = {"__name__": "__main__"}
    os.chdir(path.parent)
    count = 0
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        count += 1
        cell["execution_count"] = count
        shown = value("".join(cell["source"]), names)
        data = {} if shown is None else mime(shown)
        cell["outputs"] = (
            [{"output_type": "execute_result", "execution_count": count, "metadata": {}, "data": data}] if data else []
        )
    return notebook


def value(source: str, names: dict[str, Any]) -> Any:
    """Of the last expression, or None where the cell ends with a statement."""
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "<cell>", "exec"), names)
    return None if last is None else eval(compile(ast.Expression(last.value), "<cell>", "eval"), names)


def mime(shown: Any) -> dict[str, list[str]]:
    ways = {"image/svg+xml": "_repr_svg_", "text/html": "_repr_html_"}
    found = {kind: getattr(shown, name)() for kind, name in ways.items() if hasattr(shown, name)}
    texts = {"text/plain": repr(shown)} | {kind: text for kind, text in found.items() if text is not None}
    return {kind: text.splitlines(keepends=True) for kind, text in texts.items()}


def text(notebook: dict[str, Any]) -> str:
    return json.dumps(notebook, ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    file = Path(sys.argv[1]).resolve()
    written = text(run(file))
    file.write_text(written, encoding="utf-8")
