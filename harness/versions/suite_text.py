"""The suite that times versions beside each other, as text: a run keeps it, and ``levelfield run`` reads it again."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from levelfield.harness.plan.suite import EnvironmentTable, SpeedPart, Suite
from levelfield.harness.records.cell import Cell
from levelfield.tasks.errors import UserError

BLOCKS = 8


def short(chosen: Suite) -> Suite:
    """Of the default suite the main work alone: each adapter in its first mode, without its start-up."""
    part: SpeedPart = chosen.speed[0].model_copy(update={"modes": "default", "blocks": BLOCKS, "start_up": False})
    return chosen.model_copy(update={"speed": (part,), "budget": None})


def with_adapters(chosen: Suite, package: str, adapters: Sequence[str]) -> Suite:
    """The speed parts of `chosen` with these `adapters`; the baseline is one of them.

    Raises UserError where no speed part has one.
    """
    parts = []
    for part in chosen.speed:
        own = tuple(name for name in adapters if "*" in part.adapters or name in part.adapters)
        if own:
            parts.append(part.model_copy(update={"adapters": own}))
    if not parts:
        raise UserError(
            f"{chosen.file}: no [[speed]] table has {' or '.join(adapters)}", "another --suite, or another --adapter"
        )
    used = {what: {name for part in parts for name in getattr(part, what)} for what in ("model", "recipe", "task")}
    return chosen.model_copy(
        update={
            "name": re.sub(r"[^a-z0-9]+", "-", f"versions-{package.lower()}")[:40].rstrip("-"),
            "baseline": chosen.baseline if chosen.baseline in parts[0].adapters else parts[0].adapters[0],
            "study": None,
            "peaks": False,
            "tasks": {name: task for name, task in chosen.tasks.items() if name in used["task"]},
            "models": {name: model for name, model in chosen.models.items() if name in used["model"]},
            "recipes": {name: recipe for name, recipe in chosen.recipes.items() if name in used["recipe"]},
            "learning": (),
            "speed": tuple(parts),
        }
    )


def under(chosen: Suite, pythons: Mapping[str, Path]) -> Suite:
    """The same under these interpreters by name. The first of them is the baseline's."""
    names = tuple(pythons)
    return chosen.model_copy(
        update={
            "summary": f"{', '.join(names[1:])} against {names[0]}",
            "environments": {name: EnvironmentTable(python=python) for name, python in pythons.items()},
            "speed": tuple(part.model_copy(update={"environments": names}) for part in chosen.speed),
        }
    )


def narrowed(suite: Suite, cell: Cell) -> Suite:
    """The same with this cell's adapter, mode and work alone."""
    (part, *_) = (one for one in suite.speed if _holds(one, cell))
    only = {
        "task": (cell.task,),
        "model": (cell.model.name,),
        "recipe": (cell.recipe.name,),
        "adapters": (cell.adapter,),
        "modes": (cell.mode,),
        "track": (cell.track,),
        "precision": (cell.precision,),
        "replicas": (cell.replicas,),
    }
    return suite.model_copy(update={"speed": (part.model_copy(update=only),), "baseline": cell.adapter})


def _holds(part: SpeedPart, cell: Cell) -> bool:
    given = ((cell.task, part.task), (cell.model.name, part.model), (cell.recipe.name, part.recipe))
    among = ((cell.adapter, part.adapters), (cell.track, part.track), (cell.precision, part.precision))
    return all(one in several for one, several in (*given, *among, (cell.replicas, part.replicas)))


def text(suite: Suite) -> str:
    """As TOML, which reads back as the same suite."""
    data = suite.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    lines = []
    for key, value in data.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            lines += [f"{key} = [", *(f"  {_toml(one)}," for one in value), "]"]
        elif isinstance(value, dict):
            lines += ["", *(f"{key}.{_key(name)} = {_toml(one)}" for name, one in value.items())]
        else:
            lines.append(f"{key} = {_toml(value)}")
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(name)} = {_toml(one)}" for name, one in value.items() if one is not None) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return _json(value)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _json(name)


def _json(value: Any) -> str:
    """Strings, numbers, true and false, which TOML writes alike but for one control character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
