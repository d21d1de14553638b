"""What a certificate rests on, as one number: any edit of it asks for a new certificate."""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import os
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from levelfield.harness.system.paths import PACKAGE

ROOT = PACKAGE
# What the specification and its reference consist of; an edit to any of them asks for new certificates
SPECIFICATION = ("tasks/mlp.py", "tasks/recipe.py", "tasks/score.py", "adapters/adapter.py", "adapters/numpy/manual.py")
# Who forks and limits the processes in which certificates are made; their own imports are those of other jobs too
PROCESSES = (
    "harness/launch/worker.py",
    "harness/launch/child.py",
    "harness/launch/work.py",
    "harness/measure/rank_group.py",
    "harness/system/processes.py",
)

CLASSES = ("fast_class", "replicated", "runtime_class")  # literals of an adapter that name one, see `adapters.optional`


def fingerprint(adapter_source: Path, distribution: str | None = None) -> str:
    """SHA-256 of the adapter's file, the specification, the certifier, and all that any of them imports of levelfield.

    So whatever computes while an adapter is certified is covered, without a list that could be forgotten. Imports are
    followed in the syntax tree; nothing is executed. All runtimes count, since an adapter's runtime is chosen by name
    when it runs. Of a plug-in every file of its `distribution` counts, however it is imported.
    """
    certifier = [*(ROOT / "harness/certify").glob("*.py"), *(ROOT / "adapters").glob("*/runtime.py")]
    listed = [_absolute(path) for path in (adapter_source, *certifier)]
    listed += [_absolute(ROOT / name) for name in (*SPECIFICATION, *PROCESSES)]
    sources = {path: _name(path) for path in listed}
    if not _absolute(adapter_source).is_relative_to(ROOT):
        sources |= plugin(adapter_source, distribution)
    processes = {_absolute(ROOT / name) for name in PROCESSES}
    waiting = list(sources.keys() - processes)
    while waiting:
        found = set(_imported(waiting.pop())) - sources.keys()
        sources |= {path: _name(path) for path in found}
        waiting += found
    digest = hashlib.sha256()
    for path, name in sorted(sources.items(), key=lambda item: item[1]):
        digest.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\0".encode())
    return digest.hexdigest()[:32]


def plugin(adapter_source: Path, distribution: str | None) -> dict[Path, str]:
    """The Python files of a plug-in, and their names, which are the same wherever it is installed.

    As its distribution lists them; where it lists none that is there (installed for editing, or merely lying on the
    path): those of the package that the adapter's module is in, or those beside a module that is in none.
    """
    if distribution is not None:
        try:
            listed = importlib.metadata.distribution(distribution).files or ()
        except importlib.metadata.PackageNotFoundError:  # of another interpreter, which finds the module in its folder
            listed = ()
        files = {_absolute(Path(str(file.locate()))): file.as_posix() for file in listed if file.suffix == ".py"}
        if _absolute(adapter_source) in files:
            return {path: name for path, name in files.items() if path.is_file()}
    folder = _absolute(adapter_source).parent
    if not (folder / "__init__.py").is_file():
        return {path: path.name for path in folder.glob("*.py")}
    while (folder.parent / "__init__.py").is_file():
        folder = folder.parent
    return {path: path.relative_to(folder.parent).as_posix() for path in folder.rglob("*.py")}


def _absolute(path: Path) -> Path:
    """Without following links: of a checkout, the rooms of the package are some."""
    return Path(os.path.abspath(path))


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name


def _modules(path: Path) -> Iterable[str]:
    """Dotted names of what a file imports from, `from a import b` as both ``a`` and ``a.b``.

    Of the harness what its modules import when they are loaded: the rest are other commands.
    """
    return _modules_in(path.read_text(encoding="utf-8"), path.is_relative_to(ROOT / "harness"))


@lru_cache(maxsize=512)  # of one text: every adapter of a run imports the same files
def _modules_in(text: str, loaded: bool) -> tuple[str, ...]:
    names: list[str] = []
    tree = ast.parse(text)
    for node in tree.body if loaded else ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            stem = node.module or ""
            if node.level:
                stem = "." * node.level + stem
            names += [stem, *(f"{stem}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            target = ast.unparse(node.targets[0])
            names += [str(node.value.value).partition(":")[0]] if target in CLASSES else []
    return tuple(names)


def _imported(path: Path) -> Iterator[Path]:
    """Files that `path` imports from levelfield or, in a package of its own, by relative imports."""
    for module in _modules(path):
        dots = len(module) - len(module.lstrip("."))
        if dots:
            base = path.parents[dots - 1]
        elif module.startswith("levelfield."):
            base, module = ROOT, module.removeprefix("levelfield.")
        else:
            continue
        target = base.joinpath(*module.lstrip(".").split("."))
        yield from (_absolute(p) for p in (target.with_suffix(".py"), target / "__init__.py") if p.is_file())
