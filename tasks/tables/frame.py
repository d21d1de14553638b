"""Columns as they were read: all of text from a text file, typed ones from a typed file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from levelfield.tasks.errors import UserError, unknown
from levelfield.tasks.tables.spec import Key, TableSpec

MAX_BYTES = 256 * 2**20
"""The largest file that is read, unpacked; and the most room that its features may take as float64 (2**25 cells)."""

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Frame:
    """`columns` are Arrow's chunked arrays, one a name; `place` names a row (from 0) as the user finds it in the file.

    `said`: what was inferred while reading, one phrase each; `split`: of each row its place in `SPLITS`, where the
    file tells; `decimal` and `thousands`: how numbers are written in columns of text.
    """

    file: Path
    names: tuple[str, ...]
    columns: tuple[Any, ...]
    place: Callable[[int], str]
    said: tuple[str, ...] = ()
    split: np.ndarray | None = None
    proposals: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of_arrays(cls, file: Path, columns: dict[str, Any], said: Sequence[str] = ()) -> Frame:
        """From arrays of NumPy or Arrow by name; rows are counted."""
        import pyarrow as pa

        held = tuple(pa.chunked_array([pa.array(column)]) for column in columns.values())
        return cls(file, tuple(columns), held, row, tuple(said))

    @property
    def rows(self) -> int:
        return len(self.columns[0]) if self.columns else 0


@dataclass(frozen=True)
class Chosen:
    """Places of the columns that are used; `labels` has several for a one-hot label."""

    features: tuple[int, ...]
    labels: tuple[int, ...]
    split: int | None

    @property
    def all(self) -> tuple[int, ...]:
        return (*self.features, *self.labels, *(() if self.split is None else (self.split,)))


class Remedied(UserError):
    """An error that is gone with these `keys` of the suite."""

    def __init__(self, message: str, hint: str, keys: dict[str, Any]) -> None:
        super().__init__(message, hint)
        self.keys = keys


def row(index: int) -> str:
    return f"row {index + 1}"


def short(text: str) -> str:
    """`text` as it can stand in a message."""
    return repr(text if len(text) <= 40 else f"{text[:40]}…")


def too_big(file: Path, what: str) -> UserError:
    return UserError(
        f"{file} is too big: {what}",
        f"at most {MAX_BYTES:,} bytes, and {MAX_BYTES // 8:,} feature values, are read; use a sample of the rows",
    )


def check_cells(file: Path, rows: int, columns: int) -> None:
    if rows * columns * 8 > MAX_BYTES:
        raise too_big(file, f"{rows:,} rows of {columns:,} features")


def find(file: Path, names: Sequence[str], key: Key, what: str) -> int:
    """The place of the column that `key` names. Raises UserError, with the nearest names."""
    if isinstance(key, int):
        place = key - 1 if key > 0 else len(names) + key
        if key == 0 or not 0 <= place < len(names):
            raise UserError(
                f"{file}: there is no column {key} (key `{what}`)",
                f"columns are counted from 1 to {len(names)}, or from the end with −1",
            )
        return place
    if key in names:
        return names.index(key)
    if key.strip() in names:
        return names.index(key.strip())
    raise unknown(f"column of {file} (key `{what}`):", key, names)


def choose(file: Path, names: Sequence[str], spec: TableSpec) -> Chosen:
    """The columns that `spec` asks for, all checked."""
    labels = [find(file, names, key, "label") for key in spec.labels]
    taken = dict.fromkeys(labels, "label")
    split = None
    if spec.split_column is not None:
        split = find(file, names, spec.split_column, "split-column")
        if split in taken:
            raise UserError(f"{file}: {names[split]!r} is both `label` and `split-column`", "name two columns")
        taken[split] = "split-column"
    left_out = {find(file, names, key, "exclude") for key in spec.exclude}
    if both := left_out & set(taken):
        raise UserError(f"{file}: {names[min(both)]!r} is both {taken[min(both)]} and excluded", "choose one of them")
    if spec.features is None:
        chosen = [i for i in range(len(names)) if i not in taken and i not in left_out]
    else:
        chosen = [find(file, names, key, "features") for key in spec.features]
        twice = [i for i, count in Counter(chosen).items() if count > 1]
        for i in [*twice, *(set(chosen) & (set(taken) | left_out))]:
            raise UserError(
                f"{file}: column {names[i]!r} is named twice (key `features`)",
                "`features` lists each column once, without the label, the split column and what is excluded",
            )
    if not chosen:
        raise UserError(f"{file} has no feature columns", "besides the label it needs a column to learn from at least")
    return Chosen(tuple(chosen), tuple(labels), split)


def joined(frames: dict[str, Frame]) -> Frame:
    """The frames of several files under one another, each of which is a split."""
    import pyarrow as pa

    first, *others = frames.values()
    for other in others:
        if other.names != first.names:
            mine, theirs = set(first.names), set(other.names)
            differing = ", ".join(map(repr, sorted(mine ^ theirs)[:5])) or "their order"
            raise UserError(
                f"{other.file} has other columns than {first.file}: {differing}", "both need the same columns"
            )
    starts = np.cumsum([0, *(frame.rows for frame in frames.values())])

    def place(index: int) -> str:
        part = int(np.searchsorted(starts, index, side="right")) - 1
        frame = [*frames.values()][part]
        return f"{frame.file.name}, {frame.place(index - int(starts[part]))}"

    try:
        columns = [
            pa.chunked_array([chunk for frame in frames.values() for chunk in frame.columns[i].chunks])
            for i in range(len(first.names))
        ]
    except pa.ArrowException:
        raise UserError(
            f"{first.file} and the files beside it hold other kinds of columns", "write them in one format"
        ) from None
    split = np.concatenate([np.full(frame.rows, SPLITS.index(name)) for name, frame in frames.items()])
    said = dict.fromkeys(f"{frame.file.name}: {phrase}" for frame in frames.values() for phrase in frame.said)
    return replace(first, columns=tuple(columns), place=place, split=split, said=tuple(said))
