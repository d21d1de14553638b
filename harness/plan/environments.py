"""What a suite compares under: the interpreter that levelfield runs in and others, and variables passed on to workers.

Another interpreter needs what levelfield's workers import (NumPy, pydantic, threadpoolctl) and the frameworks; it does
not need levelfield itself.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from levelfield.adapters.registry import AdapterInfo, Installed, version
from levelfield.harness.plan.suite import EnvironmentTable
from levelfield.harness.system import variables
from levelfield.harness.system.paths import ROOT
from levelfield.harness.system.variables import Passed
from levelfield.tasks.errors import UserError

DEFAULT = "default"
_LIMIT = 60.0  # seconds
WORKER = ("numpy", "pydantic", "threadpoolctl")
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
    """An interpreter, what is installed there, and the variables that are passed on to its workers."""

    name: str
    python: str
    installed: Installed
    passed: Passed = ()


def own(passed: Passed = ()) -> Environment:
    """The interpreter that this process runs in."""
    return Environment(DEFAULT, sys.executable, version, passed)


def find(named: Mapping[str, EnvironmentTable], distributions: Iterable[str]) -> dict[str, Environment]:
    """The own environment and the `named` ones, asked for the versions of `distributions`.

    Raises UserError for an interpreter that cannot be run, or lacks what a worker imports.
    """
    found = {DEFAULT: own()}
    for name, asked in named.items():
        given, python = variables.passed(asked.env), asked.python
        if python is None:
            found[name] = Environment(name, sys.executable, version, given)
            continue
        versions = _ask(name, python, [*distributions, *WORKER], given)
        absent = [package for package in WORKER if package not in versions]
        if absent:
            raise UserError(
                f"environments.{name}: {python} lacks {', '.join(absent)}",
                f"{python} -m pip install {' '.join(absent)}",
            )
        found[name] = Environment(name, str(python), versions.get, given)
    return found


def not_passed_on(adapters: Mapping[str, AdapterInfo], env: Mapping[str, str]) -> list[str]:
    """The warning that names the variables that are set here and that launches do not get, if there are any.

    `env` is what the command line passes on. The folders of plug-ins reach the launches in another way.
    """
    folders = [ROOT, *(info.root for info in adapters.values() if not info.builtin)]
    return variables.warnings(os.environ, variables.passed(env), folders)


def _ask(name: str, python: Path, distributions: Iterable[str], passed: Passed) -> dict[str, str]:
    try:
        answer = subprocess.run(
            [str(python), "-P", "-c", _ASK, *distributions],
            capture_output=True,
            text=True,
            timeout=_LIMIT,
            check=True,
            env=variables.build(os.environ, {}, passed),
        )
        versions: dict[str, str] = json.loads(answer.stdout)
        return versions
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise UserError(
            f"environments.{name}: {python} cannot be run: {error}",
            "give the path of a Python 3.11 or newer, such as venv/bin/python",
        ) from None
