"""Interpreters that a suite compares under: the one that levelfield runs in, and others with other versions.

Another interpreter needs what levelfield's workers import (NumPy, pydantic, threadpoolctl) and the frameworks; it does
not need levelfield itself.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from levelfield.adapters.registry import Installed, version
from levelfield.tasks.errors import UserError

DEFAULT = "default"
_LIMIT = 60.0  # seconds
_WORKER = ("numpy", "pydantic", "threadpoolctl")
_ASK = """
import importlib.metadata as m, json, sys
found = {}
for name in sys.argv[1:]:
    for candidate in (name, name + "-cpu"):
        try:
            found[name] = m.version(candidate)
            break
        except m.PackageNotFoundError:
            pass
print(json.dumps(found))
"""


@dataclass(frozen=True)
class Environment:
    """An interpreter, and what is installed there."""

    name: str
    python: str
    installed: Installed


def own() -> Environment:
    """The interpreter that this process runs in."""
    return Environment(DEFAULT, sys.executable, version)


def find(named: Mapping[str, Path], distributions: Iterable[str]) -> dict[str, Environment]:
    """The own environment and the `named` ones, asked for the versions of `distributions`.

    Raises UserError for an interpreter that cannot be run, or lacks what a worker imports.
    """
    found = {DEFAULT: own()}
    for name, python in named.items():
        versions = _ask(name, python, [*distributions, *_WORKER])
        absent = [package for package in _WORKER if package not in versions]
        if absent:
            raise UserError(
                f"environments.{name}: {python} lacks {', '.join(absent)}",
                f"{python} -m pip install {' '.join(absent)}",
            )
        found[name] = Environment(name, str(python), versions.get)
    return found


def _ask(name: str, python: Path, distributions: Iterable[str]) -> dict[str, str]:
    try:
        answer = subprocess.run(
            [str(python), "-P", "-c", _ASK, *distributions], capture_output=True, text=True, timeout=_LIMIT, check=True
        )
        versions: dict[str, str] = json.loads(answer.stdout)
        return versions
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise UserError(
            f"environments.{name}: {python} cannot be run: {error}",
            "give the path of a Python 3.11 or newer, such as venv/bin/python",
        ) from None
