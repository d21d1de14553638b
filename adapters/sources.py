"""What of an adapter is written for its framework: its file and the helpers that it imports, and their lines of code.

Counted are lines that hold code: no blank ones, comments or docstrings, and no literals that are words about the
framework (`WORDS`, with the constants that they name). Helpers are the modules in the folders of frameworks, or in a
plug-in's own package, that an adapter imports, and those that these import; not the contract, which is beside them.
"""

from __future__ import annotations

import ast
from pathlib import Path

from levelfield.adapters.literals import HOUSE, Module
from levelfield.adapters.registry import AdapterInfo

WORDS = ("limits", "notes", "defaults", "stopping", "fast_modes", "fast_class")
CONTRACT = Path(__file__).parent


def files(info: AdapterInfo) -> list[Path]:
    """The adapter's file, then its helpers in the order in which they are imported."""
    found = [Module.of(info.module, info.source, {})]
    for module in found:  # which grows
        for name in _imported(module.tree):
            other = module.neighbour(name)
            known = other is None or other.path in [one.path for one in found]
            if other is not None and not known and _is_helper(other.path):
                found.append(other)
    return [module.path for module in found]


def text(info: AdapterInfo) -> str:
    """The adapter's source, and its helpers' behind it, each below its name."""
    own, *helpers = files(info)
    parts = [f"\n\n# {path.parent.name}/{path.name}\n\n{path.read_text(encoding='utf-8')}" for path in helpers]
    return own.read_text(encoding="utf-8") + "".join(parts)


def lines(source: str) -> int:
    """Of code, as said above. Of text that is no Python: lines that are not blank."""
    numbered = enumerate(source.split("\n"), start=1)
    found = {i: line for i, line in numbered if line.strip() and not line.lstrip().startswith("#")}
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return sum(bool(line.strip()) for line in source.splitlines())
    words = [node for node in ast.walk(tree) if isinstance(node, ast.Assign) and _target(node) in WORDS]
    named = {name.id for node in words for name in ast.walk(node.value) if isinstance(name, ast.Name)}
    words += [node for node in tree.body if isinstance(node, ast.Assign) and _target(node) in named]
    texts = [node for node in ast.walk(tree) if isinstance(node, ast.Expr) and _is_text(node.value)]
    for node in (*words, *texts):
        for i in range(node.lineno, (node.end_lineno or node.lineno) + 1):
            found.pop(i, None)
    return len(found)


def _imported(tree: ast.Module) -> list[str]:
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module and not node.level]
    return [name for node in nodes for name in (node.module or "", *(f"{node.module}.{a.name}" for a in node.names))]


def _is_helper(path: Path) -> bool:
    if path.name == "__init__.py":
        return False
    return path.parent.parent == CONTRACT or not path.is_relative_to(HOUSE / "levelfield")


def _target(node: ast.Assign) -> str:
    return ast.unparse(node.targets[0])


def _is_text(value: ast.expr) -> bool:
    """As a statement, a docstring: also of a helper whose source stands behind another's."""
    return isinstance(value, ast.Constant) and isinstance(value.value, str)
