"""``levelfield list``: what there is, without importing a framework; devices are asked for by name, in seconds."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from levelfield.adapters import registry as adapters
from levelfield.harness.system.console import columns
from levelfield.tasks import registry as tasks

ONLY_AS_JSON = ("defaults", "stopping", "fast_modes")  # of an adapter: too long for a line


def show(what: str | None, as_json: bool, env: Mapping[str, str] = MappingProxyType({})) -> None:
    """Print the adapters, tasks and suites, or one of them. Who is asked for devices gets the variables `env`."""
    sections = {"adapters": _adapters, "tasks": _tasks, "suites": _suites}
    if what == "devices":
        from levelfield.harness.plan import devices
        from levelfield.harness.system import variables

        sections = {"devices": partial(devices.rows, variables.passed(env))}
    chosen = {name: make() for name, make in sections.items() if what in (None, name)}
    if as_json:
        import json

        print(json.dumps(chosen[what] if what else chosen, indent=1))
        return
    for i, (name, rows) in enumerate(chosen.items()):
        if what is None:
            print(("\n" if i else "") + name)
        _print(rows, indent="" if what else "  ")


def _adapters() -> list[dict[str, Any]]:
    found = adapters.find()
    rows: list[dict[str, Any]] = []
    for info in found.adapters.values():
        versions = ", ".join(f"{name} {version}" for name, version in info.versions().items())
        rows.append(
            {
                "name": info.name,
                "api": info.api,
                "modes": " ".join(info.every_mode),
                "state": info.missing() or versions,
                "defaults": info.defaults,
                "stopping": info.stopping,
                "fast_modes": info.fast_modes,
            }
        )
    nothing: dict[str, Any] = {"api": "", "modes": "", "defaults": {}, "stopping": None, "fast_modes": {}}
    rows += [{"name": "(left out)", "state": problem, **nothing} for problem in found.problems]
    rows += [{"name": "(remark)", "state": remark, **nothing} for remark in found.remarks]
    return rows


def _tasks() -> list[dict[str, Any]]:
    return [{"name": name, "about": about} for name, about in tasks.describe().items()]


def _suites() -> list[dict[str, Any]]:
    folder = Path(__file__).parent.parent / "plan" / "suites"  # levelfield.harness.plan.suite would import pydantic
    heads = [path.read_text(encoding="utf-8").partition("\n[")[0] for path in sorted(folder.glob("*.toml"))]
    # Lines of their own, in quotes that Python reads too: a parser of TOML would take longer to import
    return [{"name": _line(head, "name"), "about": _line(head, "summary")} for head in heads]


def _line(head: str, key: str) -> str:
    found = re.search(rf'^{key} = (".*")$', head, re.MULTILINE)
    return str(ast.literal_eval(found[1])) if found else ""


def _print(rows: list[dict[str, Any]], indent: str) -> None:
    names = [name for name in (rows[0] if rows else ()) if name not in ONLY_AS_JSON]
    for line in columns([[str(row[name]) for name in names] for row in rows]):
        print(indent + line)
