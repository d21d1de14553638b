"""Which distributions a process has really loaded: their versions, and where their files lie."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple

from levelfield.adapters.registry import version


class Loaded(NamedTuple):
    """`place` is that of the package's first file, as far as it lies below the interpreter's prefix without what comes
    before; None where nothing of the distribution was imported."""

    version: str
    place: str | None


def loaded(distributions: Iterable[str]) -> dict[str, Loaded]:
    """Of those that are installed: what this process has imported, else what it would.

    The version is that of the metadata beside the imported files: another copy, earlier on the path, has its own.
    """
    found = {}
    for name in distributions:
        file = next((f for module in modules(name) if (f := _file(module)) is not None), None)
        number = None if file is None else _version_beside(name, file)
        number = number or version(name)
        if number is not None:
            found[name] = Loaded(number, None if file is None else _place(file))
    return found


@cache
def modules(distribution: str) -> tuple[str, ...]:
    """Top-level modules of an installed distribution."""
    for name in (distribution, f"{distribution}-cpu"):
        try:
            found = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        if (listed := found.read_text("top_level.txt")) is not None:
            return tuple(name for name in listed.split() if not name.startswith("_"))
        tops = {file.parts[0] for file in found.files or () if file.name == "__init__.py" and len(file.parts) == 2}
        return tuple(sorted(tops)) or (distribution.replace("-", "_"),)
    return ()


def _file(module: str) -> Path | None:
    there = sys.modules.get(module)
    file = getattr(there, "__file__", None)
    return Path(file) if isinstance(file, str) else None


def _version_beside(distribution: str, file: Path) -> str | None:
    folder = file.parent.parent if file.name == "__init__.py" else file.parent
    for name in (distribution, f"{distribution}-cpu"):
        for beside in importlib.metadata.distributions(name=name, path=[str(folder)]):
            return beside.version
    return None


def _place(file: Path) -> str:
    for prefix in (sys.prefix, sys.base_prefix):
        if file.is_relative_to(prefix):
            return file.relative_to(prefix).as_posix()
    return f"outside of the interpreter: {file.parent.name}/{file.name}"
