"""A task from a user's own file; `tasks.tables` reads and prepares it, docs/data.md explains the keys.

Text labels become classes in alphabetical order, numeric ones in the order of their values. Features are standardised
per column, and texts become columns of 0 and 1; the labels of a regression stay in their own unit, or are scaled.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

from levelfield.tasks.errors import UserError, unknown
from levelfield.tasks.tables import arrays, columns, content, delimited, frame, notices, typed
from levelfield.tasks.tables.columns import Column
from levelfield.tasks.tables.delimited import toml
from levelfield.tasks.tables.form import NUMBER
from levelfield.tasks.tables.frame import SPLITS, Chosen, Frame, Remedied
from levelfield.tasks.tables.prepare import prepare
from levelfield.tasks.tables.spec import TableSpec
from levelfield.tasks.task import DEFAULT_SPLITS, About, Splits, Task, assemble, cut, require_classes, stratified_cut

LICENCE = "the user's own data"
MOST_CLASSES = 20  # of whole numbers, before it is asked whether they are to be learnt as numbers


def load(name: str, spec: TableSpec) -> Task:
    """The task called `name` from the user's file. Raises UserError for whatever is wrong in it."""
    return Table(name, spec).task()


def read(file: Path, spec: TableSpec) -> Frame:
    """The columns of one file, whatever its format."""
    data, form, suffix = content.load(file, spec.format)
    if form == "csv":
        return delimited.read(file, data, spec, suffix)
    return arrays.read(file, data, spec) if form == "npz" else typed.read(file, data, spec, form)


class Table:
    """One file on its way to a task; `said` and `warnings` are told to the user, once."""

    def __init__(self, name: str, spec: TableSpec) -> None:
        self.name, self.spec = name, spec
        self.said: list[str] = []
        self.warnings: list[str] = []
        files = spec.files
        frames = {split: read(file, spec) for split, file in files.items()}
        self.frame = frames.pop("file") if "file" in frames else frame.joined(frames)
        self.rows = self.frame.rows
        self.file = self.frame.file
        self.said += self.frame.said
        if not self.rows:
            raise UserError(f"{self.file} has no samples", "it needs a row for each sample")
        self.chosen = frame.choose(self.file, self.frame.names, spec)
        self.features = self._features()
        self.label = self.frame.names[self.chosen.labels[0]]

    def task(self) -> Task:
        self.labels = labels = self._labels()
        empty = np.logical_and.reduce([c.gaps for c in (*self.features, *labels)])
        wrong = notices.refusal(self.frame, self.spec, self.features, labels, empty)
        if wrong is not None:
            raise wrong
        keep = self._kept(labels, ~empty)
        classes: dict[str, int] = {}
        if self.spec.kind == "classification":
            y, classes, keep = self._classes(labels, keep)
        else:
            y = labels[0].numbers
        rows = np.flatnonzero(keep)
        if not rows.size:
            raise UserError(f"{self.file}: no row is left", "leave out the columns with the most gaps: exclude = [...]")
        y = y[rows]
        self._warn(y, labels, classes, rows)
        parts = self._splits(y, [*classes], rows)
        ready = prepare(self.file, self.features, rows, parts[0], self.spec)
        self.said += ready.said
        centre, scale = 0.0, 1.0
        if self.spec.kind == "regression" and self.spec.label_scale == "standard":
            centre, scale = float(y[parts[0]].mean()), float(y[parts[0]].std()) or 1.0
            self.said.append(f"label scaled: {centre:.6g} and {scale:.6g} (training mean and deviation) are 0 and 1")
        about = About(ready.names, classes, tuple(self.said), tuple(self.warnings), self.label)
        return assemble(
            self.name,
            ready.x,
            y if (centre, scale) == (0.0, 1.0) else (y - centre) / scale,
            *parts,
            kind=self.spec.kind,
            source=", ".join(map(_source, self.spec.files.values())),
            licence=LICENCE,
            classes=[*classes],
            indicators=ready.indicators,
            label=(centre, scale),
            about=about,
        )

    def _features(self) -> list[Column]:
        """The columns to learn from; those without name and content are left out."""
        found, empty = [], 0
        held = list(self.frame.columns)
        self.frame = replace(self.frame, columns=())
        unnamed = {f"c{i + 1}" for i in range(len(self.frame.names))} if self.spec.header is not False else set()
        places = []
        for i in self.chosen.features:
            column = columns.read(self.frame.names[i], held[i], self.spec)
            held[i] = None  # as text it takes more room than as numbers
            if column.name in unnamed and self.spec.features is None and column.gaps.all():
                empty += 1
                continue
            found.append(column)
            places.append(i)
        self.chosen = Chosen(tuple(places), self.chosen.labels, self.chosen.split)
        self.frame = replace(self.frame, columns=tuple(held))
        if empty:
            self.said.append(f"{empty} columns without name and content left out")
        if not found:
            raise UserError(f"{self.file} has no feature columns", "besides the label it needs a column to learn from")
        return found

    def _labels(self) -> list[Column]:
        """The label's column, or the several of a one-hot label."""
        several = len(self.chosen.labels) > 1
        as_text = self.spec.kind == "classification" and not several
        found = [self._column(i, as_text=as_text) for i in self.chosen.labels]
        if several and self.spec.kind == "regression":
            raise UserError(
                f"{self.file}: a regression has one label, not {len(found)}", "choose one, exclude the others"
            )
        for column in found:
            if column.kind == "other" or (as_text and column.kind == "date" and column.was.startswith("binary")):
                raise UserError(f"{self.file}: column {column.name!r} is {column.was}", "labels are text or numbers")
            if self.spec.kind == "regression":
                self._check_targets(column)
        if several:
            sums = sum(np.nan_to_num(c.numbers) if c.kind == "number" else np.nan for c in found)
            if (
                not all(c.kind == "number" and np.isin(c.numbers[~c.gaps], (0, 1)).all() for c in found)
                or not ((sums == 1) | np.logical_or.reduce([c.gaps for c in found])).all()
            ):
                raise UserError(
                    f"{self.file}: {notices.listed([c.name for c in found])} are no one-hot label",
                    "in each row one of these columns holds 1 and the others 0; or name a single column",
                )
        return found

    def _column(self, place: int, *, as_text: bool = False) -> Column:
        return columns.read(self.frame.names[place], self.frame.columns[place], self.spec, as_text=as_text)

    def _check_targets(self, column: Column) -> None:
        if column.kind != "number":
            odd = column.odd()
            place, cell = odd or (int(np.argmin(column.gaps)), column.values[int(np.argmin(column.gaps))].as_py())
            keys = {k: v for k, v in self.frame.proposals.items() if k in ("decimal", "thousands", "quote")}
            raise Remedied(
                f"{self.file}: {self.frame.place(place)}, column {column.name!r}: {frame.short(cell)} is not a number",
                delimited.written(keys)
                or 'a regression has a number as label in every row; for names, set kind = "classification"',
                keys or {"kind": "classification"},
            )
        if (row := column.not_finite()) is not None:
            raise UserError(
                f"{self.file}: {self.frame.place(row)}, column {column.name!r}: {column.numbers[row]} is not a finite "
                "float32 number",
                "a regression has a finite number as label in every row",
            )

    def _kept(self, labels: list[Column], keep: np.ndarray) -> np.ndarray:
        """Which of the rows with content are samples; what is left out is said."""
        if not keep.all():
            self.said.append(f"{int((~keep).sum()):,} rows without content left out")
        no_label = np.logical_or.reduce([c.gaps for c in labels]) & keep
        if self.spec.missing == "drop":
            gaps = np.logical_or.reduce([c.gaps for c in self.features]) & keep
            dropped = gaps | no_label
            if dropped.any():
                where = [c.name for c in (*self.features, *labels) if (c.gaps & keep).any()]
                self.said.append(f"{int(dropped.sum()):,} rows with gaps dropped (in {notices.listed(where)})")
            if 2 * dropped.sum() > keep.sum():
                worst = max(self.features, key=lambda c: int(c.gaps.sum()))
                self.warnings.append(
                    f"more than half of the rows are dropped for their gaps, {int(worst.gaps.sum()):,} of them in "
                    f"{worst.name!r}; to leave the column out: {notices.exclude(self.spec, worst.name)}"
                )
            keep &= ~dropped
        elif no_label.any():
            self.said.append(f"{int(no_label.sum()):,} rows without a label dropped")
            keep &= ~no_label
        return keep

    def _classes(self, labels: list[Column], keep: np.ndarray) -> tuple[np.ndarray, dict[str, int], np.ndarray]:
        """Class numbers (n,) int64, how many samples each class has, and the rows that are kept."""
        if len(labels) > 1:
            places = np.argmax(np.nan_to_num([c.numbers for c in labels]), axis=0)
            keys, codes = [c.name for c in labels], places
            self.said.append(f"one-hot label of {len(labels)} columns")
        else:
            encoded = labels[0].values.dictionary_encode()
            keys = encoded.dictionary.to_pylist()
            codes = encoded.indices.fill_null(0).to_numpy(zero_copy_only=False)
        sizes = np.bincount(codes[keep], minlength=len(keys))
        left_out = {keys[i]: int(n) for i, n in enumerate(sizes) if 0 < n < self.spec.rare}
        if left_out:
            keep = keep & (sizes[codes] >= self.spec.rare)
            told = ", ".join(f"{frame.short(name)} {n}" for name, n in list(left_out.items())[:12])
            self.said.append(f"{len(left_out)} classes with fewer than {self.spec.rare} samples left out ({told})")
        present = [i for i, n in enumerate(sizes) if n and keys[i] not in left_out]
        if len(labels) == 1:
            present, names = _ordered(present, keys)
        else:
            names = [keys[i] for i in present]
        counts = {name: int(sizes[i]) for name, i in zip(names, present, strict=True)}
        self._check_classes(counts)
        number_of = np.full(len(keys), -1, np.int64)
        number_of[present] = np.arange(len(present))
        return number_of[codes], counts, keep

    def _check_classes(self, counts: dict[str, int]) -> None:
        label, total = self.label, sum(counts.values())
        if len(counts) < 2:
            what = frame.short(next(iter(counts))) if counts else "left out"
            raise UserError(
                f"{self.file}: all labels (column {label!r}) are {what}", "classification needs two classes at least"
            )
        as_number = self._column(self.chosen.labels[0])
        numeric = as_number.kind == "number" and len(self.chosen.labels) == 1
        broken = numeric and not all(NUMBER.fullmatch(name) and float(name).is_integer() for name in counts)
        many = numeric and len(counts) > MOST_CLASSES
        to_learn = f"column {label!r} has {len(counts):,} different numbers in {total:,} rows"
        if numeric and (2 * len(counts) > total or (broken and many)):
            raise Remedied(
                f"{self.file}: {to_learn}",
                'to learn a number rather than a class, set kind = "regression"',
                {"kind": "regression"},
            )
        needed = 3 if self.chosen.split is None and self.frame.split is None else 1
        few = {name: n for name, n in counts.items() if n < needed}
        if few:
            told = ", ".join(f"{frame.short(name)} ({n})" for name, n in list(few.items())[:12])
            told += f" and {len(few) - 12} more" if len(few) > 12 else ""
            raise Remedied(
                f"{self.file}: too few samples of class {told} in column {label!r}: every split needs one",
                ('to learn a number rather than a class, set kind = "regression"; or ' if many else "")
                + f"rare = {max(few.values()) + 1} leaves out classes with fewer samples than that",
                {"kind": "regression"} if many else {"rare": max(few.values()) + 1},
            )
        if many:
            self.warnings.append(f'{to_learn}: if it is a number to be learnt, set kind = "regression"')

    def _warn(self, y: np.ndarray, labels: list[Column], classes: dict[str, int], rows: np.ndarray) -> None:
        spec, label = self.spec, self.label
        self.warnings += notices.about_columns(spec, self.features, y, label, rows)
        if spec.kind == "regression":
            self.warnings += notices.about_targets(spec, y, label)
            return
        self.said.append(notices.about_guessing(classes))
        self.warnings += notices.about_classes(classes)
        if len(labels) == 1:
            place = self.chosen.labels[0]
            others = notices.one_hot_partners(self.features, self._column(place), place, self.chosen.features)
            if others:
                self.warnings.append(
                    f"columns {notices.listed(others)} and the label {label!r} sum to 1 in each row; if they are one "
                    f"label of several classes: label = {toml([label, *others])}"
                )

    def _splits(self, y: np.ndarray, classes: list[str], rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Places, among the samples, of train, validation and test."""
        spec, given = self.spec, self.frame.split
        shares = DEFAULT_SPLITS if spec.splits is None else Splits(*spec.splits)
        if self.chosen.split is not None:
            if spec.splits is not None:
                raise UserError(f"{self.file}: both `splits` and `split-column` are given", "leave one of them out")
            given = self._split_column()
        if given is None:
            try:
                return cut(self.name, y, shares, kind=spec.kind, seed=spec.seed, classes=classes)
            except UserError as error:
                if not classes or "shares" in error.message:
                    raise
                counts = Counter(y.tolist())
                least = min(counts, key=lambda i: counts[i])
                raise Remedied(
                    f"{error.message}; the smallest class is {frame.short(classes[least])} with {counts[least]}",
                    f"{error.hint}: rare = {counts[least] + 1} leaves out classes with fewer; or give larger shares",
                    {"rare": counts[least] + 1},
                ) from None
        given = given[rows]
        train, validation, test = (np.flatnonzero(given == i) for i in range(3))
        if not validation.size and self.chosen.split is None:
            share = shares.validation / (shares.train + shares.validation)
            train, validation = stratified_cut(self.name, train, y, share, kind=spec.kind, seed=spec.seed)
            self.said.append(f"{len(validation):,} samples of the training split taken for validation")
        for split, found in zip(SPLITS, (train, validation, test), strict=True):
            if not found.size:
                where = f" (column {self.frame.names[self.chosen.split]!r})" if self.chosen.split is not None else ""
                raise UserError(
                    f"{self.file}: no row is of the split {split!r}{where}",
                    "rows are needed for train, for validation and for test",
                )
        if classes:
            require_classes(self.name, "train", y, train, classes)
        return train, validation, test

    def _split_column(self) -> np.ndarray:
        place = self.chosen.split
        assert place is not None
        name = self.frame.names[place]
        plain = self.spec.model_copy(update={"missing_values": ()})
        values = columns.read(name, self.frame.columns[place], plain, as_text=True).values.to_pylist()
        for i, value in enumerate(values):
            if value not in SPLITS:
                where = f"{self.file}, {self.frame.place(i)}, column {name!r}:"
                raise unknown(f"split in {where}", str(value or ""), SPLITS)
        return np.array([SPLITS.index(value) for value in values])


def _ordered(present: list[int], keys: list[str]) -> tuple[list[int], list[str]]:
    """The classes in order with their names: numbers by value, and named by it where no two are the same number."""
    try:
        values = {i: _exact(keys[i]) for i in present}
    except ValueError:
        order = sorted(present, key=lambda i: keys[i])
        return order, [keys[i] for i in order]
    order = sorted(present, key=lambda i: (values[i], keys[i]))
    one_each = len(set(values.values())) == len(order)
    return order, [str(values[i]) if one_each else keys[i] for i in order]


def _exact(text: str) -> int | float:
    """A number, exact where it is whole: no two whole numbers become one. Raises ValueError."""
    if not NUMBER.fullmatch(text):
        raise ValueError(text)
    if text.lstrip("+-").isdecimal():
        return int(text)
    value = float(text)
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def _source(file: Path) -> str:
    """The file's name, and enough of its digest to tell later whether it was this one."""
    with file.open("rb") as held:
        digest = hashlib.file_digest(held, "sha256").hexdigest()
    return f"{file.name} (SHA-256 {digest[:16]}…)"
