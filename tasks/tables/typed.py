"""Files whose columns have types: Parquet, Feather, ARFF, LIBSVM; and sheets of Excel, which are read as text is."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from levelfield.tasks.errors import UserError
from levelfield.tasks.tables import delimited, frame
from levelfield.tasks.tables.frame import Frame
from levelfield.tasks.tables.spec import TableSpec


def read(file: Path, data: bytes, spec: TableSpec, form: str) -> Frame:
    """The columns of `file`. Raises UserError for what is damaged, too big, or needs a library that is absent."""
    readers = {"parquet": _parquet, "feather": _feather, "arff": _arff, "libsvm": _libsvm, "xlsx": _xlsx}
    try:
        return readers[form](file, data, spec)
    except (UserError, MemoryError):
        raise
    except Exception as error:  # a damaged file fails in many ways
        first = str(error).partition("\n")[0][:200] or type(error).__name__
        raise UserError(f"{file} cannot be read as {form}: {first}", "check how it was written") from None


def _parquet(file: Path, data: bytes, spec: TableSpec) -> Frame:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(pa.BufferReader(data)) as source:
        names = source.schema_arrow.names
        _distinct(file, names)
        chosen = frame.choose(file, names, spec)
        frame.check_cells(file, source.metadata.num_rows, len(chosen.features))
        wanted = sorted(set(chosen.all))
        table = source.read(columns=[names[i] for i in wanted])
    kept = {name: table.column(name) for name in (names[i] for i in wanted)}
    return _frame(file, names, kept)


def _feather(file: Path, data: bytes, spec: TableSpec) -> Frame:
    import pyarrow as pa

    names = pa.ipc.open_file(pa.BufferReader(data)).schema.names
    _distinct(file, names)
    chosen = frame.choose(file, names, spec)
    options = pa.ipc.IpcReadOptions(included_fields=sorted(set(chosen.all)))
    reader = pa.ipc.open_file(pa.BufferReader(data), options=options)
    batches, rows = [], 0
    for i in range(reader.num_record_batches):
        batches.append(reader.get_batch(i))
        rows += batches[-1].num_rows
        frame.check_cells(file, rows, len(chosen.features))
    table = pa.Table.from_batches(batches, reader.schema)
    return _frame(file, names, {name: table.column(name) for name in reader.schema.names})


def _frame(file: Path, names: list[str], kept: dict[str, Any]) -> Frame:
    """Of the columns that were read; those that were not are empty, so that names keep their places."""
    import pyarrow as pa

    rows = len(next(iter(kept.values())))
    absent = pa.chunked_array([pa.nulls(rows)])
    return Frame(file, tuple(names), tuple(kept.get(name, absent) for name in names), frame.row)


def _distinct(file: Path, names: list[str]) -> None:
    twice = [name for name in names if names.count(name) > 1] if len(set(names)) < len(names) else []
    if twice:
        raise UserError(f"{file}: two columns are called {twice[0]!r}", "give every column its own name")


def _arff(file: Path, data: bytes, spec: TableSpec) -> Frame:
    import pyarrow as pa
    from scipy.io import arff

    encoding = "utf-8-sig" if spec.encoding == "utf-8" else spec.encoding
    table, meta = arff.loadarff(io.StringIO(data.decode(encoding)))
    columns = {}
    for name in meta.names():
        values = np.atleast_1d(table[name])
        if meta[name][0] == "nominal":
            words = [value.decode().strip() for value in values]
            columns[name] = pa.array([None if word == "?" else word for word in words], pa.string())
        else:
            columns[name] = pa.array(values, from_pandas=True)
    return Frame.of_arrays(file, columns)


def _libsvm(file: Path, data: bytes, spec: TableSpec) -> Frame:
    """Features ``1`` …, absent ones 0, and the ``label``."""
    from sklearn.datasets import load_svmlight_file

    x, y = load_svmlight_file(io.BytesIO(data))
    frame.check_cells(file, *x.shape)
    features = {str(i): column for i, column in enumerate(np.ascontiguousarray(x.toarray().T), start=1)}
    return Frame.of_arrays(file, features | {"label": y}, ["LIBSVM: what is absent is 0"])


def _xlsx(file: Path, data: bytes, spec: TableSpec) -> Frame:
    """The first sheet, its cells as text; rows keep their numbers."""
    import pandas

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if (size := sum(info.file_size for info in archive.infolist())) > frame.MAX_BYTES:
            raise frame.too_big(file, f"{size:,} bytes unpacked")
    try:
        import openpyxl  # noqa: F401
    except ImportError:
        raise UserError(
            f"{file}: .xlsx needs openpyxl, which is not installed", "pip install 'levelfield[xlsx]'"
        ) from None
    with pandas.ExcelFile(io.BytesIO(data), engine="openpyxl") as book:
        sheets = [str(name) for name in book.sheet_names]
        cells = pandas.read_excel(book, sheet_name=0, header=None, dtype=object, keep_default_na=False, na_values=[])
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([_cell(value) for value in row] for row in cells.to_numpy())
    found = delimited.read(file, out.getvalue().encode(), spec.model_copy(update={"encoding": "utf-8"}))
    told = f"sheet {sheets[0]!r}" + (f", the first of {len(sheets)}" if len(sheets) > 1 else "")
    return Frame(file, found.names, found.columns, found.place, (told, *found.said), proposals=found.proposals)


def _cell(value: Any) -> str:
    if value is None or value != value:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else str(value)
