"""NumPy archives: ``x`` and ``y`` under the names that people use, split already or not. Nothing is unpickled."""

from __future__ import annotations

import io
import math
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np

from levelfield.tasks.errors import UserError
from levelfield.tasks.tables import frame
from levelfield.tasks.tables.frame import SPLITS, Frame
from levelfield.tasks.tables.spec import TableSpec

FEATURES = ("x", "X", "data")
LABELS = ("y", "Y", "target")
MARKS = {"train": ("_train",), "validation": ("_valid", "_val", "_validation"), "test": ("_test",)}


def read(file: Path, data: bytes, spec: TableSpec) -> Frame:
    """Columns ``1`` … of the features, and the label and the split column under their own names."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = [info.filename.removesuffix(".npy") for info in archive.infolist()]
            return _Archive(file, archive, names, spec).frame()
    except UserError:
        raise
    except Exception as error:  # a damaged archive fails in many ways, inside zipfile, zlib and NumPy's header parser
        raise UserError(
            f"{file} cannot be read as .npz: {error}", "write it with numpy.savez(file, x=…, y=…), without objects"
        ) from None


class _Archive:
    def __init__(self, file: Path, archive: zipfile.ZipFile, names: list[str], spec: TableSpec) -> None:
        self.file, self.archive, self.names, self.spec = file, archive, names, spec
        if isinstance(spec.label, tuple) or not isinstance(spec.label, str):
            raise UserError(f"{file}: the label of an .npz file is the name of an array", 'label = "y"')
        self.label: str = spec.label
        self.split = spec.split_column
        if self.split is not None and self.split not in names:
            raise self._unknown(f"no array {self.split!r} (key `split-column`)")

    def frame(self) -> Frame:
        marks = {split: next((m for m in MARKS[split] if f"{self._stem(m)}{m}" in self.names), "") for split in SPLITS}
        if marks["train"] and marks["test"]:
            return self._split({split: mark for split, mark in marks.items() if mark})
        x = next((name for name in FEATURES if name in self.names and name != self.label), None)
        if x is None:
            raise self._unknown(f"no array {' or '.join(FEATURES)} with the features")
        label = self._label("")
        return self._frame(self._features(x), label)

    def _stem(self, mark: str) -> str:
        return next((name for name in FEATURES if name + mark in self.names), "x")

    def _label(self, mark: str) -> str:
        """The array that `label` means: itself, or one of the usual names with the mark of a split."""
        stem = next((self.label.removesuffix(m) for m in MARKS["train"] if self.label.endswith(m)), self.label)
        wanted = [stem + mark, *([name + mark for name in LABELS] if self.label in LABELS else [])]
        for name in wanted:
            if name in self.names:
                return name
        raise self._unknown(f"unknown array (key `label`): {wanted[0]!r}")

    def _unknown(self, what: str) -> UserError:
        """With what there is, and the line that converts the commonest other layout."""
        shown, whole = [], None
        for name in self.names[:12]:
            shape, dtype = self._header(name)
            shown.append(f"{name} {shape} {dtype}")
            whole = name if whole is None and len(shape) == 2 and dtype.kind in "fiu" else whole
        convert = f"x=a[{whole!r}][:, :-1], y=a[{whole!r}][:, -1]" if whole else "x=…, y=…"
        return UserError(
            f"{self.file}: {what}; it holds {'; '.join(shown) or 'nothing'}",
            f"a label in the last column: python -c \"import numpy; a = numpy.load('{self.file.name}'); "
            f'numpy.savez(\'new.npz\', {convert})", then label = "y"',
        )

    def _split(self, marks: dict[str, str]) -> Frame:
        parts = {}
        for split, mark in marks.items():
            parts[split] = self._frame(self._features(self._stem(mark) + mark), self._label(mark), key=self.label)
        whole = frame.joined(parts)
        told = f"splits as the arrays {', '.join(self._stem(m) + m for m in marks.values())} give them"
        said = dict.fromkeys(phrase for part in parts.values() for phrase in part.said)
        return Frame(self.file, whole.names, whole.columns, frame.row, (told, *said), whole.split)

    def _features(self, name: str) -> np.ndarray:
        x = self._array(name)
        if x.ndim < 2 or x.dtype.kind not in "fiub" or 0 in x.shape[1:]:
            raise UserError(
                f"{self.file}: array {name!r} is {x.dtype} of shape {x.shape}",
                f"{name} holds numbers, of shape (samples, features)",
            )
        return x

    def _frame(self, x: np.ndarray, label: str, key: str | None = None) -> Frame:
        said = [] if x.ndim == 2 else [f"samples of shape {x.shape[1:]} flattened"]
        x = x.reshape(len(x), math.prod(x.shape[1:]))
        others = {key or label: self._values(label, len(x), said)}
        if isinstance(self.split, str):
            others[self.split] = self._values(self.split, len(x), said)
        names = [str(i + 1) for i in range(x.shape[1])]
        while set(names) & set(others):
            names = [f"x{name}" for name in names]
        columns = dict(zip(names, x.T, strict=True)) | others
        return Frame.of_arrays(self.file, {name: np.ascontiguousarray(c) for name, c in columns.items()}, said)

    def _values(self, name: str, samples: int, said: list[str]) -> np.ndarray:
        """One number or text a sample; a column of one is flattened, a one-hot label becomes the place of its one."""
        y = self._array(name)
        if y.ndim == 2 and y.shape == (samples, 1):
            y = y[:, 0]
        wide = y.ndim == 2 and len(y) == samples and y.dtype.kind in "biuf" and self.spec.kind == "classification"
        if wide and np.isin(y, (0, 1)).all() and (y.sum(axis=1) == 1).all():
            said.append(f"one-hot label of {y.shape[1]} columns")
            y = y.argmax(axis=1)
        if y.shape != (samples,) or y.dtype.kind not in "fiubU":
            raise UserError(
                f"{self.file}: array {name!r} is {y.dtype} of shape {y.shape}, and there are {samples} samples",
                f"{name} holds one number or text for each sample, of shape ({samples},)",
            )
        return y

    def _array(self, name: str) -> np.ndarray:
        """One array, after checking that its header promises no more than there is room for."""
        shape, dtype = self._header(name)
        if dtype.hasobject:
            raise UserError(
                f"{self.file}: array {name!r} holds Python objects, which are not unpickled",
                f"write it as numbers or text: {name}.astype(float), or {name}.astype(str)",
            )
        if math.prod(shape) * max(dtype.itemsize, 8) > frame.MAX_BYTES:
            raise frame.too_big(self.file, f"array {name!r} is {dtype} of shape {shape}")
        with self.archive.open(self._info(name)) as member:
            array: np.ndarray = np.lib.format.read_array(member, allow_pickle=False)
        return array

    def _info(self, name: str) -> zipfile.ZipInfo:
        return next(i for i in self.archive.infolist() if i.filename.removesuffix(".npy") == name)

    def _header(self, name: str) -> tuple[tuple[int, ...], np.dtype]:
        with self.archive.open(self._info(name)) as member:
            return _npy_header(member)


def _npy_header(member: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    version = np.lib.format.read_magic(member)
    if version not in read:
        raise ValueError(f"an array of format version {version}")
    shape, _, dtype = read[version](member)
    return shape, dtype
