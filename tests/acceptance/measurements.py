"""What was measured for a document, as JSON beside it: one row a result, with its date and commit.

What is measured again replaces its row, and nothing else. The document is rendered from this.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from parts import PARTS
from pydantic import TypeAdapter, ValidationError

from levelfield.harness.doctor.against_itself import Trial
from levelfield.harness.doctor.conditions import Condition
from levelfield.harness.doctor.tables import cpu
from levelfield.harness.system.machine import Machine
from levelfield.tasks.errors import UserError


@dataclass(frozen=True)
class Row:
    """A result, and when it was measured: UTC date, revision of levelfield, threads of the launches."""

    date: str
    commit: str
    threads: int
    result: Any


@dataclass(frozen=True)
class Looked:
    """The machine as it was when something was measured on it last."""

    date: str
    machine: Machine
    frameworks: dict[str, str | None]
    conditions: list[Condition]


@dataclass
class Measurements:
    """Of one machine: `rows` by part."""

    looked: Looked | None = None
    rows: dict[str, list[Row]] = field(default_factory=dict)

    def results(self, part: str) -> list[Any]:
        return [row.result for row in self.rows.get(part, [])]

    def add(self, part: str, row: Row) -> None:
        """In place of the row about the same, if there is one; why nothing was measured replaces no result."""
        rows = {subject(one.result): one for one in self.rows.get(part, [])}
        if is_empty(row.result) and subject(row.result) in rows:
            return
        rows[subject(row.result)] = row
        self.rows[part] = list(rows.values())


def is_empty(result: Any) -> bool:
    """Whether it says nothing but why nothing was measured, or not even enough for one ratio."""
    if isinstance(result, Trial):
        series = [*result.delays, *([] if result.same is None else [result.same])]
        return all(one.ratio is None for one in series)
    return getattr(result, "reason", None) is not None


def subject(result: Any) -> tuple[Any, ...]:
    """What a result is about: an adapter in a mode, under which conditions, a command; the others of their part are one
    each."""
    return tuple(getattr(result, name, None) for name in ("adapter", "mode", "threads", "beside", "command"))


def read(path: Path, here: Machine | None = None) -> Measurements:
    """What is there; nothing if the file is not. Raises UserError where it is damaged, or of another machine."""
    if not path.exists():
        return Measurements()
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        looked = TypeAdapter(Looked).validate_python(found["looked"])
        rows = {part: [_row(part, row) for row in rows] for part, rows in found["rows"].items()}
    except (ValueError, LookupError, TypeError, ValidationError) as error:
        raise UserError(f"{path}: cannot be read: {error}", "mend it, or remove it to start anew") from None
    if here is not None and cpu(looked.machine) != cpu(here):
        hint = "give another file with --data, or remove this one to start anew"
        raise UserError(f"{path}: holds what was measured on {cpu(looked.machine)}, this is {cpu(here)}", hint)
    return Measurements(looked, rows)


def _row(part: str, row: dict[str, Any]) -> Row:
    result = TypeAdapter(PARTS[part][1]).validate_python(row["result"])
    return Row(row["date"], row["commit"], row["threads"], result)


def write(found: Measurements, path: Path) -> None:
    """Whole or not at all; numbers to six digits, recorded series left out."""
    assert found.looked is not None
    looked = asdict(found.looked) | {"machine": found.looked.machine.model_dump()}
    rows = {part: [_fields(row) for row in found.rows[part]] for part in PARTS if part in found.rows}
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(_short({"looked": looked, "rows": rows}), indent=1, allow_nan=False) + "\n")
    partial.replace(path)


def _fields(row: Row) -> dict[str, Any]:
    fields = asdict(row)
    fields["result"].pop("values", None)
    return fields


def _short(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else str(value)
    if isinstance(value, dict):
        return {key: _short(item) for key, item in value.items()}
    return [_short(item) for item in value] if isinstance(value, list | tuple) else value
