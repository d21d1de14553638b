"""Which adapters there are, read from their source: no adapter and no framework is imported here.

Adapters are in the files of this folder and of its folders, one a framework, and whatever installed packages offer in
the entry-point group ``levelfield.adapters`` (value ``module:Class``).
"""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from levelfield.adapters.installed import offers, version

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "levelfield.adapters"
Installed = Callable[[str], str | None]  # distribution → version, None where it is absent
_APIS = ("low", "high", "mixed")
_FEEDS = ("resident", "loader")
_REPLICATION = ("devices", "ranks")
_NAMED = re.compile(r"^ +name\b.*=", re.MULTILINE)  # few of our files hold an adapter, and parsing takes long
_LONGEST_NAME = 40  # names and modes become parts of file names
# What limits may speak of: the keys of `adapters.adapter.facts`, which needs NumPy
FACTS = (
    "mode",
    "optimizer",
    "activation",
    "dropout",
    "l2",
    "kind",
    "outputs",
    "hidden",
    "device",
    "precision",
    "compiler",
    "track",
    "replicas",
    "replication",
    "uneven",
)
_LITERALS: dict[str, Any] = {
    "name": "",
    "framework": "",
    "backend": None,
    "api": "",
    "modes": (),
    "feed": "resident",
    "limits": (),
    "notes": (),
    "packages": (),
    "defaults": {},
    "stopping": None,
    "documented_feed": "loader",
    "replication": (),
}
_STOPPING: dict[str, Any] = {"patience": int, "min_delta": (int, float), "restore_best": bool}


@dataclass(frozen=True)
class AdapterInfo:
    """The literals of an adapter (see `adapters.adapter.Adapter`) and where it is."""

    name: str
    framework: str
    backend: str | None
    api: str
    modes: tuple[str, ...]
    feed: str
    limits: tuple[dict[str, Any], ...]
    notes: tuple[str, ...]
    packages: tuple[str, ...]
    defaults: dict[str, str]
    stopping: dict[str, Any] | None
    documented_feed: str
    replication: tuple[Any, ...]
    module: str
    qualname: str
    source: Path
    builtin: bool = True
    distribution: str | None = None  # that a plug-in is of

    @property
    def runtime(self) -> str:
        """The distribution that does the arithmetic."""
        return self.backend or self.framework

    @property
    def root(self) -> Path:
        """The folder in which its module is found by name."""
        depth = self.module.count(".") + (self.source.name == "__init__.py")
        return self.source.parents[depth]

    @property
    def distributions(self) -> tuple[str, ...]:
        """What must be installed, without repetition."""
        return tuple(dict.fromkeys([self.framework, self.runtime, *self.packages]))

    def versions(self, installed: Installed | None = None) -> dict[str, str]:
        """Of its distributions, as far as they are `installed` (by default: where this process runs)."""
        return {d: v for d in self.distributions if (v := (installed or version)(d)) is not None}

    def missing(self, installed: Installed | None = None) -> str | None:
        """What to install, or None when everything is there."""
        absent = [d for d in self.distributions if (installed or version)(d) is None]
        if not absent:
            return None
        extras = ",".join(dict.fromkeys(_extra(d) for d in absent))
        how = f"pip install 'levelfield[{extras}]'" if self.builtin else f"pip install {' '.join(absent)}"
        return f"needs {' and '.join(absent)}: {how}"


@dataclass
class Registry:
    """Adapters by name in the order of the files, and one line for each that had to be left out."""

    adapters: dict[str, AdapterInfo] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def _extra(distribution: str) -> str:
    return {"optax": "flax"}.get(distribution, distribution)


def find() -> Registry:
    """All adapters. A plug-in that cannot be read, lacks a literal or repeats a name is a line in `problems`."""
    registry = Registry()
    here = Path(__file__).parent
    for source in sorted([*here.glob("*.py"), *here.glob("*/*.py")]):
        module = ".".join(source.relative_to(here).with_suffix("").parts)
        _add(registry, source, f"{__package__}.{module}", None)
    for point in _entry_points():
        if not re.fullmatch(r"[\w.]+:\w+", point.value):  # asking a malformed one for its module raises
            registry.problems.append(f"adapter {point.name!r}: entry point {point.value!r} is not module:Class")
        elif (path := _locate(point.module)) is None:
            registry.problems.append(f"adapter {point.name!r}: no source file for module {point.module!r}")
        else:
            distribution = None if point.dist is None else point.dist.name
            _add(registry, path, point.module, point.attr, point.name, distribution)
    return registry


def _entry_points() -> Sequence[EntryPoint]:
    if not offers(GROUP):
        return ()
    from importlib.metadata import entry_points

    return sorted(entry_points(group=GROUP), key=lambda point: point.name)


def _add(
    registry: Registry,
    source: Path,
    module: str,
    only: str | None,
    label: str = "",
    distribution: str | None = None,
) -> None:
    label = label or source.name
    try:
        text = source.read_text(encoding="utf-8")
        if only is None and not _NAMED.search(text):
            return
        tree = ast.parse(text)
    except (OSError, SyntaxError, ValueError) as error:
        registry.problems.append(f"adapter {label!r}: {source.name} cannot be read: {error}")
        return
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    chosen = [c for c in classes if c.name == only] if only else [c for c in classes if "name" in _literals(c)]
    if only and not chosen:
        registry.problems.append(f"adapter {label!r}: {source.name} has no class {only!r}")
    for node in chosen:
        literals = _literals(node)
        problem = _problem(literals)
        if problem is None and literals["name"] in registry.adapters:
            problem = f"the name {literals['name']!r} is taken by {registry.adapters[literals['name']].module}"
        if problem:
            registry.problems.append(f"adapter {label!r}: class {node.name} in {source.name}: {problem}")
            continue
        values = _LITERALS | literals
        registry.adapters[literals["name"]] = AdapterInfo(
            **values,
            module=module,
            qualname=node.name,
            source=source,
            builtin=only is None,
            distribution=distribution,
        )


def _literals(node: ast.ClassDef) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for statement in node.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if name in _LITERALS:
                pass
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value) if name in _LITERALS:
                pass
            case _:
                continue
        try:
            found[name] = ast.literal_eval(value)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            found[name] = ...  # written as an expression: reported as such
    return found


def _problem(literals: dict[str, Any]) -> str | None:
    for name, value in literals.items():
        if value is ...:
            return f"{name!r} must be a literal, it is read without importing the module"
    for name in ("name", "framework", "api", "modes"):
        if name not in literals:
            return f"lacks the literal {name!r}"
    if not _is_name(literals["name"]):
        return f"name {literals['name']!r} must be lower-case letters, digits and hyphens, at most {_LONGEST_NAME}"
    if not isinstance(literals["framework"], str):
        return "framework must be a string: the name of a distribution"
    if not isinstance(literals.get("backend"), str | None):
        return "backend must be a string or None"
    if literals["api"] not in _APIS:
        return f"api must be one of {', '.join(_APIS)}, not {literals['api']!r}"
    for name in ("feed", "documented_feed"):
        if literals.get(name, "resident") not in _FEEDS:
            return f"{name} must be one of {', '.join(_FEEDS)}, not {literals[name]!r}"
    modes = literals["modes"]
    if not (isinstance(modes, tuple) and modes and all(map(_is_mode, modes)) and len(set(modes)) == len(modes)):
        return "modes must be a tuple of at least one name (lower case, digits, - and _), none of them twice"
    for name in ("notes", "packages"):
        value = literals.get(name, ())
        if not (isinstance(value, tuple) and all(isinstance(item, str) for item in value)):
            return f"{name} must be a tuple of strings"
    defaults = literals.get("defaults", {})
    if not (isinstance(defaults, dict) and all(isinstance(t, str) for item in defaults.items() for t in item)):
        return "defaults must be a dict of strings: name → value"
    stopping = literals.get("stopping")
    if stopping is not None and not (
        isinstance(stopping, dict)
        and stopping.keys() == _STOPPING.keys()
        and all(isinstance(stopping[key], kind) for key, kind in _STOPPING.items())
    ):
        return "stopping must be None or a dict with patience (epochs), min_delta and restore_best"
    replication = literals.get("replication", ())
    if not isinstance(replication, tuple) or any(way not in _REPLICATION for way in replication):
        return f"replication must be a tuple of {' and '.join(map(repr, _REPLICATION))}, or empty"
    limits = literals.get("limits", ())
    if not isinstance(limits, tuple):
        return "limits must be a tuple of dicts"
    for limit in limits:
        if not (isinstance(limit, dict) and isinstance(limit.get("because"), str)):
            return "each of its limits must be a dict with the reason under 'because'"
        if unknown := sorted(map(str, limit.keys() - {*FACTS, "because"})):
            return f"a limit speaks of {unknown[0]!r}; known are {', '.join(FACTS)}"
    return None


def _is_name(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _LONGEST_NAME and bool(re.fullmatch(r"[a-z0-9][a-z0-9-]*", value))


def _locate(module: str) -> Path | None:
    """The source file of a module, without importing it or its parents."""
    top, *rest = module.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    if not rest:
        return Path(spec.origin) if spec.origin else None
    for folder in spec.submodule_search_locations or []:
        base = Path(folder).joinpath(*rest)
        for candidate in (base.with_suffix(".py"), base / "__init__.py"):
            if candidate.is_file():
                return candidate
    return None


def _is_mode(value: object) -> bool:
    """As a name, with the underscores that frameworks' own words have."""
    return isinstance(value, str) and _is_name(value.replace("_", "-"))
