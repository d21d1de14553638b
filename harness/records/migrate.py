"""Records of older versions, read as the newest. Their files are never rewritten.

A new version of the schema raises `harness.records.record.SCHEMA`, adds a step here and a file of the old version to
``tests/harness/fixtures/``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from levelfield.harness.records.record import SCHEMA

Fields = dict[str, Any]


class NotOurs(ValueError):
    """Written by a later levelfield, or with a version that never was."""


def to_newest(fields: Fields) -> Fields:
    """The same record in the newest schema. Raises NotOurs, whose message says which version was found."""
    version = fields.get("schema_version", 1)
    if type(version) is not int or version < 1:
        raise NotOurs(f"schema version {version!r} is none")
    if version > SCHEMA:
        raise NotOurs(f"written by a later levelfield (schema {version}, this one reads up to {SCHEMA})")
    for step in range(version, SCHEMA):
        fields = STEPS[step](fields)
    return {**fields, "schema_version": SCHEMA}


def _failures_have_a_kind(fields: Fields) -> Fields:
    """1 → 2: a failed launch tells of what kind its failure is; before, its reason alone did."""
    if fields.get("status") != "failed":
        return fields
    reason = str(fields.get("reason"))
    kinds = (kind for pattern, kind in _KINDS.items() if re.match(pattern, reason))
    return {**fields, "failure": next(kinds, "exception")}


_KINDS = {
    r"cannot be imported": "import",
    r"importing took longer": "import",
    r"took longer than its limit": "time",
    r"ended with exit code 0 and without": "no result",
    r"ended with exit code": "exit",
    r"ended by SIG": "signal",
    r"the warm parent": "parent",
    r"MemoryError": "memory",
}


def _utilisation_and_precision(fields: Fields) -> Fields:
    """2 → 3: everything was float32, and nothing was asked of the device; the new fields' defaults say so."""
    return fields


# version → how its records are read as those of the next one; a head has not changed in any of them
STEPS: Mapping[int, Callable[[Fields], Fields]] = {1: _failures_have_a_kind, 2: _utilisation_and_precision}
