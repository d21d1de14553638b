"""The literals of an adapter, read from its source: neither it nor a framework is imported.

Which ones there are, and what each must be, is told by `adapters.adapter.Literals`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

from levelfield.adapters.adapter import Literals
from levelfield.adapters.choices import Api, Feed, Replication
from levelfield.adapters.limits import Facts
from levelfield.adapters.optional import FastMode

Check = Callable[[Any], bool]
NAMES = tuple(name for page in Literals.__mro__[:-1] for name in page.__annotations__)
REQUIRED = tuple(name for name in NAMES if not hasattr(Literals, name))
LONGEST_NAME = 40  # names and modes become parts of file names
STOPPING: dict[str, Any] = {"patience": int, "min_delta": (int, float), "restore_best": bool}
HOUSE = Path(__file__).parents[2]  # where levelfield is found by name


@dataclass(frozen=True)
class Module:
    """One source file: what its names stand for, there or in another module of the same package."""

    name: str  # dotted
    path: Path
    tree: ast.Module
    read: dict[Path, Module] = field(repr=False)  # all modules so far, by path

    @classmethod
    def of(cls, name: str, path: Path, read: dict[Path, Module]) -> Module:
        """Raises OSError, SyntaxError or ValueError where the file cannot be read."""
        if path not in read:
            read[path] = cls(name, path, ast.parse(path.read_text(encoding="utf-8")), read)
        return read[path]

    @property
    def root(self) -> Path:
        """The folder in which it is found by name."""
        return self.path.parents[self.name.count(".") + (self.path.name == "__init__.py")]

    @property
    def classes(self) -> Iterator[ast.ClassDef]:
        return (node for node in self.tree.body if isinstance(node, ast.ClassDef))

    @cached_property
    def named(self) -> dict[str, ast.expr | ast.ClassDef]:
        """Its constants and classes."""
        return {node.name: node for node in self.classes} | dict(assignments(self.tree.body))

    @cached_property
    def imported(self) -> dict[str, tuple[str, str]]:
        """Name here → module and name there."""
        package = self.name.split(".")
        if self.path.name != "__init__.py":
            package.pop()
        found: dict[str, tuple[str, str]] = {}
        for node in self.tree.body:
            if isinstance(node, ast.ImportFrom):
                parts = package[: len(package) + 1 - node.level] if node.level else []
                module = ".".join([*parts, *([node.module] if node.module else [])])
                found |= {alias.asname or alias.name: (module, alias.name) for alias in node.names}
        return found

    def find(self, name: str) -> tuple[Module, ast.expr | ast.ClassDef] | None:
        """What `name` stands for, and the module that says so; None for what is not of this package."""
        if name in self.named:
            return self, self.named[name]
        module, there = self.imported.get(name, ("", ""))
        if module == "levelfield":  # the contract, whose literals are the defaults of `Literals`
            return None
        other = self.neighbour(module)
        return other.find(there) if other is not None else None

    @cached_property
    def neighbours(self) -> dict[str, Module | None]:
        """Those that were asked for."""
        return {}

    def neighbour(self, name: str) -> Module | None:
        """Another module of the same package, or of levelfield; of a module in no package, one that lies beside it."""
        if name not in self.neighbours:
            self.neighbours[name] = self._neighbour(name)
        return self.neighbours[name]

    def _neighbour(self, name: str) -> Module | None:
        own, top = self.name.partition(".")[0], name.partition(".")[0]
        together = top == own or (top == name and own == self.name)
        root = self.root if together else HOUSE if top == "levelfield" else None
        path = root and source_in(root, name)
        return Module.of(name, path, self.read) if path else None


def source_in(folder: Path, module: str) -> Path | None:
    """The source file of `module` below the folder in which it is found by name."""
    base = folder.joinpath(*module.split("."))
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


def assignments(body: list[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
    for statement in body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                yield name, value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                yield name, value


def stated(module: Module, node: ast.ClassDef) -> dict[str, Any]:
    """The literals of a class and of its base classes, name → value; `...` for what is not a literal."""
    found: dict[str, Any] = {}
    for base in reversed(node.bases):
        if isinstance(base, ast.Name) and (there := module.find(base.id)) and isinstance(there[1], ast.ClassDef):
            found |= stated(there[0], there[1])
    for name, expression in assignments(node.body):
        if name in NAMES:
            try:
                found[name] = _value(module, expression)
            except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
                found[name] = ...
    return found


def _value(module: Module, expression: ast.expr) -> Any:
    try:
        return ast.literal_eval(expression)
    except ValueError:  # it holds names
        return ast.literal_eval(_Followed(module).visit(expression))


class _Followed(ast.NodeTransformer):
    """Puts in place of each name the constant that it stands for."""

    def __init__(self, module: Module) -> None:
        self.module = module

    def visit_Name(self, node: ast.Name) -> ast.AST:
        there = self.module.find(node.id)
        return _Followed(there[0]).visit(there[1]) if there else node


def problem(literals: dict[str, Any]) -> str | None:
    """What is wrong with the literals of a class, or None."""
    for name, value in literals.items():
        if value is ...:
            return f"{name!r} must be a literal or the name of one in its package, since nothing is imported to read it"
    for name in REQUIRED:
        if name not in literals:
            return f"lacks the literal {name!r}"
    for name, right, what in CHECKS:
        if name in literals and not right(literals[name]):
            return f"{name} must be {what}, not {str(repr(literals[name]))[:100]}"
    return None


def _text(value: object) -> bool:
    return isinstance(value, str)


def _name(value: object) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST_NAME and bool(re.fullmatch(r"[a-z0-9][a-z0-9-]*", value))


def _mode(value: object) -> bool:
    """As a name, with the underscores that frameworks' own words have."""
    return isinstance(value, str) and _name(value.replace("_", "-"))


def _place(value: object) -> bool:
    return value is None or (isinstance(value, str) and bool(re.fullmatch(r"[\w.]+:\w+", value)))


def _fast_mode(value: object) -> bool:
    keys = FastMode.__annotations__.keys()
    return (
        isinstance(value, dict)
        and value.keys() == keys
        and all(map(_text, value.values()))
        and value["page"].startswith("https://")
    )


def _stopping(value: object) -> bool:
    return value is None or (
        isinstance(value, dict)
        and value.keys() == STOPPING.keys()
        and all(isinstance(value[key], kind) for key, kind in STOPPING.items())
    )


def _tuple(check: Check) -> Check:
    return lambda value: isinstance(value, tuple) and all(map(check, value))


def _known(alias: Any) -> Check:
    return lambda value: value in get_args(alias)


def _said(alias: Any) -> str:
    return f"one of {', '.join(get_args(alias))}"


# In this order: a check may rely on those before it
CHECKS: tuple[tuple[str, Check, str], ...] = (
    ("name", _name, f"lower-case letters, digits and hyphens, at most {LONGEST_NAME}"),
    ("framework", _text, "a string: the name of a distribution"),
    ("backend", lambda value: value is None or _text(value), "a string or None"),
    ("api", _known(Api), _said(Api)),
    ("modes", _tuple(_mode), "a tuple of names (lower case, digits, - and _)"),
    ("modes", lambda value: 0 < len(value) == len({*value}), "a tuple of at least one name, none of them twice"),
    ("feed", _known(Feed), _said(Feed)),
    ("packages", _tuple(_text), "a tuple of strings"),
    (
        "limits",
        _tuple(lambda limit: isinstance(limit, dict) and _text(limit.get("because"))),
        "a tuple of dicts, each with the reason under 'because'",
    ),
    (
        "limits",
        _tuple(lambda limit: limit.keys() <= {*Facts._fields, "because"}),
        f"about nothing but {', '.join(Facts._fields)}",
    ),
    ("notes", _tuple(_text), "a tuple of strings"),
    (
        "defaults",
        lambda value: isinstance(value, dict) and all(map(_text, (*value.keys(), *value.values()))),
        "a dict of strings: name → value",
    ),
    ("stopping", _stopping, "None or a dict with patience (epochs), min_delta and restore_best"),
    ("documented_feed", _known(Feed), _said(Feed)),
    (
        "fast_modes",
        lambda value: isinstance(value, dict) and all(map(_mode, value)) and all(map(_fast_mode, value.values())),
        f"a dict: mode → a dict with {', '.join(FastMode.__annotations__)}, the page a link",
    ),
    ("fast_class", _place, "'module:Class' or None"),
    ("replication", _tuple(_known(Replication)), f"a tuple of {' and '.join(get_args(Replication))}, or empty"),
    ("replicated", _place, "'module:Class' or None"),
    ("runtime_class", _place, "'module:Class' or None"),
)
