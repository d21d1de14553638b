"""A first look at a file: the ``[tasks.x]`` that reads it, with what there is and what to decide as comments."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from levelfield.tasks import table
from levelfield.tasks.errors import UserError
from levelfield.tasks.tables import content
from levelfield.tasks.tables.columns import Column
from levelfield.tasks.tables.delimited import toml
from levelfield.tasks.tables.frame import Remedied
from levelfield.tasks.tables.spec import TableSpec
from levelfield.tasks.task import Task

ROUNDS = 12
MOST_COLUMNS = 60
ORDER = [name.replace("_", "-") for name in TableSpec.model_fields]


def look(file: Path, label: str | None) -> str:
    """TOML that reads `file`. Raises UserError where no key does.

    Every refusal that names keys is followed; its message stands beside them, for the user to agree or not.
    """
    keys = _first(file, label)
    decided: dict[str, str] = {} if label is not None else {"label": "decide: what is to be learnt"}
    for _ in range(ROUNDS):
        spec = TableSpec(**{key.replace("-", "_"): value for key, value in keys.items()})
        try:
            held = table.Table("table", spec)
            task = held.task()
            break
        except Remedied as error:
            new = {key: value for key, value in error.keys.items() if keys.get(key) != value}
            if not new:
                raise
            keys |= new
            reason = error.message.removeprefix(f"{file}: ").removeprefix(f"{file} ")
            instead = '; or "median", "most-frequent"' if "missing" in new else ""
            decided |= dict.fromkeys(new, f"decide: {reason}{instead}")
    else:
        raise UserError(f"{file} is not read with {', '.join(keys)}", "write the keys yourself: docs/data.md")
    keys["label"] = held.label if keys["label"] == -1 else keys["label"]
    warnings = [f"# warning: {_one_line(warning)}" for warning in task.about.warnings]
    return "\n".join([*_about(held, task), "", *_table(file, keys, decided), *warnings]) + "\n"


def _first(file: Path, label: str | None) -> dict[str, Any]:
    """The keys to begin with: the format where the name does not tell it, and a label."""
    keys: dict[str, Any] = {"file": file}
    try:
        _, form, _ = content.load(file, None)
    except Remedied as error:
        keys |= error.keys
        form = error.keys["format"]
    usual = {"npz": "y", "libsvm": "label"}.get(form, -1)
    number = label is not None and re.fullmatch(r"-?[1-9][0-9]{0,5}", label)
    return keys | {"label": usual if label is None else int(label) if number else label}


def _table(file: Path, keys: dict[str, Any], decided: dict[str, str]) -> list[str]:
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", file.name.split(".")[0]).strip("-._")[:40] or "mine"
    lines, told = [f"[tasks.{name}]"], set()
    for key in sorted(keys, key=ORDER.index):
        line = f"{key} = {toml(str(keys[key]) if key == 'file' else keys[key])}"
        why = decided.get(key, "")
        if why and why not in told:
            told.add(why)
            line += f"  # {_one_line(why)}"
        lines.append(line)
    return lines


def _about(held: table.Table, task: Task) -> list[str]:
    features, labels = held.features, held.labels
    lines = [f"# {held.rows:,} rows, {len(held.frame.names)} columns"]
    lines += [f"# {_one_line(phrase)}" for phrase in task.about.said]
    width = min(30, max(len(c.name) for c in (*features, *labels)))
    for column in [*features[:MOST_COLUMNS], *labels]:
        what = " (the label)" if column in labels else ""
        lines.append(f"#   {_one_line(column.name):{width}}  {_kind(column)}{what}")
    if len(features) > MOST_COLUMNS:
        lines.append(f"#   and {len(features) - MOST_COLUMNS} more columns")
    return lines


def _kind(column: Column) -> str:
    gaps = f", {int(column.gaps.sum()):,} gaps" if column.gaps.any() else ""
    if column.kind == "number":
        known = column.numbers[~column.gaps]
        return f"numbers from {known.min():g} to {known.max():g}{gaps}" if known.size else f"nothing{gaps}"
    some = ", ".join(column.distinct[:4]) + (", …" if len(column.distinct) > 4 else "")
    return f"{len(column.distinct)} texts: {_one_line(some)}{gaps}"


def _one_line(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)
