"""Reading a file of samples, CSV, Parquet or ``.npz``, into numbers and labels; nothing in it is ever executed.

Whatever is wrong with the file is a UserError that names the file, the place in it, and what would be right.
"""

from __future__ import annotations

import csv
import math
import zipfile
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from levelfield.tasks.errors import UserError, unknown

MAX_BYTES = 256 * 2**20
"""The largest file that is read, and the most room that its features may take as float64 (2**25 cells)."""

LARGEST = float(np.finfo(np.float32).max)

ENCODE = "encode text as numbers, or list the numeric columns in `features`"
MISSING = "fill in or drop the rows with missing values, or list the complete columns in `features`"


@dataclass(frozen=True)
class Wanted:
    """The columns to read: `features` None means all the others."""

    label: str
    split: str | None = None
    features: Sequence[str] | None = None


@dataclass(frozen=True)
class Rows:
    """What was read: features `x` (n, features), one raw label a row, and one split name a row where asked for.

    `place` names a row (counted from 0) as the user would find it in the file.
    """

    x: np.ndarray
    labels: list[Any]
    splits: list[Any] | None
    place: Callable[[int], str]


def read_rows(file: Path, wanted: Wanted) -> Rows:
    """Read `file` by its suffix. Raises UserError when it cannot be used."""
    readers = {".csv": _read_csv, ".parquet": _read_parquet, ".npz": _read_npz}
    if file.suffix.lower() not in readers:
        raise UserError(
            f"{file}: unknown kind of file {file.suffix!r}", f"known: {', '.join(readers)} (not compressed further)"
        )
    try:
        if not file.is_file():
            what = "is a folder" if file.is_dir() else "is not a file" if file.exists() else "does not exist"
            raise UserError(f"{file} {what}", "`file` is relative to the folder of the suite file")
        size = file.stat().st_size
        if size == 0:
            raise UserError(f"{file} is empty", "it needs a header and a row for each sample")
        if size > MAX_BYTES:
            raise _too_big(file, f"{size:,} bytes")
        rows = readers[file.suffix.lower()](file, wanted)
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror or error}", "check the file and its rights") from None
    if not rows.labels:
        raise UserError(f"{file} has no samples", "it needs a row for each sample")
    return rows


def choose_columns(file: Path, names: Sequence[str], wanted: Wanted) -> list[str]:
    """The feature columns among the `names` of a file, after checking all that `wanted` asks for."""
    twice = _repeated(names)
    if twice:
        raise UserError(f"{file}: two columns are called {twice[0]!r}", "give every column its own name")
    taken = {wanted.label: "label"}
    if wanted.split is not None:
        if wanted.split == wanted.label:
            raise UserError(f"{file}: {wanted.label!r} is both `label` and `split-column`", "name two columns")
        taken[wanted.split] = "split-column"
    for name, key in taken.items():
        if name not in names:
            raise unknown(f"column of {file} (key `{key}`):", name, names)
    if wanted.features is None:
        chosen = [name for name in names if name not in taken]
    else:
        chosen = list(wanted.features)
        known = set(names)
        for name in chosen:
            if name not in known:
                raise unknown(f"column of {file} (key `features`):", name, names)
        for name in [*_repeated(chosen), *(known & set(taken) & set(chosen))]:
            raise UserError(
                f"{file}: column {name!r} is named twice (key `features`)",
                "`features` lists each column once, without the label and the split column",
            )
    if not chosen:
        raise UserError(f"{file} has no feature columns", "besides the label it needs a numeric column at least")
    return chosen


def _repeated(names: Sequence[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def _too_big(file: Path, what: str) -> UserError:
    return UserError(
        f"{file} is too big: {what}",
        f"at most {MAX_BYTES:,} bytes, and {MAX_BYTES // 8:,} feature values, are read; use a sample of the rows",
    )


def _check_cells(file: Path, rows: int, columns: int) -> None:
    if rows * columns * 8 > MAX_BYTES:
        raise _too_big(file, f"{rows:,} rows of {columns:,} features")


def _row(index: int) -> str:
    return f"row {index + 1}"


# ---- CSV


def _read_csv(file: Path, wanted: Wanted) -> Rows:
    """UTF-8, a header, commas; blank lines are skipped; blanks around cells do not count."""
    starts = array("q")
    values = array("d")
    labels: list[str] = []
    splits: list[str] | None = None if wanted.split is None else []
    # A byte-order mark, as spreadsheets write it, is not part of the first name.
    with file.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.reader(lines, strict=True, skipinitialspace=True)
        try:
            names = _csv_header(file, reader, wanted)
            features = choose_columns(file, names, wanted)
            index = {name: i for i, name in enumerate(names)}
            columns = [(index[name], name) for name in features]
            label = index[wanted.label]
            line = reader.line_num + 1
            for cells in reader:
                if cells:
                    if len(cells) != len(names):
                        raise UserError(
                            f"{file}: line {line} has {len(cells)} cells, the header {len(names)}",
                            'a cell with a comma in it needs quotes: "a, b"',
                        )
                    starts.append(line)
                    values.extend(number(file, f"line {line}", name, cells[i]) for i, name in columns)
                    labels.append(cells[label].strip())
                    if splits is not None and wanted.split is not None:
                        splits.append(cells[index[wanted.split]].strip())
                    if len(values) * 8 > MAX_BYTES:
                        raise _too_big(file, f"it has more than {len(starts) - 1:,} rows of {len(columns):,} features")
                line = reader.line_num + 1
        except UnicodeDecodeError as error:
            raise UserError(f"{file} is not UTF-8 text: {error.reason}", "save it again as CSV in UTF-8") from None
        except csv.Error as error:
            raise UserError(
                f"{file}: line {reader.line_num} is not CSV: {error}", "check its quotes; cells end at commas"
            ) from None
    x = np.asarray(values).reshape(len(starts), len(columns))
    return Rows(x, labels, splits, lambda index: f"line {starts[index]}")


def _csv_header(file: Path, reader: Any, wanted: Wanted) -> list[str]:
    names = [name.strip() for name in next((cells for cells in reader if cells), [])]
    if not names:
        raise UserError(f"{file} has no header", "the first line names the columns, separated by commas")
    other = next((mark for mark in ";\t|" if mark in names[0]), None)
    if len(names) == 1 and other and wanted.label not in names:
        raise UserError(f"{file}: its columns are separated by {other!r}", "save it again with commas")
    return names


def number(file: Path, place: str, column: str, cell: str) -> float:
    """The finite float32-sized number in a cell of text."""
    text = cell.strip()
    try:
        value = float(text) if "_" not in text else None  # Python's 1_000 is no number to anyone else
    except ValueError:
        value = None
    if value is not None and abs(value) <= LARGEST:
        return value
    where = f"{file}: {place}, column {column!r}"
    if not text:
        raise UserError(f"{where} is empty", MISSING)
    shown = text if len(text) <= 40 else f"{text[:40]}…"
    if value is not None or text.lower() in ("na", "n/a", "null", "none", "?", "-"):
        raise UserError(f"{where}: {shown!r} is not a finite float32 number", MISSING)
    raise UserError(f"{where}: {shown!r} is not a number", ENCODE)


# ---- Parquet


def _read_parquet(file: Path, wanted: Wanted) -> Rows:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise UserError(
            f"{file}: Parquet needs pyarrow, which is not installed", "pip install 'levelfield[parquet]'"
        ) from None
    try:
        with pq.ParquetFile(file) as source:
            schema = source.schema_arrow
            features = choose_columns(file, schema.names, wanted)
            count = source.metadata.num_rows
            _check_cells(file, count, len(features))
            for name in features:
                kind = schema.field(name).type
                if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
                    raise UserError(f"{file}: column {name!r} is {kind}, not numbers", ENCODE)
            others = [wanted.label] if wanted.split is None else [wanted.label, wanted.split]
            for name in others:
                kind = schema.field(name).type
                if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
                    raise UserError(f"{file}: column {name!r} is {kind}", "labels are text or numbers")
            table = source.read(columns=[*features, *others])
            x = np.empty((count, len(features)))
            for i, name in enumerate(features):
                column = table.column(name)
                if column.null_count:
                    row = int(np.argmax(column.is_null().to_numpy()))
                    raise UserError(f"{file}: {_row(row)}, column {name!r} is empty", MISSING)
                x[:, i] = column.to_numpy()
            _check_finite(file, x, features)
            labels = _text_or_number(table.column(wanted.label).to_pylist())
            splits = None if wanted.split is None else _text_or_number(table.column(wanted.split).to_pylist())
    except (UserError, OSError):
        raise
    except Exception as error:  # a damaged file fails in many ways
        first = str(error).partition("\n")[0]
        raise UserError(f"{file} cannot be read as Parquet: {first}", "check how it was written") from None
    return Rows(x, labels, splits, _row)


def _text_or_number(values: Sequence[Any]) -> list[Any]:
    """Missing values as empty text, as CSV has them; dates and the like as their text."""
    return ["" if v is None else v if isinstance(v, (int, float)) else str(v).strip() for v in values]


def _check_finite(file: Path, x: np.ndarray, names: Sequence[str]) -> None:
    wrong = ~(np.abs(x) <= LARGEST)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise UserError(
            f"{file}: {_row(row)}, column {names[column]!r}: {x[row, column]} is not a finite float32 number",
            MISSING,
        )


# ---- npz


def _read_npz(file: Path, wanted: Wanted) -> Rows:
    """Arrays ``x`` (n, features) and the label's and the split column's (n,) in a NumPy archive."""
    if wanted.features is not None:
        raise UserError(
            f"{file}: `features` names columns, and the columns of an .npz file have no names",
            "leave `features` out, and the unwanted columns out of the array x",
        )
    try:
        with zipfile.ZipFile(file) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist()]
            choose_columns(file, names, Wanted(wanted.label, wanted.split, ["x"]))
            x = _npz_array(file, archive, "x")
            others = [wanted.label] if wanted.split is None else [wanted.label, wanted.split]
            columns = [_npz_array(file, archive, name) for name in others]
    except (UserError, OSError):
        raise
    except Exception as error:  # a damaged archive fails in many ways, inside zipfile, zlib and NumPy's header parser
        raise UserError(
            f"{file} cannot be read as .npz: {error}", "write it with numpy.savez(file, x=…, y=…), without objects"
        ) from None
    if x.ndim != 2 or x.dtype.kind not in "fiub" or x.shape[1] == 0:
        raise UserError(
            f"{file}: array 'x' is {x.dtype} of shape {x.shape}", "x holds numbers, of shape (samples, features)"
        )
    for name, column in zip(others, columns, strict=True):
        if column.shape != (len(x),) or column.dtype.kind not in "fiubU":
            raise UserError(
                f"{file}: array {name!r} is {column.dtype} of shape {column.shape}, and 'x' has {len(x)} samples",
                f"{name} holds one number or text for each sample, of shape ({len(x)},)",
            )
    x = x.astype(np.float64)
    _check_finite(file, x, [str(i) for i in range(x.shape[1])])
    labels, splits = ([_text_or_number(column.tolist()) for column in columns] + [None])[:2]
    return Rows(x, labels or [], splits, _row)


def _npz_array(file: Path, archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """One array of the archive, after checking that its header promises no more than there is room for."""
    info = next(i for i in archive.infolist() if i.filename.removesuffix(".npy") == name)
    with archive.open(info) as member:
        shape, dtype = _npy_header(member)
        if math.prod(shape) * max(dtype.itemsize, 8) > MAX_BYTES:
            raise _too_big(file, f"array {name!r} is {dtype} of shape {shape}")
    with archive.open(info) as member:
        array: np.ndarray = np.lib.format.read_array(member, allow_pickle=False)
    return array


def _npy_header(member: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    version = np.lib.format.read_magic(member)
    if version not in read:
        raise ValueError(f"an array of format version {version}")
    shape, _, dtype = read[version](member)
    return shape, dtype
