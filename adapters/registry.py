"""Which adapters there are, read from their source: no adapter and no framework is imported here.

Adapters are in the files of this folder and of its folders, one a framework, and whatever installed packages offer in
the entry-point group ``levelfield.adapters`` (value ``module:Class``).
"""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from levelfield.adapters.adapter import Literals
from levelfield.adapters.installed import offers, version
from levelfield.adapters.literals import Module, assignments, problem, source_in, stated
from levelfield.tasks.errors import UserError, unknown

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "levelfield.adapters"
Installed = Callable[[str], str | None]  # distribution → version, None where it is absent


@dataclass(frozen=True)
class AdapterInfo(Literals):
    """An adapter's literals, which are its attributes, and where it is."""

    literals: Mapping[str, Any]
    module: str
    qualname: str
    source: Path
    builtin: bool = True
    distribution: str | None = None  # that a plug-in is of

    def __post_init__(self) -> None:
        vars(self).update(self.literals)

    def but(self, **literals: Any) -> AdapterInfo:
        """The same with other literals."""
        return replace(self, literals={**self.literals, **literals})

    def of(self, replicas: int, mode: str | None = None) -> AdapterInfo:
        """With the class that trains so many replicas, or in this mode."""
        place = self.replicated if replicas > 1 else None if mode in (None, *self.modes) else self.fast_class
        if place is None:
            return self
        module, _, qualname = place.partition(":")
        return replace(self, module=module, qualname=qualname, source=locate(module) or self.source)

    @property
    def every_mode(self) -> tuple[str, ...]:
        """`modes`, and behind them those of `fast_modes` that are not among them."""
        return tuple(dict.fromkeys((*self.modes, *self.fast_modes)))

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
    def plain(self) -> Path | None:
        """Beside it, the script that a user of the framework would write instead."""
        script = self.source.with_name(f"plain_{self.source.name}")
        return script if script.is_file() else None

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
    """Adapters by name in the order of the files, one line for each that had to be left out, and what else to tell."""

    adapters: dict[str, AdapterInfo] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)  # on adapters that are not left out
    left_out: dict[str, str] = field(default_factory=dict)  # a name that users may type → its line of `problems`

    def get(self, name: str) -> AdapterInfo:
        """The adapter of that name. Raises UserError, for one that was left out with what is wrong with it."""
        self.check([name])
        if name not in self.adapters:
            raise unknown("adapter", name, self.adapters, "levelfield list adapters")
        return self.adapters[name]

    def check(self, names: Iterable[str]) -> None:
        """Raises UserError where one of `names` was left out: what is wrong with it."""
        for name in names:
            if name in self.left_out:
                raise UserError(self.left_out[name], "levelfield list adapters")

    def leave_out(self, line: str, *names: object) -> None:
        self.problems.append(line)
        self.left_out |= {name: line for name in names if isinstance(name, str) and name not in self.adapters}


def _extra(distribution: str) -> str:
    return {"optax": "flax"}.get(distribution, distribution)


def find() -> Registry:
    """All adapters. A plug-in that cannot be read, lacks a literal or repeats a name is a line in `problems`."""
    registry, read = Registry(), dict[Path, Module]()
    here = Path(__file__).parent
    for source in sorted([*here.glob("*.py"), *here.glob("*/*.py")]):
        if b"\n    name = " in source.read_bytes():  # in a class; to parse all the others would take as long again
            module = ".".join(source.relative_to(here).with_suffix("").parts)
            _add(registry, read, source, f"{__package__}.{module}")
    for point in _entry_points():
        who = f"adapter {point.name!r}"
        if not re.fullmatch(r"[\w.]+:\w+", point.value):  # asking a malformed one for its module raises
            registry.leave_out(f"{who}: entry point {point.value!r} is not module:Class", point.name)
        elif (path := locate(point.module)) is None:
            registry.leave_out(f"{who}: no source file for module {point.module!r}", point.name)
        else:
            _add(registry, read, path, point.module, point)
    return registry


def _entry_points() -> Sequence[EntryPoint]:
    if not offers(GROUP):
        return ()
    from importlib.metadata import entry_points

    return sorted(entry_points(group=GROUP), key=lambda point: point.name)


def _add(
    registry: Registry,
    read: dict[Path, Module],
    source: Path,
    name: str,
    point: EntryPoint | None = None,
) -> None:
    """The adapters of one file: the class of the entry point, or each that has a name of its own in its body."""
    label = point.name if point else source.name
    try:
        module = Module.of(name, source, read)
        found = {node.name: stated(module, node) for node in module.classes if _wanted(node, point)}
    except (OSError, SyntaxError, ValueError, RecursionError) as error:
        registry.leave_out(f"adapter {label!r}: {source.name} cannot be read: {error}", label)
        return
    if point and not found:
        registry.leave_out(f"adapter {label!r}: {source.name} has no class {point.attr!r}", label)
    for qualname, literals in found.items():
        if (wrong := problem(literals) or _nowhere(literals) or _taken(literals, registry)) is not None:
            line = f"adapter {label!r}: class {qualname} in {source.name}: {wrong}"
            registry.leave_out(line, label, literals.get("name"))
        else:
            distribution = point.dist.name if point and point.dist else None
            info = AdapterInfo(literals, name, qualname, source, builtin=point is None, distribution=distribution)
            registry.adapters[info.name] = info
            if point and info.name != label:
                own = f"adapter {info.name!r}: its entry point is called {label!r}; it goes by its own name"
                registry.remarks.append(f"{own}, give both the same")


def _wanted(node: ast.ClassDef, point: EntryPoint | None) -> bool:
    return node.name == point.attr if point else "name" in dict(assignments(node.body))


def _nowhere(literals: Mapping[str, Any]) -> str | None:
    for name in ("fast_class", "replicated", "runtime_class"):
        module = (literals.get(name) or "").partition(":")[0]
        if module and locate(module) is None:
            return f"{name}: no source file for module {module!r}"
    return None


def _taken(literals: Mapping[str, Any], registry: Registry) -> str | None:
    other = registry.adapters.get(literals["name"])
    return f"the name {other.name!r} is taken by {other.module}" if other else None


def locate(module: str) -> Path | None:
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
    found = (source_in(Path(folder), ".".join(rest)) for folder in spec.submodule_search_locations or [])
    return next(filter(None, found), None)
