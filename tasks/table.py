"""A task from a user's own file: CSV, Parquet or ``.npz``; see `tasks.tables.files` for what the file must look like.

Text labels become classes in alphabetical order, numeric ones in the order of their values. Features are
standardised per column; the labels of a regression stay in their own unit.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np

from levelfield.tasks.errors import UserError, unknown
from levelfield.tasks.tables.files import Rows, Wanted, number, read_rows
from levelfield.tasks.task import DEFAULT_SPLITS, Kind, Splits, Task, assemble, make_task

SPLIT_NAMES = Splits._fields
LICENCE = "the user's own data"


@dataclass(frozen=True)
class TableSpec:
    """What a suite says about a user's data.

    file          CSV with a header, Parquet, or ``.npz`` with an array ``x`` (samples, features)
    label         the column to be learnt (in ``.npz``: the name of an array (samples,))
    splits        shares of train, validation and test, cut at random from `seed`, stratified by class
    split_column  or the column that says ``train``, ``validation`` or ``test`` for each row, instead of `splits`
    features      the columns to learn from; None: all but the label and the split column
    """

    file: Path
    label: str = "y"
    kind: Kind = "classification"
    splits: Splits = DEFAULT_SPLITS
    split_column: str | None = None
    features: tuple[str, ...] | None = None
    seed: int = 0


def load(name: str, spec: TableSpec) -> Task:
    """The task called `name` from the user's file. Raises UserError for whatever is wrong in it."""
    if spec.kind not in get_args(Kind):
        raise unknown("kind", spec.kind, get_args(Kind))
    rows = read_rows(spec.file, Wanted(spec.label, spec.split_column, spec.features))
    y, classes = _classes(spec, rows) if spec.kind == "classification" else (_targets(spec, rows), [])
    if rows.splits is None:
        return make_task(
            name,
            rows.x,
            y,
            kind=spec.kind,
            source=_source(spec.file),
            licence=LICENCE,
            splits=spec.splits,
            seed=spec.seed,
            classes=classes,
        )
    return assemble(
        name,
        rows.x,
        y,
        *_given_splits(spec, rows, rows.splits),
        kind=spec.kind,
        source=_source(spec.file),
        licence=LICENCE,
        classes=classes,
    )


def _classes(spec: TableSpec, rows: Rows) -> tuple[np.ndarray, list[str]]:
    """Class numbers (n,) int64 and the classes' names in that order."""
    for i, value in enumerate(rows.labels):
        if value == "" or value != value or str(value).lower() == "nan":
            raise UserError(
                f"{spec.file}: {rows.place(i)} has no label (column {spec.label!r})",
                "give every row its label, or drop the rows without one",
            )
    keys: Sequence[Any] = _numeric(rows.labels) or [str(value) for value in rows.labels]
    order = sorted(set(keys))
    if len(order) < 2:
        raise UserError(
            f"{spec.file}: all labels (column {spec.label!r}) are {str(order[0])!r}",
            "classification needs two classes at least",
        )
    if any(isinstance(key, float) and not key.is_integer() for key in order) and 2 * len(order) > len(keys):
        raise UserError(
            f"{spec.file}: column {spec.label!r} has {len(order):,} different numbers in {len(keys):,} rows",
            'to learn a number rather than a class, set kind = "regression"',
        )
    numbers = {key: i for i, key in enumerate(order)}
    return np.array([numbers[key] for key in keys], np.int64), [str(key) for key in order]


def _numeric(labels: Sequence[Any]) -> list[int | float] | None:
    """The labels as numbers, exact where they are integers, or None when one of them is not a finite number."""
    try:
        values = [_exact(label) if isinstance(label, str) else label for label in labels]
    except ValueError:
        return None
    return values if all(isinstance(value, int) or math.isfinite(value) for value in values) else None


def _exact(text: str) -> int | float:
    if "_" in text:  # Python's 1_000 is no number to anyone else
        raise ValueError(text)
    try:
        return int(text)
    except ValueError:
        return float(text)


def _targets(spec: TableSpec, rows: Rows) -> np.ndarray:
    """Regression targets (n,) float64."""
    try:
        return np.array([number(spec.file, rows.place(i), spec.label, str(v)) for i, v in enumerate(rows.labels)])
    except UserError as error:
        raise UserError(
            error.message, 'a regression has a number as label in every row; for names, set kind = "classification"'
        ) from None


def _given_splits(spec: TableSpec, rows: Rows, column: Sequence[Any]) -> list[np.ndarray]:
    """Row numbers of train, validation and test as the split column says."""
    for i, value in enumerate(column):
        if value not in SPLIT_NAMES:
            raise unknown(
                f"split in {spec.file}, {rows.place(i)}, column {spec.split_column!r}:", str(value), SPLIT_NAMES
            )
    values = np.array(column)
    found = [np.flatnonzero(values == split) for split in SPLIT_NAMES]
    for split, indices in zip(SPLIT_NAMES, found, strict=True):
        if not indices.size:
            raise UserError(
                f"{spec.file}: no row is of the split {split!r} (column {spec.split_column!r})",
                "the column needs rows with train, with validation and with test",
            )
    return found


def _source(file: Path) -> str:
    """The file's name, and enough of its digest to tell later whether it was this one."""
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return f"{file.name} (SHA-256 {digest[:16]}…)"
